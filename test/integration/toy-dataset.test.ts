import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Dataset } from '../../src/dataset/dataset.ts'
import type * as Registry from '../../src/dataset/registry.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import { runHere } from '../support/ckvd.ts'
import { startExchange } from '../support/exchange.ts'
import { createTempDirectory, listFiles, queryCatalog } from '../support/temp-lake.ts'
import { buildArchive } from '../support/zip-builder.ts'

/*
 * A data set that exists nowhere: this file describes it, and no other file knows it. The commands plan, fetch, decode (in threads), store,
 * verify and show it as they do klines.
 */
const TOY: Dataset = {
  name: 'moodIndex',
  folder: 'moodIndex',
  hasInterval: false,
  grid: '1h',
  markets: ['um'],
  chunking: 'day',
  packagings: ['daily'],
  columns: [
    { key: 'openTime', name: 'calc_time', type: 'timestamp' },
    { key: 'mood', name: 'mood', type: 'float64', least: -1, most: 1 },
    { key: 'voices', name: 'voices', type: 'int64', least: 0 },
  ],
  csv: 'columns',
  rules: null,
  completeness: { kind: 'grid' },
  rest: null,
}

const NOW = '2024-03-20T12:00:00Z'
const DAYS = ['2024-03-01', '2024-03-02', '2024-03-03']
const stemOf = (day: string): string => `BTCUSDT-moodIndex-${day}`
const FOLDER = 'data/futures/um/daily/moodIndex/BTCUSDT'

/** The rows of a day but for some hours. */
function csvOf(day: string, missing: readonly number[] = []): string {
  const hours = Array.from({ length: 24 }, (_none, hour) => hour).filter((hour) => !missing.includes(hour))
  const rows = hours.map((hour) => `${Date.parse(`${day}T00:00:00Z`) + hour * 3_600_000},${(hour - 12) / 16},${hour * 100}`)
  return ['calc_time,mood,voices', ...rows, ''].join('\n')
}

/** A bucket with an archive of each text, and the commands on a lake of it. */
async function serve(texts: Readonly<Record<string, string>>) {
  const temp = await createTempDirectory()
  for (const [day, text] of Object.entries(texts)) {
    const path = join(temp.path, 'vision', FOLDER, `${stemOf(day)}.zip`)
    await mkdir(dirname(path), { recursive: true })
    const { zip, checksum } = buildArchive(stemOf(day), text)
    await writeFile(path, zip)
    await writeFile(`${path}.CHECKSUM`, checksum)
  }
  const exchange = await startExchange(NOW, { archive: join(temp.path, 'vision') })
  const run = async (...args: string[]) => {
    const { exit, stdout, stderr } = await runHere([...args, '--lake', temp.lake, '--json'], { env: exchange.env, stdin: 'BTCUSDT\n' })
    if (stdout === '') throw new Error(stderr)
    return { exit, told: JSON.parse(stdout) as IngestResult & Record<string, unknown> }
  }
  return {
    lake: temp.lake,
    run,
    ingest: (...more: string[]) =>
      run('ingest', '--universe', '-', '--market', 'um', '--data', 'moodIndex', '--start', '2024-03-01', '--end', '2024-03-04', ...more),
    [Symbol.asyncDispose]: async () => {
      await exchange[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}

describe('a data set that this file alone describes', () => {
  beforeAll(async () => {
    const registry = (await import(new URL('../../dist/src/dataset/registry.js', import.meta.url).href)) as typeof Registry
    registry.registerDataset(TOY)
  })

  test('is ingested, verified, read back, and its catalog rebuilt from its shards', async () => {
    await using world = await serve(Object.fromEntries(DAYS.map((day) => [day, csvOf(day)])))
    const first = await world.ingest()
    expect(first).toMatchObject({ exit: 0, told: { series: 1, days: { complete: 3 }, stored: 3, rows: 72, problems: [] } })
    expect(await listFiles(join(world.lake, 'data'))).toEqual(DAYS.map((day) => `${FOLDER}/${stemOf(day)}.arrow`.slice('data/'.length)))
    const shard = await readFile(join(world.lake, FOLDER, `${stemOf('2024-03-02')}.arrow`))
    const table = tableFromIPC(shard)
    expect(table.schema.fields.map(({ name, type }) => `${name} ${String(type)}`)).toEqual([
      'calc_time Timestamp<MICROSECOND, UTC>',
      'mood Float64',
      'voices Int64',
    ])
    expect(table.schema.metadata.get('ckvd.dataset')).toBe('moodIndex')
    const hours = Array.from({ length: 24 }, (_none, hour) => hour)
    const midnightUs = BigInt(Date.parse('2024-03-02T00:00:00Z')) * 1000n
    expect([...(table.getChild('calc_time')?.data[0]?.values as BigInt64Array)]).toEqual(
      hours.map((hour) => midnightUs + BigInt(hour) * 3_600_000_000n),
    )
    expect([...(table.getChild('mood')?.toArray() as Float64Array)]).toEqual(hours.map((hour) => (hour - 12) / 16))
    expect([...(table.getChild('voices')?.toArray() as BigInt64Array)]).toEqual(hours.map((hour) => BigInt(hour) * 100n))
    const again = await world.ingest()
    expect(again).toMatchObject({ exit: 0, told: { stored: 0, skipped: 3 } })
    const days = 'SELECT dataset, symbol, day, condition, rows, archive_key, shard_sha256 FROM all_days ORDER BY day'
    const known = queryCatalog(world.lake, days)
    expect(known).toMatchObject(DAYS.map((day) => ({ dataset: 'moodIndex', day, rows: 24, archive_key: `${FOLDER}/${stemOf(day)}.zip` })))
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { shards: 3, bad: [], foreign: [] } })
    await rm(join(world.lake, 'catalog.sqlite'))
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { shards: 3, adopted: 3, bad: [], foreign: [] } })
    expect(queryCatalog(world.lake, days)).toEqual(known)
    const coverage = await world.run('coverage')
    expect(coverage).toMatchObject({
      exit: 0,
      told: { series: [{ dataset: 'moodIndex', symbol: 'BTCUSDT', days: { complete: 3 }, rows: 72 }] },
    })
  })

  test('what is missing of it is unexplainable where no source can be asked: exit 3, and the rows that are there are stored', async () => {
    await using world = await serve({
      '2024-03-01': csvOf('2024-03-01'),
      '2024-03-02': csvOf('2024-03-02', [5, 6]),
      '2024-03-03': csvOf('2024-03-03'),
    })
    const { exit, told } = await world.ingest()
    expect(exit).toBe(3)
    expect(told).toMatchObject({ days: { complete: 2, unexplainable: 1 }, rows: 70 })
    expect(told.problems).toMatchObject([
      { market: 'um', dataset: 'moodIndex', symbol: 'BTCUSDT', day: '2024-03-02', condition: 'unexplainable' },
    ])
    expect(told.problems[0]?.message).toContain('2 of 24')
    expect(queryCatalog(world.lake, 'SELECT day FROM days UNION ALL SELECT start_us FROM gaps')).toEqual([])
    expect(queryCatalog(world.lake, 'SELECT dataset, bars FROM all_gaps')).toEqual([{ dataset: 'moodIndex', bars: 2 }])
    expect((await world.run('verify')).told).toMatchObject({ bad: [], foreign: [] })
    expect((await world.run('coverage')).exit).toBe(3)
    const accepted = await world.run('coverage', '--accept', 'um/moodIndex/BTCUSDT/2024-03-02', '--reason', 'nobody voted')
    expect(accepted).toMatchObject({ exit: 0, told: { accepted: { dataset: 'moodIndex', day: '2024-03-02', condition: 'unexplainable' } } })
    expect((await world.run('coverage')).exit).toBe(0)
    expect(await world.run('verify', '--prune', 'um/moodIndex/BTCUSDT')).toMatchObject({ exit: 0 })
    expect(await listFiles(join(world.lake, 'data'))).toEqual([])
  })

  test('a cell that is not what its column says is refused, with line and column', async () => {
    const text = csvOf('2024-03-02').replace(',-0.75,', ',-7.5,')
    await using world = await serve({ '2024-03-01': csvOf('2024-03-01'), '2024-03-02': text, '2024-03-03': csvOf('2024-03-03') })
    const { exit, told } = await world.ingest()
    expect(exit).toBe(3)
    expect(told.problems).toMatchObject([{ dataset: 'moodIndex', day: '2024-03-02', condition: 'quarantined', code: 'CKVD_CSV_NUMBER' }])
    expect(told.problems[0]?.message).toContain('as mood, found "-7.5" (um BTCUSDT moodIndex 2024-03-02, line 2, column 2)')
  })

  test('a market that has not the data set, and a name that nobody described, are refused', async () => {
    await using world = await serve({ '2024-03-01': csvOf('2024-03-01') })
    const ask = (market: string, data: string) =>
      runHere(['ingest', '--universe', '-', '--market', market, '--data', data, '--lake', world.lake], { stdin: 'BTCUSDT\n' })
    expect(await ask('spot', 'moodIndex')).toMatchObject({ exit: 2, stderr: expect.stringContaining('moodIndex: um') as string })
    expect(await ask('um', 'modIndex')).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('klines, fundingRate') as string,
    })
  })
})
