import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IngestResult } from '../../src/ingest/result.ts'
import { restProof } from '../support/cases.ts'
import { ingestCommand, ingestResult, runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { readStoredChunks } from '../support/stored-chunk.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, queryCatalog } from '../support/temp-lake.ts'

const NOW = '2024-03-20T12:00:00Z'

/** PRODUCT.md, section 3 */
const RESULT_KEYS =
  'command exit started_at elapsed_ms range series days stored skipped upgraded republished rows bytes_downloaded requests problems notes changed differences stopped'.split(
    ' ',
  )
const CONDITIONS = 'complete provisional outage unlisted pending partial disputed unexplainable quarantined failed'.split(' ')
const PROBLEM_KEYS = 'market dataset symbol interval day days condition code message'.split(' ')

/** What users read: tables, or views of what is kept in numbers and bytes. */
const TABLES: Readonly<Record<string, string>> = {
  series: 'market symbol interval first_day last_day first_open_us first_source last_open_us ended_us phase listed_at first_forms',
  days: 'market symbol interval day condition source rows expected shard_sha256 shard_bytes archive_key archive_etag archive_sha256 revision off_grid duplicates conflicts differing_rows odd_close odd_rows evidence error_code error accepted recheck updated_at',
  beginnings: 'market symbol interval first_open_us',
  gaps: 'market symbol interval start_us end_us bars evidence',
  revisions: 'market symbol interval day revision archive_etag archive_sha256 shard_sha256 changed_rows replaced_at',
  runs: 'id started_at ended_at command counts exit',
  bans: 'market until reason',
}

let exchange: TestExchange
let directory: TempDirectory
let first: IngestResult
let second: IngestResult

beforeAll(async () => {
  exchange = await startExchange(NOW, {
    faults: [
      { kind: 'outage', market: 'spot', symbol: 'AAAUSDT', from: '2024-03-05T04:00:00Z', to: '2024-03-05T06:00:00Z' },
      { kind: 'corrupt-zip', match: 'AAAUSDT-1h-2024-03-07\\.zip' },
      { kind: 'status', match: 'spot/api.*AAAUSDT.*startTime=17097', status: 451 },
      { kind: 'late', market: 'spot', symbol: 'BBBUSDT', day: '2024-03-19', hours: 48 },
      { kind: 'status', match: 'BBBUSDT-1h-2024-03-03\\.zip$', status: 503 },
    ],
    markets: [
      { market: 'spot', symbol: 'AAAUSDT', firstDay: '2024-03-03', opensAt: '05:00' },
      { market: 'spot', symbol: 'BBBUSDT', firstDay: '2024-02-01' },
    ],
  })
  directory = await createTempDirectory()
  const run = async () =>
    ingestResult(
      await runHere(ingestCommand(directory.lake, '--start', '2024-03-01', '--json', '--quiet'), {
        env: exchange.env,
        stdin: 'AAAUSDT\nBBBUSDT',
      }),
    )
  first = await run()
  second = await run()
})

afterAll(async () => {
  await exchange[Symbol.asyncDispose]()
  await directory[Symbol.asyncDispose]()
})

describe('what --json of ingest prints', () => {
  test('has exactly the keys of the contract', () => {
    expect(Object.keys(first).sort()).toEqual(RESULT_KEYS.toSorted())
    expect(Object.keys(first.days)).toEqual(CONDITIONS)
    expect(Object.keys(first.requests).sort()).toEqual(['archive', 'checksum', 'listing', 'rest'])
    expect(first.range).toEqual({ start: '2024-03-01', end: '2024-03-20' })
    expect(first.problems.length).toBeGreaterThan(0)
    for (const problem of first.problems) expect(Object.keys(problem)).toEqual(PROBLEM_KEYS)
  })

  test('numbers that agree with each other, with the catalog, the files and the requests', async () => {
    for (const { days, series, stopped } of [first, second]) {
      expect({ series, stopped }).toEqual({ series: 2, stopped: null })
      expect(Object.values(days).reduce((sum, count) => sum + count, 0)).toBe(2 * 19)
    }
    expect(first).toMatchObject({
      exit: 3,
      skipped: 0,
      days: { unlisted: 2, outage: 1, provisional: 1, quarantined: 0, failed: 2, partial: 0, pending: 0, complete: 32 },
    })
    expect(first.stored).toBe((await readStoredChunks(directory.lake)).length)
    expect(first.stored).toBe(first.days.complete + first.days.outage + first.days.provisional)
    const [total] = queryCatalog<{ rows: number }>(directory.lake, 'SELECT sum(rows) AS rows FROM days')
    expect(first.rows).toBe(total?.rows)
    expect(first.problems.map(({ symbol, day, condition }) => `${symbol} ${day} ${condition}`)).toEqual([
      'AAAUSDT 2024-03-07 failed',
      'BBBUSDT 2024-03-03 failed',
    ])
    const asked = (kind: 'listing' | 'archive' | 'checksum' | 'rest') => first.requests[kind] + second.requests[kind]
    for (const kind of ['listing', 'archive', 'checksum', 'rest'] as const) expect(asked(kind), kind).toBe(exchange.requests(kind).length)
  })

  test('a second run skips what is settled, and its sums still cover every requested day', () => {
    // the failed days are tried again, also the one that REST could not be asked for; the provisional one waits for its archive
    expect(second).toMatchObject({ exit: 3, stored: 0, rows: 0, days: first.days })
    expect(second.skipped).toBe(2 * 19 - first.days.unlisted - first.days.failed)
    expect(second.problems.map(({ day, condition }) => `${day} ${condition}`)).toEqual(['2024-03-07 failed', '2024-03-03 failed'])
  })
})

describe('the catalog', () => {
  test('has the tables or views of the contract, with exactly their columns', () => {
    const named = queryCatalog<{ name: string }>(directory.lake, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
    expect(named.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(TABLES)))
    for (const [table, columns] of Object.entries(TABLES)) {
      const found = queryCatalog<{ name: string }>(directory.lake, `SELECT name FROM pragma_table_info('${table}')`)
      expect(
        found.map(({ name }) => name),
        table,
      ).toEqual(columns.split(' '))
    }
    expect(queryCatalog(directory.lake, 'SELECT user_version FROM pragma_user_version')).toEqual([{ user_version: 3 }])
    const doubled = 'SELECT count(*) AS doubled FROM days GROUP BY market, symbol, interval, day HAVING count(*) > 1'
    expect(queryCatalog(directory.lake, doubled)).toEqual([])
  })

  test('has a row for each day but the unlisted ones; times as ISO text, days as text, counts as integers', () => {
    const rows = queryCatalog<{ symbol: string; day: string; condition: string; updated_at: string; rows: number; types: string }>(
      directory.lake,
      "SELECT symbol, day, condition, updated_at, rows, typeof(day) || ' ' || typeof(rows) || ' ' || typeof(updated_at) AS types FROM days",
    )
    expect(rows).toHaveLength(2 * 19 - 2)
    expect(rows.every(({ condition }) => condition !== 'unlisted')).toBe(true)
    expect(new Set(rows.map(({ types }) => types))).toEqual(new Set(['text integer text']))
    for (const { updated_at } of rows) expect(new Date(updated_at).toISOString()).toBe(updated_at)
    expect(rows.find(({ symbol, day }) => symbol === 'AAAUSDT' && day === '2024-03-03')).toMatchObject({ rows: 19, condition: 'complete' })
  })

  test('knows the series, the gap with its evidence, and both runs', () => {
    const listed = queryCatalog(directory.lake, 'SELECT symbol, first_day, last_day, first_open_us FROM series ORDER BY symbol')
    expect(listed).toMatchObject([
      { symbol: 'AAAUSDT', first_day: '2024-03-03', last_day: '2024-03-19', first_open_us: Date.parse('2024-03-03T05:00:00Z') * 1000 },
      { symbol: 'BBBUSDT', last_day: '2024-03-18' },
    ])
    const gaps = queryCatalog(directory.lake, 'SELECT * FROM gaps')
    expect(gaps).toMatchObject([
      {
        symbol: 'AAAUSDT',
        start_us: Date.parse('2024-03-05T04:00:00Z') * 1000,
        end_us: Date.parse('2024-03-05T06:00:00Z') * 1000,
        bars: 2,
        // the witnesses, not what was asked
        evidence: restProof('2024-03-05T03:00:00Z', '2024-03-05T06:00:00Z'),
      },
    ])
    const runs = queryCatalog<{ command: string; exit: number; counts: string }>(
      directory.lake,
      'SELECT command, exit, counts FROM runs ORDER BY id',
    )
    expect(runs.map(({ command, exit }) => `${command} ${exit}`)).toEqual(['ingest 3', 'ingest 3'])
    expect(JSON.parse(runs[0]?.counts ?? '')).toMatchObject({ stored: first.stored, days: first.days })
  })
})
