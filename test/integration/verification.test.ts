import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { FaultRule } from '../../src/sandbox/index.ts'
import { ingestCommand, ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import type { StoredChunk } from '../support/stored-chunk.ts'
import { bytesOf, readStoredChunk, readStoredChunks } from '../support/stored-chunk.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog } from '../support/temp-lake.ts'

const NOW = '2024-03-20T12:00:00Z'
const FOLDER = 'spot/daily/klines/AAAUSDT/1h'
/** The archive that goes wrong; the two beside it are sound. */
const BAD = 'AAAUSDT-1h-2024-03-02'
const ZIP = `${BAD}\\.zip$`
const CHECKSUM = `${BAD}\\.zip\\.CHECKSUM$`

let exchange: TestExchange

beforeAll(async () => {
  exchange = await startExchange(NOW, { markets: [{ market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-01-10' }] })
})

afterAll(() => exchange[Symbol.asyncDispose]())

beforeEach(() => {
  exchange.sandbox.setFaults([])
  exchange.sandbox.clearRequests()
})

/** An hour of the day as minutes, where one line of an hour belongs. */
const OTHER_INTERVAL = Array.from({ length: 60 }, (_, minute) => {
  const openMs = 1709377200000 + minute * 60_000
  return `${openMs},2,3,1,2,1,${openMs + 59_999},1,1,1,1,0`
}).join('\n')

/** Three days without REST, unless the flags say otherwise. */
async function ingest(lake: string, ...flags: string[]) {
  const range = flags.includes('--start') ? [] : ['--start', '2024-03-01', '--end', '2024-03-04']
  const args = ingestCommand(lake, '--json', '--quiet', '--no-rest', ...range, ...flags)
  return ingestResult(await runHere(args, { env: exchange.env, stdin: 'AAAUSDT' }))
}

function badDayOf(lake: string): StoredChunk {
  return readStoredChunk(lake, { market: 'spot', symbol: 'AAAUSDT', interval: '1h' }, '2024-03-02')!
}

function dayOf(lake: string, day: string): Record<string, unknown> | undefined {
  return queryCatalog<Record<string, unknown>>(lake, 'SELECT * FROM days WHERE day = ?', day)[0]
}

describe('an archive that fails verification', () => {
  test.each<[string, FaultRule, string]>([
    ['one flipped bit', { kind: 'flip', match: ZIP }, 'CKVD_CHECKSUM_MISMATCH'],
    ['a wrong CHECKSUM', { kind: 'wrong-checksum', match: CHECKSUM }, 'CKVD_CHECKSUM_MISMATCH'],
    ['a stale CHECKSUM', { kind: 'stale-checksum', match: CHECKSUM }, 'CKVD_CHECKSUM_MISMATCH'],
    ['no CHECKSUM', { kind: 'missing-checksum', match: CHECKSUM }, 'CKVD_CHECKSUM_MISSING'],
    ['a CHECKSUM that names another file', { kind: 'foreign-checksum', match: CHECKSUM }, 'CKVD_CHECKSUM_NAME'],
    ['an HTML page as CHECKSUM', { kind: 'html', match: CHECKSUM }, 'CKVD_CHECKSUM_FORMAT'],
    ['an HTML page with status 200', { kind: 'html', match: ZIP }, 'CKVD_ARCHIVE_STALE'],
    ['a body that ends early as if it were whole', { kind: 'truncate', match: ZIP, bytes: 500, declared: false }, 'CKVD_ARCHIVE_STALE'],
    ['a corrupt ZIP with a right CHECKSUM', { kind: 'corrupt-zip', match: ZIP }, 'CKVD_ZIP_'],
    [
      'a line of 11 columns in mid-file',
      { kind: 'corrupt-line', match: ZIP, line: 12, text: '1709377200000,1,1,1,1,1,1709380799999,1,1,1,1' },
      'CKVD_CSV_COLUMNS',
    ],
    [
      'a word where a number belongs',
      { kind: 'corrupt-line', match: ZIP, line: 12, text: '1709377200000,1,1,one,1,1,1709380799999,1,1,1,1,0' },
      'CKVD_CSV_NUMBER',
    ],
    ['the bars of another interval', { kind: 'corrupt-line', match: ZIP, line: 12, text: OTHER_INTERVAL }, 'CKVD_CSV_INTERVAL'],
  ])('%s: fetched twice, quarantined with its reason, exit 3, nothing of it under data/', async (_name, fault, code) => {
    exchange.sandbox.setFaults([fault])
    await using directory = await createTempDirectory()
    const { lake } = directory
    const result = await ingest(lake)
    expect(result).toMatchObject({
      exit: 3,
      stored: 2,
      days: { complete: 2, quarantined: 1 },
      problems: [{ symbol: 'AAAUSDT', interval: '1h', day: '2024-03-02', condition: 'quarantined' }],
    })
    expect(result.problems[0]?.code).toContain(code)
    expect(exchange.requests('archive', new RegExp(ZIP))).toHaveLength(2)
    expect(exchange.requests('archive')).toHaveLength(4)
    expect((await readStoredChunks(lake)).map(({ day }) => day)).toEqual(['2024-03-01', '2024-03-03'])
    const kept = await listFiles(join(lake, 'quarantine'))
    expect(kept).toHaveLength(2)
    expect(kept[0]).toMatch(new RegExp(`^data/${FOLDER}/${BAD}\\.[0-9a-f]{12}\\.zip$`))
    expect(kept[1]).toBe(`${kept[0]}.reason.json`)
    expect(JSON.parse(readFileSync(join(lake, 'quarantine', kept[1] ?? ''), 'utf8'))).toMatchObject({
      code: result.problems[0]?.code,
      message: result.problems[0]?.message,
    })
    expect(dayOf(lake, '2024-03-02')).toMatchObject({
      condition: 'quarantined',
      rows: 0,
      shard_sha256: null,
      source: null,
      archive_key: `data/${FOLDER}/${BAD}.zip`,
    })
    expect(await listFiles(join(lake, 'tmp'))).toEqual([])
    expect(jsonOf(await runHere(['verify', '--lake', lake, '--json', '--quiet']))).toMatchObject({ exit: 0, bad: [], foreign: [] })
  })

  test('a bar that contradicts itself, which no second source has, is not stored', async () => {
    exchange.sandbox.setFaults([{ kind: 'corrupt-line', match: ZIP, line: 12, text: '1709377200000,2,1,3,2,1,1709380799999,1,1,1,1,0' }])
    await using directory = await createTempDirectory()
    const { lake } = directory
    const result = await ingest(lake)
    expect(result).toMatchObject({ exit: 3, stored: 2, problems: [{ day: '2024-03-02' }] })
    expect(result.problems[0]?.code).toBe('CKVD_BAR_INVALID')
    expect(result.problems[0]?.message).toContain('found 1 that does, the first at 2024-03-02T11:00:00.000000Z')
    expect((await readStoredChunks(lake)).map(({ day }) => day)).toEqual(['2024-03-01', '2024-03-03'])
  })

  test('a bar that closes before it opens is stored with its day', async () => {
    exchange.sandbox.setFaults([{ kind: 'corrupt-line', match: ZIP, line: 12, text: '1709377200000,2,3,1,2,1,1709377199999,1,1,1,1,0' }])
    await using directory = await createTempDirectory()
    const { lake } = directory
    expect(await ingest(lake)).toMatchObject({ exit: 0, stored: 3, problems: [], days: { complete: 3 } })
    expect(Object.fromEntries(badDayOf(lake).metadata)).toMatchObject({ 'ckvd.rows': '24', 'ckvd.odd_close': '1', 'ckvd.odd_rows': '0' })
    expect(jsonOf(await runHere(['verify', '--lake', lake, '--json', '--quiet']))).toMatchObject({ exit: 0, bad: [] })
  })

  test('once: the second fetch is believed, and the first one lies in quarantine', async () => {
    await using sound = await createTempDirectory()
    await ingest(sound.lake)
    exchange.sandbox.clearRequests()
    exchange.sandbox.setFaults([{ kind: 'flip', match: ZIP, times: 1 }])
    await using directory = await createTempDirectory()
    expect(await ingest(directory.lake)).toMatchObject({ exit: 0, problems: [], days: { complete: 3 } })
    expect(exchange.requests('archive', new RegExp(ZIP))).toHaveLength(2)
    expect(await digestTree(join(directory.lake, 'data'))).toEqual(await digestTree(join(sound.lake, 'data')))
    expect(await listFiles(join(directory.lake, 'quarantine'))).toHaveLength(2)
  })

  test('is reported again but not fetched again by the next run, and fetched with --retry-failed', async () => {
    exchange.sandbox.setFaults([{ kind: 'flip', match: ZIP }])
    await using directory = await createTempDirectory()
    const { lake } = directory
    const first = await ingest(lake)
    exchange.sandbox.setFaults([])
    exchange.sandbox.clearRequests()
    expect(await ingest(lake)).toMatchObject({
      exit: 3,
      stored: 0,
      skipped: 3,
      days: { complete: 2, quarantined: 1 },
      problems: [{ day: '2024-03-02', condition: 'quarantined' }],
    })
    expect(exchange.requests('archive')).toEqual([])
    expect(first.problems).toHaveLength(1)
    expect(await ingest(lake, '--retry-failed')).toMatchObject({ exit: 0, stored: 1, problems: [] })
    expect(exchange.requests('archive')).toHaveLength(1)
  })

  test('a monthly one: each of its days comes from its daily archive, and the reason is told', async () => {
    exchange.sandbox.setFaults([{ kind: 'wrong-checksum', match: '2024-02\\.zip\\.CHECKSUM$' }])
    await using directory = await createTempDirectory()
    const { lake } = directory
    expect(await ingest(lake, '--start', '2024-02-01', '--end', '2024-03-01')).toMatchObject({
      exit: 0,
      stored: 29,
      days: { complete: 29 },
      problems: [],
    })
    expect(exchange.requests('archive', /2024-02\.zip$/)).toHaveLength(2)
    expect(exchange.requests('archive', /2024-02-\d\d\.zip$/)).toHaveLength(29)
    expect(await listFiles(join(lake, 'quarantine'))).toHaveLength(2)
    expect(dayOf(lake, '2024-02-17')).toMatchObject({
      condition: 'complete',
      source: 'vision-daily',
      archive_key: `data/${FOLDER}/AAAUSDT-1h-2024-02-17.zip`,
    })
    expect(dayOf(lake, '2024-02-17')?.['evidence']).toContain('CKVD_CHECKSUM_MISMATCH')
  })
})

describe('a download that fails', () => {
  test.each<[string, FaultRule]>([
    ['a body shorter than content-length', { kind: 'truncate', match: ZIP, bytes: 500, declared: true, times: 1 }],
    ['a reset in the body', { kind: 'reset', match: ZIP, at: 'body', times: 1 }],
    ['a reset before the answer', { kind: 'reset', match: ZIP, at: 'connect', times: 1 }],
    ['503', { kind: 'status', match: ZIP, status: 503, times: 1 }],
    ['408', { kind: 'status', match: ZIP, status: 408, times: 1 }],
    ['429 with Retry-After', { kind: 'status', match: ZIP, status: 429, retryAfterSeconds: 0, times: 1 }],
  ])('%s: tried again, and whole', async (_name, fault) => {
    exchange.sandbox.setFaults([fault])
    await using directory = await createTempDirectory()
    expect(await ingest(directory.lake)).toMatchObject({ exit: 0, problems: [], days: { complete: 3 }, requests: { archive: 4 } })
    expect(exchange.requests('archive', new RegExp(ZIP))).toHaveLength(2)
    expect(await listFiles(join(directory.lake, 'quarantine'))).toEqual([])
  })

  test.each<[string, FaultRule, string, number]>([
    ['a body always shorter than content-length', { kind: 'truncate', match: ZIP, bytes: 500, declared: true }, 'CKVD_HTTP_NETWORK', 2],
    ['a server that is always busy', { kind: 'status', match: ZIP, status: 503 }, 'CKVD_HTTP_BUSY', 2],
    ['an archive that is listed but not there', { kind: 'status', match: ZIP, status: 404 }, 'CKVD_ARCHIVE_MISSING', 1],
    ['a redirect', { kind: 'redirect', match: ZIP }, 'CKVD_HTTP_STATUS', 1],
  ])('%s: failed, tried again by the next run', async (_name, fault, code, fetches) => {
    exchange.sandbox.setFaults([fault])
    await using directory = await createTempDirectory()
    const { lake } = directory
    expect(await ingest(lake)).toMatchObject({
      exit: 3,
      days: { complete: 2, failed: 1 },
      problems: [{ day: '2024-03-02', condition: 'failed', code }],
    })
    expect(exchange.requests('archive', new RegExp(ZIP))).toHaveLength(fetches)
    expect(await listFiles(join(lake, 'quarantine'))).toEqual([])
    exchange.sandbox.setFaults([])
    expect(await ingest(lake)).toMatchObject({ exit: 0, stored: 1, days: { complete: 3 } })
  })
})

describe('what an archive lacks or has too much', () => {
  test('a day that a monthly archive lacks is taken from its daily one', async () => {
    exchange.sandbox.setFaults([{ kind: 'drop-day', market: 'spot', symbol: 'AAAUSDT', day: '2024-02-12' }])
    await using directory = await createTempDirectory()
    const { lake } = directory
    expect(await ingest(lake, '--start', '2024-02-01', '--end', '2024-03-01')).toMatchObject({
      exit: 0,
      stored: 29,
      days: { complete: 29 },
    })
    expect(exchange.requests('archive', /2024-02-12\.zip$/)).toHaveLength(1)
    // beside it one day of the month is a sample, compared with its daily archive
    expect(exchange.requests('archive')).toHaveLength(3)
    expect(dayOf(lake, '2024-02-12')).toMatchObject({
      source: 'vision-daily',
      rows: 24,
      archive_key: `data/${FOLDER}/AAAUSDT-1h-2024-02-12.zip`,
    })
    expect(dayOf(lake, '2024-02-13')).toMatchObject({
      source: 'vision-monthly',
      archive_key: 'data/spot/monthly/klines/AAAUSDT/1h/AAAUSDT-1h-2024-02.zip',
    })
  })

  test.each<[string, FaultRule, { duplicates: number; conflicts: number }]>([
    ['rows out of order are sorted', { kind: 'unsorted-rows', match: ZIP }, { duplicates: 0, conflicts: 0 }],
    ['identical rows collapse and are counted', { kind: 'duplicate-rows', match: ZIP }, { duplicates: 1, conflicts: 0 }],
    [
      'of conflicting rows the later one stays, and both are told',
      { kind: 'conflicting-rows', match: ZIP },
      { duplicates: 0, conflicts: 1 },
    ],
  ])('%s', async (_name, fault, counts) => {
    await using sound = await createTempDirectory()
    await ingest(sound.lake)
    exchange.sandbox.setFaults([fault])
    await using directory = await createTempDirectory()
    expect(await ingest(directory.lake)).toMatchObject({ exit: 0, days: { complete: 3 }, problems: [] })
    const row = dayOf(directory.lake, '2024-03-02')
    expect(row).toMatchObject({ condition: 'complete', rows: 24, expected: 24, ...counts })
    const [shard, clean] = [badDayOf(directory.lake), badDayOf(sound.lake)]
    expect(shard.metadata.get('ckvd.duplicates')).toBe(String(counts.duplicates))
    if (counts.conflicts === 0) expect(bytesOf(shard).equals(bytesOf(clean))).toBe(true)
    else {
      const trades = [shard, clean].map(({ columns }) => [...(columns[8] as BigInt64Array)])
      const changed = trades[0]!.flatMap((count, i) => (count === trades[1]![i] ? [] : [Number(count - trades[1]![i]!)]))
      expect(changed).toEqual([1])
      expect(row?.['evidence']).toContain('2024-03-02T0')
    }
  })
})
