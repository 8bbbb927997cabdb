import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { appendFile, cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExportResult } from '../../src/export/export-tally.ts'
import type { Manifest } from '../../src/export/manifest.ts'
import { encodeArrowShard } from '../../src/codec/arrow/arrow-writer.ts'
import type { WritableLake } from '../../src/lake/lake.ts'
import { openLake } from '../../src/lake/lake.ts'
import { readShard } from '../../src/lake/shards.ts'
import type { Steps } from '../../src/disk/steps.ts'
import { createLogger } from '../../src/log.ts'
import type { KlineColumns } from '../../src/model/kline.ts'
import type { Series } from '../../src/model/series.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { ingestResult, jsonOf, runHere, startCkvd } from '../support/ckvd.ts'
import { runExport } from '../support/dist.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog, waitUntil } from '../support/temp-lake.ts'

const NOW = '2024-03-05T12:00:00Z'
const UNIVERSE = 'market,symbol,earliest_date,available_intervals\nspot,AAAUSDT,2024-01-30,"1m,1h"\num,BBBUSDT,2024-01-30,"1m"'
/** five files of minutes, one of hours */
const FILES = 7
const SHARD = 'data/spot/daily/klines/AAAUSDT/1m/AAAUSDT-1m-2024-02-03.arrow'
const FEBRUARY = 'data/market=spot/symbol=AAAUSDT/interval=1m/year=2024/AAAUSDT-1m-2024-02.parquet'

let exchange: TestExchange
let world: TempDirectory
/** an export of the lake that nothing has disturbed */
let reference: string[]

async function ingest(lake: string, ...flags: string[]) {
  const args = ['ingest', '--universe', '-', '--intervals', 'all', '--archives', 'daily', '--lake', lake, '--json', '--quiet', ...flags]
  return ingestResult(await runHere(args, { env: exchange.env, stdin: UNIVERSE }))
}

async function exportLake(lake: string, out: string, ...flags: string[]): Promise<ExportResult> {
  return jsonOf(await runHere(['export', '--lake', lake, '--out', out, '--json', '--quiet', ...flags])) as ExportResult
}

async function refusal(out: string, ...flags: string[]): Promise<string> {
  const { exit, stdout, stderr } = await runHere(['export', '--lake', world.lake, '--out', out, '--quiet', ...flags])
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' })
  return stderr
}

async function visibleTree(out: string): Promise<string[]> {
  return (await digestTree(out)).filter((line) => !line.startsWith('.ckvd/'))
}

async function copyLake(): Promise<TempDirectory> {
  const copy = await createTempDirectory()
  await cp(world.lake, copy.lake, { recursive: true })
  return copy
}

function readManifest(out: string): Manifest {
  return JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as Manifest
}

beforeAll(async () => {
  exchange = await startExchange(NOW, {
    markets: [
      { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-30' },
      { market: 'um', symbol: 'BBBUSDT', firstDay: '2024-01-30' },
    ],
  })
  world = await createTempDirectory()
  expect(await ingest(world.lake)).toMatchObject({ exit: 0, problems: [] })
  const out = join(world.path, 'reference')
  expect(await exportLake(world.lake, out)).toMatchObject({ exit: 0, files: { written: FILES } })
  reference = await visibleTree(out)
}, 60_000)

afterAll(async () => {
  await exchange[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

describe('a shard that is not what the catalog says', () => {
  test.each([
    ['altered', 'CKVD_SHARD_DIGEST', (path: string) => appendFile(path, 'x')],
    ['of the same size', 'CKVD_SHARD_DIGEST', (path: string) => writeFile(path, flipped(readFileSync(path)))],
    ['removed', 'CKVD_SHARD_MISSING', (path: string) => rm(path)],
  ])('%s: its file fails with a word and exit 3, the others are made, and the file of before stays', async (_how, code, damage) => {
    await using copy = await copyLake()
    const out = join(copy.path, 'out')
    await damage(join(copy.lake, SHARD))
    const problem = { market: 'spot', symbol: 'AAAUSDT', interval: '1m', path: FEBRUARY, code }
    const first = await exportLake(copy.lake, out)
    expect(first).toMatchObject({ exit: 3, files: { written: FILES - 1, failed: 1 }, problems: [problem] })
    expect(first.problems[0]?.message).toContain('ckvd verify --repair')
    expect(existsSync(join(out, FEBRUARY))).toBe(false)
    expect((await visibleTree(out)).filter((line) => line.startsWith('data/'))).toEqual(
      reference.filter((line) => line.startsWith('data/') && !line.startsWith(FEBRUARY)),
    )
    // healed, the next run makes what is missing and nothing else
    await cp(join(world.lake, SHARD), join(copy.lake, SHARD))
    expect(await exportLake(copy.lake, out)).toMatchObject({ exit: 0, files: { written: 1, unchanged: FILES - 1 } })
    expect(await visibleTree(out)).toEqual(reference)
  })

  function flipped(bytes: Buffer): Buffer {
    bytes[bytes.length >> 1]! ^= 1
    return bytes
  }
})

test('days without explanation: what there is is exported, the days are listed, exit 3; accepted ones count as explained', async () => {
  await using copy = await createTempDirectory()
  const out = join(copy.path, 'out')
  exchange.sandbox.setFaults([{ kind: 'cut', market: 'um', symbol: 'BBBUSDT', day: '2024-02-07', at: '07:00' }])
  try {
    expect(await ingest(copy.lake, '--no-rest', '--market', 'um', '--end', '2024-03-01')).toMatchObject({ exit: 3 })
  } finally {
    exchange.sandbox.setFaults([])
  }
  const day = { market: 'um', symbol: 'BBBUSDT', interval: '1m', day: '2024-02-07' }
  const result = await exportLake(copy.lake, out)
  expect(result).toMatchObject({ exit: 3, unexplained: [{ ...day, condition: 'partial' }], problems: [], accepted: 0 })
  const text = await runHere(['export', '--lake', copy.lake, '--out', out])
  expect(text.stdout).toMatch(/1 not explained:\n {2}um BBBUSDT 1m {2}2024-02-07 {2}partial: .+\n.*\(exit 3\)\n$/)
  await runHere(['coverage', '--lake', copy.lake, '--accept', 'um/BBBUSDT/1m/2024-02-07', '--reason', 'looked at'])
  expect(await exportLake(copy.lake, out)).toMatchObject({ exit: 0, accepted: 1, unexplained: [], files: { written: 0 } })
}, 30_000)

test('days that are gone take their file away; other filters or another format are refused, until --replace', async () => {
  await using copy = await copyLake()
  const out = join(copy.path, 'out')
  await exportLake(copy.lake, out)
  for (const flags of [
    ['--symbols', 'AAAUSDT'],
    ['--start', '2024-02-01'],
    ['--end', '2024-03-01'],
    ['--intervals', '1h'],
    ['--format', 'csv'],
  ]) {
    expect(await refusal(out, ...flags)).toMatch(/^error CKVD_EXPORT_SELECTION: .*--replace/)
  }
  expect(await visibleTree(out)).toEqual(reference)

  await runHere(['verify', '--lake', copy.lake, '--prune', 'um/BBBUSDT/1m'])
  expect(await exportLake(copy.lake, out)).toMatchObject({ exit: 0, files: { written: 0, unchanged: 4, removed: 3 } })
  expect(existsSync(join(out, 'data/market=um'))).toBe(false)

  const replaced = await exportLake(
    copy.lake,
    out,
    '--replace',
    '--format',
    'csv',
    '--start',
    '2024-02-10',
    '--end',
    '2024-02-12',
    '--intervals',
    '1m',
  )
  expect(replaced).toMatchObject({ exit: 0, rows: 2 * 1440, files: { written: 1, removed: 4 } })
  const left = (await listFiles(out)).filter((path) => !path.startsWith('.ckvd/'))
  expect(left).toEqual(['coverage.csv', 'data/market=spot/symbol=AAAUSDT/interval=1m/year=2024/AAAUSDT-1m-2024-02.csv', 'manifest.json'])
})

test('wrong usage is refused with a word, and nothing is done', async () => {
  const out = join(world.path, 'never')
  expect(await refusal(join(world.lake, 'export'))).toMatch(/^error CKVD_USAGE: Expected `--out` to be a directory beside the lake/)
  expect(await refusal(world.path)).toMatch(/^error CKVD_USAGE: Expected `--out` to be a directory beside the lake/)
  expect(await refusal(out, '--symbols', 'NONEUSDT')).toMatch(/^error CKVD_USAGE: Expected the lake to hold days of this selection/)
  expect(await refusal(out, '--symbols', 'AAAUSDT,NONEUSDT')).toMatch(/^error CKVD_USAGE: .* of NONEUSDT, found none/)
  expect(await refusal(out, '--intervals', '1m,5m')).toMatch(/^error CKVD_USAGE: .* of 5m, found none/)
  expect(await refusal(out, '--gzip')).toMatch(/^error CKVD_USAGE: Expected `--gzip` with `--format csv`/)
  expect(existsSync(out)).toBe(false)
  const foreign = join(world.path, 'foreign')
  await mkdir(foreign)
  await writeFile(join(foreign, 'manifest.json'), '{"name": "another program"}')
  expect(await refusal(foreign)).toMatch(/^error CKVD_EXPORT_MANIFEST: /)
  expect(readFileSync(join(foreign, 'manifest.json'), 'utf8')).toBe('{"name": "another program"}')
  expect((await runHere(['export', '--lake', world.lake, '--quiet'])).stderr).toMatch(
    /^error CKVD_USAGE: Expected `--out DIR`, got nothing/,
  )
})

test('what cannot be written is told of the export, and its path as it is', async () => {
  const out = join(world.path, 'my--lake-of-the lake')
  await writeFile(out, 'a file')
  const { exit, stderr } = await runHere(['export', '--lake', world.lake, '--out', join(out, 'export'), '--quiet'])
  expect(exit).toBe(4)
  expect(stderr).toMatch(/^error CKVD_EXPORT_IO: /)
  expect(stderr).toContain(out)
  await rm(out)
})

test('an export is not emptied because the lake is another one', async () => {
  await using other = await createTempDirectory()
  await using lake = await openLake(other.lake, { mode: 'write', origin: 'sandbox' })
  expect(lake.paths.root).toBe(other.lake)
  const out = join(other.path, 'out')
  await exportLake(world.lake, out, '--intervals', '1h')
  const before = await visibleTree(out)
  const { exit, stderr } = await runHere(['export', '--lake', other.lake, '--out', out, '--intervals', '1h', '--quiet'])
  expect({ exit, stderr }).toMatchObject({ exit: 2, stderr: expect.stringMatching(/^error CKVD_USAGE: .*found none/) as string })
  expect(await visibleTree(out)).toEqual(before)
})

describe('an export that is interrupted', () => {
  /** Runs the export of the reference; `steps` may abort it. Gives the code of the error, or undefined. */
  async function run(out: string, steps: Steps, signal: AbortSignal): Promise<string | undefined> {
    await using lake = await openLake(world.lake, { mode: 'read' })
    const logger = createLogger({ level: 'ERROR', destination: { write: () => true } })
    const encoding = { format: 'parquet', gzip: false } as const
    const error = await runExport(lake, { out, encoding, filter: {}, replace: false, workers: 2, signal, logger, steps }).catch(
      (thrown: unknown) => thrown,
    )
    if (error instanceof Error && 'code' in error) return String(error.code)
    expect(error).toMatchObject({ exit: 0 })
    return undefined
  }

  test.each([1, 2, 3, 5, FILES])('before it writes file %i: no temporary file stays, and the next run goes on from there', async (at) => {
    await using temp = await createTempDirectory()
    const out = join(temp.path, 'out')
    const stop = new AbortController()
    let writes = 0
    const code = await run(
      out,
      (step, path) => {
        if (step === 'before write' && path.endsWith('.parquet') && ++writes === at) stop.abort()
      },
      stop.signal,
    )
    expect(code).toBe('CKVD_ABORTED')
    expect((await listFiles(join(out, '.ckvd'))).filter((path) => path !== 'lock.sqlite')).toEqual([])
    const { state, files, unfinished } = readManifest(out)
    expect(state).toBe('writing')
    // every file of klines that is there is known, so that the next run could take it away
    const known = [...files.map(({ path }) => path), ...unfinished]
    expect((await listFiles(join(out, 'data'))).filter((path) => !known.includes(`data/${path}`))).toEqual([])
    expect(await run(out, () => undefined, new AbortController().signal)).toBeUndefined()
    expect(await visibleTree(out)).toEqual(reference)
  })

  test('killed: what it left is swept or finished by the next run', async () => {
    await using temp = await createTempDirectory()
    const out = join(temp.path, 'out')
    const running = startCkvd(['export', '--lake', world.lake, '--out', out, '--quiet', '--workers', '1'])
    await waitUntil('the first file', () => existsSync(join(out, 'manifest.json')))
    running.kill('SIGKILL')
    await running.ended
    await writeFile(join(out, '.ckvd/tmp/00000000-0000-4000-8000-000000000000.tmp'), 'left by a killed run')
    expect(await exportLake(world.lake, out)).toMatchObject({ exit: 0 })
    expect(await visibleTree(out)).toEqual(reference)
    expect((await listFiles(join(out, '.ckvd'))).filter((path) => path !== 'lock.sqlite')).toEqual([])
  })

  test('a full disk ends it with 4; the next run goes on', async () => {
    await using temp = await createTempDirectory()
    const out = join(temp.path, 'out')
    let writes = 0
    const full: Steps = (step, path) => {
      if (step === 'before write' && path.endsWith('.parquet') && ++writes > 2) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    }
    expect(await run(out, full, new AbortController().signal)).toBe('CKVD_DISK_FULL')
    expect(await exportLake(world.lake, out)).toMatchObject({ exit: 0 })
    expect(await visibleTree(out)).toEqual(reference)
  })

  test('a second run on the same directory is told to wait', async () => {
    await using temp = await createTempDirectory()
    const out = join(temp.path, 'out')
    let second: ExportResult | undefined
    const code = await run(
      out,
      async (step, path) => {
        if (step === 'before write' && path.endsWith('.parquet')) second ??= await exportLake(world.lake, out)
      },
      new AbortController().signal,
    )
    expect(code).toBeUndefined()
    expect(second).toMatchObject({ exit: 4, error: { code: 'CKVD_EXPORT_LOCKED' } })
  })
})

test('a shard that lies there a moment before the catalog knows of it is waited for', async () => {
  await using copy = await copyLake()
  const series = { market: 'spot', symbol: 'AAAUSDT', interval: '1m' } as const
  const day = '2024-02-03' as UtcDay
  await using reader = await openLake(copy.lake, { mode: 'read' })
  let tellLooked: () => void = () => undefined
  const looked = new Promise<void>((resolve) => (tellLooked = resolve))
  const catalog = new Proxy(reader.catalog, {
    get(target, name) {
      // the file was found to be another one: the row is looked up again
      if (name === 'getDay') tellLooked()
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  let exporting: Promise<ExportResult> | undefined
  await using writer = await openLake(copy.lake, {
    mode: 'write',
    steps: async (step) => {
      if (step !== 'before transaction') return
      exporting = runExport(
        { ...reader, catalog },
        {
          ...{ out: join(copy.path, 'out'), encoding: { format: 'parquet', gzip: false }, workers: 1, replace: false },
          filter: { market: 'spot', intervals: ['1m'], start: '2024-02-01' as UtcDay, end: '2024-03-01' as UtcDay },
          logger: createLogger({ level: 'ERROR', destination: { write: () => true } }),
          signal: new AbortController().signal,
        },
      )
      await looked
    },
  })
  await storeAgain(writer, series, day, (columns) => columns.volume.fill(1))
  expect(await exporting).toMatchObject({ exit: 0, problems: [], files: { written: 1 } })
})

test('a day that is stored anew with the same bars changes no file; one with other bars changes its own', async () => {
  await using copy = await copyLake()
  const out = join(copy.path, 'out')
  const series = { market: 'spot', symbol: 'AAAUSDT', interval: '1m' } as const
  const day = '2024-02-03' as UtcDay
  expect(await exportLake(copy.lake, out)).toMatchObject({ exit: 0, files: { written: FILES } })
  const before = await digestTree(join(out, 'data'))
  const store = async (change: (columns: KlineColumns) => unknown): Promise<void> => {
    await using lake = await openLake(copy.lake, { mode: 'write' })
    await storeAgain(lake, series, day, change)
  }
  await store(() => undefined)
  expect(await exportLake(copy.lake, out)).toMatchObject({ exit: 0, files: { written: 0, unchanged: FILES } })
  expect(await digestTree(join(out, 'data'))).toEqual(before)
  await store((columns) => columns.volume.fill(1))
  expect(await exportLake(copy.lake, out)).toMatchObject({ exit: 0, files: { written: 1, unchanged: FILES - 1 } })
  expect((await digestTree(join(out, 'data'))).filter((line) => !before.includes(line))).toEqual([
    expect.stringContaining(FEBRUARY.slice(5)),
  ])
})

/** Stores a day of a file of its own as another archive of it would be. */
async function storeAgain(lake: WritableLake, series: Series, day: UtcDay, change: (columns: KlineColumns) => unknown): Promise<void> {
  const row = lake.catalog.getDay(series, day)
  if (row === undefined) throw new Error(`Expected ${day} in the lake.`)
  const { columns, meta } = await readShard(lake.shards, series, day, row)
  change(columns)
  const archiveEtag = `${'f'.repeat(31)}${(row.revision + 1) % 10}`
  const shard = encodeArrowShard(columns, { ...meta, archiveEtag })
  const shardSha256 = createHash('sha256').update(shard).digest('hex')
  const anew = { archiveEtag, shardSha256, shardBytes: shard.length, revision: row.revision + 1 }
  await lake.writer.put({ row: { ...row, ...anew }, gaps: [], shard })
}

test('a lake that is written to meanwhile: each file has its days as of one moment, and the next run takes what is new', async () => {
  await using copy = await copyLake()
  const out = join(copy.path, 'out')
  const rowsBefore = digests(copy.lake)
  exchange.sandbox.setFaults([
    { kind: 'republish', market: 'spot', symbol: 'AAAUSDT', day: '2024-02-29' },
    { kind: 'republish', market: 'um', symbol: 'BBBUSDT', day: '2024-02-29' },
  ])
  let stored: unknown
  {
    await using lake = await openLake(copy.lake, { mode: 'read' })
    const logger = createLogger({ level: 'ERROR', destination: { write: () => true } })
    const result = await runExport(lake, {
      ...{ out, encoding: { format: 'parquet', gzip: false }, filter: {}, replace: false, workers: 1, logger },
      signal: new AbortController().signal,
      steps: async (step, path) => {
        if (step === 'before write' && path.endsWith('.json')) stored ??= await ingest(copy.lake, '--refresh')
      },
    })
    expect(stored).toMatchObject({ exit: 0, republished: 3 })
    expect(result).toMatchObject({ exit: 0, problems: [], files: { written: FILES } })
  }
  const after = digests(copy.lake)
  expect(after).not.toEqual(rowsBefore)
  expect(await exportLake(copy.lake, out)).toMatchObject({ exit: 0 })
  const fresh = join(copy.path, 'fresh')
  expect(await exportLake(copy.lake, fresh)).toMatchObject({ exit: 0, files: { written: FILES } })
  expect(await visibleTree(out)).toEqual(await visibleTree(fresh))
  exchange.sandbox.setFaults([])

  function digests(lake: string): unknown[] {
    return queryCatalog(lake, 'SELECT market, symbol, interval, day, shard_sha256 FROM days ORDER BY 1, 2, 3, 4')
  }
}, 30_000)
