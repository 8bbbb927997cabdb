import { readFileSync } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExportResult } from '../../src/export/export-tally.ts'
import type { Manifest } from '../../src/export/manifest.ts'
import type { FaultRule } from '../../src/sandbox/index.ts'
import { ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { countWithPolars, hiveTable, openDuckDb, readParquetWithPolars } from '../support/export-reader.ts'
import { SHARD_SCHEMA } from '../support/foreign-reader.ts'
import type { StoredChunk } from '../support/stored-chunk.ts'
import { readStoredChunks } from '../support/stored-chunk.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, digestTree, listFiles } from '../support/temp-lake.ts'

const NOW = '2024-03-05T12:00:00Z'
const CHINESE = '币安人生USDT'

const CONTENT: readonly FaultRule[] = [
  { kind: 'outage', market: 'spot', symbol: 'AAAUSDT', from: '2024-02-11T04:00:00Z', to: '2024-02-11T06:00:00Z' },
  { kind: 'outage', market: 'um', symbol: 'BBBUSDT', from: '2024-02-20T00:00:00Z', to: '2024-02-22T00:00:00Z' },
]

const UNIVERSE = [
  'market,symbol,earliest_date,available_intervals',
  'spot,AAAUSDT,2024-01-28,"1m,1h,1mo"',
  `spot,${CHINESE},2024-01-28,"1h"`,
  'um,BBBUSDT,2024-01-28,"1h"',
].join('\n')

let exchange: TestExchange
let world: TempDirectory

async function ingest(lake: string, ...flags: string[]) {
  const args = ['ingest', '--universe', '-', '--intervals', 'all', '--archives', 'daily', '--lake', lake, '--json', '--quiet', ...flags]
  return ingestResult(await runHere(args, { env: exchange.env, stdin: UNIVERSE }))
}

async function exportLake(out: string, ...flags: string[]): Promise<ExportResult> {
  return jsonOf(await runHere(['export', '--lake', world.lake, '--out', out, '--json', '--quiet', ...flags])) as ExportResult
}

function readManifest(out: string): Manifest {
  return JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as Manifest
}

/** What engines and users see of an export: not the lock. */
async function visibleTree(out: string): Promise<string[]> {
  return (await digestTree(out)).filter((line) => !line.startsWith('.ckvd/'))
}

beforeAll(async () => {
  exchange = await startExchange(NOW, {
    faults: CONTENT,
    markets: [
      { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-28' },
      { market: 'spot', symbol: CHINESE, firstDay: '2024-01-28' },
      { market: 'um', symbol: 'BBBUSDT', firstDay: '2024-01-28' },
    ],
  })
  world = await createTempDirectory()
  expect(await ingest(world.lake)).toMatchObject({ exit: 0, problems: [], series: 5 })
}, 60_000)

afterAll(async () => {
  await exchange[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

describe('an export as Parquet', () => {
  let out: string
  let result: ExportResult

  beforeAll(async () => {
    out = join(world.path, 'export')
    result = await exportLake(out)
  })

  test('a file a month of minutes, a year of hours and longer, in Hive folders; manifest and coverage beside them', async () => {
    expect((await listFiles(out)).filter((path) => !path.startsWith('.ckvd/'))).toEqual(
      [
        'coverage.parquet',
        'data/market=spot/symbol=AAAUSDT/interval=1h/year=2024/AAAUSDT-1h-2024.parquet',
        'data/market=spot/symbol=AAAUSDT/interval=1m/year=2024/AAAUSDT-1m-2024-01.parquet',
        'data/market=spot/symbol=AAAUSDT/interval=1m/year=2024/AAAUSDT-1m-2024-02.parquet',
        'data/market=spot/symbol=AAAUSDT/interval=1m/year=2024/AAAUSDT-1m-2024-03.parquet',
        'data/market=spot/symbol=AAAUSDT/interval=1mo/year=2024/AAAUSDT-1mo-2024.parquet',
        `data/market=spot/symbol=${CHINESE}/interval=1h/year=2024/${CHINESE}-1h-2024.parquet`,
        'data/market=um/symbol=BBBUSDT/interval=1h/year=2024/BBBUSDT-1h-2024.parquet',
        'manifest.json',
      ].sort(),
    )
    expect(result).toMatchObject({ command: 'export', exit: 0, series: 5, files: { written: 7, unchanged: 0, removed: 0, failed: 0 } })
    const manifest = readManifest(out)
    expect(manifest).toMatchObject({ format: 1, state: 'complete', origin: 'sandbox', rows: result.rows, bytes: result.bytes })
    for (const { path, bytes } of manifest.files) expect((await stat(join(out, path))).size).toBe(bytes)
  })

  test('polars reads every row of every shard, in order, with the types of the shards and no null', async () => {
    for (const { path, market, symbol, interval, period, rows } of readManifest(out).files) {
      const { schema, nulls, columns } = readParquetWithPolars(join(out, path))
      expect(schema).toEqual(SHARD_SCHEMA)
      expect(nulls).toBe(0)
      const isOf = ({ metadata, day }: StoredChunk): boolean =>
        metadata.get('ckvd.market') === market &&
        metadata.get('ckvd.symbol') === symbol &&
        metadata.get('ckvd.interval') === (interval === '1mo' ? '1M' : interval) &&
        day.startsWith(period)
      const stored = (await readStoredChunks(world.lake)).filter(isOf).sort((a, b) => (a.day < b.day ? -1 : 1))
      const expected = stored.map((chunk) => chunk.columns)
      columns.forEach((values, i) => expect(values, `${path} column ${i}`).toEqual(expected.flatMap((shard) => [...shard[i]!])))
      expect(columns[0]).toHaveLength(rows)
    }
    expect(countWithPolars(join(out, 'data/**/*.parquet'))).toBe(result.rows)
  })

  test('DuckDB finds the partitions, with the symbol as it is, and statistics by which it can leave out files', async () => {
    using duck = await openDuckDb()
    const series = await duck.rows(`SELECT DISTINCT market, symbol, interval, year FROM ${hiveTable(out)} ORDER BY ALL`)
    expect(series).toEqual([
      ['spot', 'AAAUSDT', '1h', 2024n],
      ['spot', 'AAAUSDT', '1m', 2024n],
      ['spot', 'AAAUSDT', '1mo', 2024n],
      ['spot', CHINESE, '1h', 2024n],
      ['um', 'BBBUSDT', '1h', 2024n],
    ])
    const february = join(out, 'data/market=spot/symbol=AAAUSDT/interval=1m/year=2024/AAAUSDT-1m-2024-02.parquet')
    const facts = `SELECT stats_min_value, stats_max_value, stats_null_count, compression FROM parquet_metadata('${february}') WHERE path_in_schema = 'open_time'`
    expect(await duck.rows(facts)).toEqual([['2024-02-01 00:00:00+00', '2024-02-29 23:59:00+00', 0n, 'ZSTD']])
    const types = `SELECT name, repetition_type FROM parquet_schema('${february}') WHERE repetition_type IS NOT NULL`
    expect((await duck.rows(types)).every(([, repetition]) => repetition === 'REQUIRED')).toBe(true)
  })

  test('the ledger tells each day of the lake, and why bars are missing', async () => {
    using duck = await openDuckDb()
    const ledger = `'${join(out, 'coverage.parquet')}'`
    const total = Object.values(result.days).reduce((sum, count) => sum + count, 0)
    expect(await duck.rows(`SELECT count(*), count(DISTINCT (market, symbol, interval, day)) FROM ${ledger}`)).toEqual([
      [BigInt(total), BigInt(total)],
    ])
    const outages = `SELECT symbol, interval, day::TEXT, rows, missing_bars, gaps[1].evidence, file FROM ${ledger} WHERE condition = 'outage' ORDER BY ALL`
    const rows = await duck.rows(outages)
    expect(rows.map((row) => row.slice(0, 5))).toEqual([
      ['AAAUSDT', '1h', '2024-02-11', 22n, 2n],
      ['AAAUSDT', '1m', '2024-02-11', 1320n, 120n],
      ['BBBUSDT', '1h', '2024-02-20', 0n, 24n],
      ['BBBUSDT', '1h', '2024-02-21', 0n, 24n],
    ])
    expect(rows.every(([, , , , , evidence]) => /^REST has the bars of \S+Z and \S+Z and none between$/.test(String(evidence)))).toBe(true)
    expect(rows.map((row) => row[6] === null)).toEqual([false, false, true, true])
  })

  test('the same lake gives the same bytes, whatever the number of workers', async () => {
    const again = join(world.path, 'again')
    await exportLake(again, '--workers', '1')
    expect(await visibleTree(again)).toEqual(await visibleTree(out))
  })

  test('a second export writes nothing', async () => {
    const before = await visibleTree(out)
    const times = async () => Promise.all((await listFiles(out)).map(async (path) => [path, (await stat(join(out, path))).mtimeMs]))
    const written = (await times()).filter(([path]) => !String(path).startsWith('.ckvd/'))
    expect(await exportLake(out)).toMatchObject({ exit: 0, files: { written: 0, unchanged: 7, removed: 0 }, bytes_written: 0 })
    expect((await times()).filter(([path]) => !String(path).startsWith('.ckvd/'))).toEqual(written)
    expect(await visibleTree(out)).toEqual(before)
  })

  test('a file that was damaged in size or removed is made again; files of others are left alone', async () => {
    const before = await visibleTree(out)
    const foreign = join(out, 'data/market=spot/symbol=AAAUSDT/notes.txt')
    await writeFile(foreign, 'mine')
    await mkdir(join(out, 'plots'))
    await writeFile(join(out, 'data/market=spot/symbol=AAAUSDT/interval=1h/year=2024/AAAUSDT-1h-2024.parquet'), 'cut')
    expect(await exportLake(out)).toMatchObject({ exit: 0, files: { written: 1, unchanged: 6, removed: 0 } })
    expect((await visibleTree(out)).filter((line) => !line.includes('notes.txt'))).toEqual(before)
    expect(readFileSync(foreign, 'utf8')).toBe('mine')
  })

  test('a day that changed rewrites only its file, with manifest and coverage', async () => {
    const before = await visibleTree(out)
    exchange.sandbox.setFaults([...CONTENT, { kind: 'republish', market: 'spot', symbol: 'AAAUSDT', day: '2024-02-07' }])
    expect(await ingest(world.lake, '--refresh', '--intervals', '1m')).toMatchObject({ exit: 0, republished: 1 })
    const changed = await exportLake(out)
    expect(changed).toMatchObject({ exit: 0, files: { written: 1, unchanged: 6, removed: 0 }, rows_written: 29 * 1440 - 120 })
    const path = 'data/market=spot/symbol=AAAUSDT/interval=1m/year=2024/AAAUSDT-1m-2024-02.parquet'
    const differing = (await visibleTree(out)).filter((line) => !before.includes(line)).map((line) => line.split(' ')[0])
    expect(differing).toEqual(['coverage.parquet', path, 'manifest.json'])
    const revisions = readManifest(out).files.map((file) => [file.path, file.revisions] as const)
    expect(revisions.filter(([, days]) => Object.keys(days).length > 0)).toEqual([[path, { '2024-02-07': 2 }]])
  })
})
