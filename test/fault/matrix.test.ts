import { join } from 'node:path'
import type { ExpectStatic } from 'vitest'
import { beforeAll, describe, expect, test } from 'vitest'
import type { HttpSettings } from '../../src/sources/http/http.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import type { AnswerFault, FaultRule } from '../../src/sandbox/index.ts'
import { listFiles, queryCatalog } from '../support/temp-lake.ts'
import { BAD_DAY, createWorld, readRows, strangeRows } from './world.ts'

type Stage = 'listing' | 'archive' | 'checksum' | 'rest'
type Matchless<Rule> = Rule extends unknown ? Omit<Rule, 'match'> : never
type Fault = Matchless<AnswerFault>

/** Requests of each stage that a fault hits: of archives and CHECKSUMs those of the middle day. */
const MATCH: Readonly<Record<Stage, string>> = {
  listing: '^/listing',
  archive: `${BAD_DAY}\\.zip$`,
  checksum: `${BAD_DAY}\\.zip\\.CHECKSUM$`,
  rest: '/klines\\?',
}

/** Requests of a run without faults. The bars of half a day are in REST alone, so that REST has something to give. */
const SOUND = { listing: 2, archive: 3, checksum: 3, rest: 1 }
const CUT: FaultRule = { kind: 'cut', market: 'spot', symbol: 'AAAUSDT', day: BAD_DAY, at: '12:00' }

/** What must come of a fault. */
interface Outcome {
  readonly exit: number
  /** of the middle day; null: the whole series failed, or nothing is recorded */
  readonly condition: string | null
  /** of the problem, or of what stopped the run */
  readonly code?: string
  /** requests beyond those of a run without faults, by stage */
  readonly more?: Partial<Record<Stage, number>>
}

interface Row {
  readonly stage: Stage
  readonly fault: Fault | Matchless<Extract<FaultRule, { readonly match: string }>>
  readonly outcome: Outcome
  readonly http?: Partial<HttpSettings>
}

const RESETS: readonly Fault[] = [
  { kind: 'reset', at: 'connect' },
  { kind: 'reset', at: 'headers' },
  { kind: 'reset', at: 'body' },
]
/** Faults that break a transfer: they may pass, so a request is tried again. */
const BROKEN: readonly Fault[] = [...RESETS, { kind: 'truncate', bytes: 40, declared: true }]
const BUSY = [408, 429, 500, 503]
const REFUSED = [403, 418, 451]
const STALLS: readonly Fault[] = [
  { kind: 'stall', at: 'headers' },
  { kind: 'stall', at: 'body' },
]
const STAGES: readonly Stage[] = ['listing', 'archive', 'checksum', 'rest']
/** Shorter than users wait, longer than a busy machine needs. */
const IMPATIENT = { backoffMs: 1, idleTimeoutMs: 1500 }
/** Given up when a body brings less than a KiB a second for twice this long, though a byte comes now and then. */
const UNDRIPPED = { backoffMs: 1, idleTimeoutMs: 200 }
const drip = (bytesPerSecond: number): Fault => ({ kind: 'slow', bytesPerSecond })
/** Busy for longer than anyone waits: not asked again. */
const DAY_S = 86_400

const status = (code: number, retryAfterSeconds?: number): Fault => ({
  kind: 'status',
  status: code,
  ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
})

/** Faults that hit one request and pass: the day is whole, one request more was made. */
function* passingRows(): Generator<Row> {
  for (const stage of STAGES) {
    const outcome: Outcome = { exit: 0, condition: 'complete', more: { [stage]: 1 } }
    const faults = [
      ...BROKEN,
      ...BUSY.flatMap((code) => (stage === 'rest' && code === 429 ? [] : [status(code)])),
      status(429, 1),
      status(503, 1),
    ]
    for (const fault of faults) yield { stage, fault: { ...fault, times: 1 }, outcome }
    for (const fault of STALLS) yield { stage, fault: { ...fault, times: 1 }, outcome, http: IMPATIENT }
    // no request more: these are not faults
    if (stage === 'listing' || stage === 'rest') yield { stage, fault: { kind: 'gzip' }, outcome: { exit: 0, condition: 'complete' } }
    yield { stage, fault: { kind: 'slow', bytesPerSecond: 4000 }, outcome: { exit: 0, condition: 'complete' } }
  }
  // REST's 429 without Retry-After is over when its minute is
  yield { stage: 'rest', fault: { ...status(429), times: 1 }, outcome: { exit: 0, condition: 'complete', more: { rest: 1 } } }
}

/** Faults of every listing request: nothing is planned, so nothing of the series is requested, and nothing is recorded. */
function* listingRows(): Generator<Row> {
  const stage = 'listing'
  const none = { archive: -3, checksum: -3, rest: -1 }
  const failed = (code: string, listing: number): Outcome => ({ exit: 3, condition: null, code, more: { ...none, listing } })
  // the page of the series and its first archive are asked at once, each twice at most
  for (const fault of BROKEN)
    yield { stage, fault, outcome: { exit: 4, condition: null, code: 'CKVD_UNREACHABLE', more: { ...none, listing: 2 } } }
  for (const code of BUSY) yield { stage, fault: status(code), outcome: failed('CKVD_HTTP_BUSY', 2) }
  for (const code of [429, 503]) yield { stage, fault: status(code, 1), outcome: failed('CKVD_HTTP_BUSY', 2) }
  for (const code of [429, 503]) yield { stage, fault: status(code, DAY_S), outcome: failed('CKVD_HTTP_BUSY', 0) }
  // refused wherever it asks: that is no matter of a series
  for (const code of [403, 451]) yield { stage, fault: status(code), outcome: { ...failed('CKVD_FORBIDDEN', 0), exit: 4 } }
  for (const after of [undefined, 600]) yield { stage, fault: status(418, after), outcome: failed('CKVD_HTTP_STATUS', 0) }
  yield { stage, fault: { kind: 'flip', offset: 42 }, outcome: failed('CKVD_LISTING', 2) }
  yield {
    stage,
    fault: drip(40),
    http: UNDRIPPED,
    outcome: { exit: 4, condition: null, code: 'CKVD_UNREACHABLE', more: { ...none, listing: 2 } },
  }
  yield { stage, fault: status(404), outcome: failed('CKVD_LISTING', 0) }
  yield { stage, fault: { kind: 'redirect' }, outcome: failed('CKVD_HTTP_STATUS', 0) }
  yield { stage, fault: { kind: 'html' }, outcome: failed('CKVD_LISTING', 2) }
  yield { stage, fault: { kind: 'listing-cut' }, outcome: failed('CKVD_LISTING', 2) }
  yield { stage, fault: { kind: 'truncate', bytes: 300, declared: false }, outcome: failed('CKVD_LISTING', 2) }
  yield { stage, fault: { kind: 'truncate', bytes: 0, declared: false }, outcome: failed('CKVD_LISTING', 2) }
  for (const fault of STALLS)
    yield { stage, fault, http: IMPATIENT, outcome: { exit: 4, condition: null, code: 'CKVD_UNREACHABLE', more: { ...none, listing: 2 } } }
}

/** Faults of every request for the middle day's archive. */
function* archiveRows(): Generator<Row> {
  const stage = 'archive'
  // a network that does not carry an archive says nothing of it: the day is failed and planned again, REST is no way out
  const failed = (code: string, archive: number): Outcome => ({ exit: 3, condition: 'failed', code, more: { archive, rest: -1 } })
  for (const fault of BROKEN) yield { stage, fault, outcome: failed('CKVD_HTTP_', 1) }
  for (const fault of STALLS) yield { stage, fault, outcome: failed('CKVD_HTTP_TIMEOUT', 1), http: IMPATIENT }
  yield { stage, fault: drip(40), outcome: failed('CKVD_HTTP_TIMEOUT', 1), http: UNDRIPPED }
  for (const code of BUSY) yield { stage, fault: status(code), outcome: failed('CKVD_HTTP_BUSY', 1) }
  for (const code of [429, 503]) yield { stage, fault: status(code, 1), outcome: failed('CKVD_HTTP_BUSY', 1) }
  for (const code of [429, 503]) yield { stage, fault: status(code, DAY_S), outcome: failed('CKVD_HTTP_BUSY', 0) }
  // one object that is refused, while others are given: REST gives the whole day
  const refused: Outcome = { exit: 0, condition: 'provisional' }
  for (const code of REFUSED) yield { stage, fault: status(code), outcome: refused }
  yield { stage, fault: status(418, 600), outcome: refused }
  yield { stage, fault: { kind: 'redirect' }, outcome: refused }
  // not there, or not what its CHECKSUM says: REST gives the whole day; bad content is fetched once more before
  yield { stage, fault: status(404), outcome: { exit: 0, condition: 'provisional' } }
  const replaced: Outcome = { exit: 0, condition: 'provisional', more: { archive: 1, checksum: 1 } }
  for (const fault of [
    { kind: 'flip', offset: 0 },
    { kind: 'flip', offset: 1300 },
    // of a body that something on the way encodes nothing is read: it is not the listed one
    { kind: 'gzip' },
  ] as const)
    yield { stage, fault, outcome: replaced }
  // not of the listed size: the listing of that key is read again before
  for (const fault of [
    { kind: 'html' },
    { kind: 'truncate', bytes: 500, declared: false },
    { kind: 'truncate', bytes: 0, declared: false },
  ] as const)
    yield { stage, fault, outcome: { ...replaced, more: { ...replaced.more, listing: 1 } } }
  // in the padding of a sandbox archive: it differs from its CHECKSUM, but each of its rows is what REST says, too
  yield { stage, fault: { kind: 'flip' }, outcome: { ...replaced, condition: 'complete' } }
  yield { stage, fault: { kind: 'flip', offset: 1300, times: 1 }, outcome: { ...replaced, condition: 'complete' } }
}

/** Wrong content that its CHECKSUM vouches for: ZIP and rows are checked themselves. REST gives the whole day. */
function* contentRows(): Generator<Row> {
  const stage = 'archive'
  const outcome: Outcome = { exit: 0, condition: 'provisional', more: { archive: 1, checksum: 1 } }
  yield { stage, fault: { kind: 'corrupt-zip' }, outcome }
  // one bit of a row: 1 becomes q, a comma becomes a hyphen, the end of the row comes too early
  for (const text of [
    'q709262000000,1,3,1,2,0.5,1709265599999,5,6,0,0,0',
    '1709262000000-1,3,1,2,0.5,1709265599999,5,6,0,0,0',
    '1709262000000,1',
  ])
    yield { stage, fault: { kind: 'corrupt-line', line: 3, text }, outcome }
}

/** Faults of every request for the middle day's CHECKSUM. */
function* checksumRows(): Generator<Row> {
  const stage = 'checksum'
  const failed = (code: string, checksum: number): Outcome => ({ exit: 3, condition: 'failed', code, more: { checksum, rest: -1 } })
  for (const fault of BROKEN) yield { stage, fault, outcome: failed('CKVD_HTTP_', 1) }
  for (const fault of STALLS) yield { stage, fault, outcome: failed('CKVD_HTTP_TIMEOUT', 1), http: IMPATIENT }
  yield { stage, fault: drip(10), outcome: failed('CKVD_HTTP_TIMEOUT', 1), http: UNDRIPPED }
  for (const code of BUSY) yield { stage, fault: status(code), outcome: failed('CKVD_HTTP_BUSY', 1) }
  for (const code of [429, 503]) yield { stage, fault: status(code, 1), outcome: failed('CKVD_HTTP_BUSY', 1) }
  for (const code of [429, 503]) yield { stage, fault: status(code, DAY_S), outcome: failed('CKVD_HTTP_BUSY', 0) }
  // one object that is refused, while others are given: REST gives the whole day
  const refused: Outcome = { exit: 0, condition: 'provisional' }
  for (const code of REFUSED) yield { stage, fault: status(code), outcome: refused }
  yield { stage, fault: status(418, 600), outcome: refused }
  yield { stage, fault: { kind: 'redirect' }, outcome: refused }
  yield { stage, fault: { kind: 'bare-checksum' }, outcome: { exit: 0, condition: 'complete' } }
  yield { stage, fault: { kind: 'gzip' }, outcome: { exit: 0, condition: 'provisional', more: { archive: 1, checksum: 1 } } }
  // the archive is sound, and REST agrees with it row by row: fetched once more, then released
  const released: Outcome = { exit: 0, condition: 'complete', more: { archive: 1, checksum: 1 } }
  for (const fault of [
    { kind: 'flip' },
    { kind: 'wrong-checksum' },
    { kind: 'stale-checksum' },
    { kind: 'missing-checksum' },
    { kind: 'foreign-checksum' },
    { kind: 'html' },
    { kind: 'truncate', bytes: 30, declared: false },
    { kind: 'truncate', bytes: 0, declared: false },
  ] as const)
    yield { stage, fault, outcome: released }
}

/** Faults of every REST request: the bars that no archive has stay unexplained, and nothing is taken for an outage. */
function* restRows(): Generator<Row> {
  const stage = 'rest'
  // while REST says nothing of a hole, its month's archive is looked for
  const listing = 1
  const partial = (rest: number): Outcome => ({ exit: 3, condition: 'partial', code: 'CKVD_PARTIAL', more: { rest, listing } })
  for (const fault of BROKEN) yield { stage, fault, outcome: partial(1) }
  for (const fault of STALLS) yield { stage, fault, outcome: partial(1), http: IMPATIENT }
  for (const code of [408, 500, 503]) yield { stage, fault: status(code), outcome: partial(1) }
  const limited = (rest: number): Outcome => ({ exit: 4, condition: 'partial', code: 'CKVD_RATE_LIMITED', more: { rest, listing } })
  for (const after of [undefined, 1]) yield { stage, fault: status(429, after), outcome: limited(3) }
  yield { stage, fault: status(503, 1), outcome: partial(1) }
  yield { stage, fault: status(503, DAY_S), outcome: partial(0) }
  yield { stage, fault: status(429, DAY_S), outcome: limited(0) }
  yield { stage, fault: drip(40), outcome: partial(1), http: UNDRIPPED }
  yield { stage, fault: { kind: 'flip', offset: 0 }, outcome: partial(0) }
  for (const code of [403, 404, 451]) yield { stage, fault: status(code), outcome: partial(0) }
  yield { stage, fault: status(418, 600), outcome: { exit: 4, condition: 'partial', code: 'CKVD_BANNED', more: { rest: 0, listing } } }
  yield { stage, fault: status(418), outcome: { exit: 4, condition: 'partial', code: 'CKVD_BANNED', more: { rest: 0, listing } } }
  yield { stage, fault: { kind: 'redirect' }, outcome: partial(0) }
  yield { stage, fault: { kind: 'html' }, outcome: partial(0) }
  for (const bytes of [0, 60]) yield { stage, fault: { kind: 'truncate', bytes, declared: false }, outcome: partial(0) }
}

const named = (rows: Iterable<Row>): (readonly [string, Row])[] =>
  [...rows].map((row) => [
    `${row.stage}: ${JSON.stringify(row.fault)} → ${row.outcome.exit} ${row.outcome.condition ?? 'nothing recorded'}`,
    row,
  ])

describe.concurrent('each fault at each stage ends in its condition, exit code and number of requests', () => {
  let truth: Map<string, string[]>

  beforeAll(async () => {
    await using world = await createWorld([CUT])
    expect(await world.run()).toMatchObject({ exit: 0, requests: SOUND, days: { complete: 3 } })
    truth = await readRows(world.lake)
    expect([...truth.values()].map((rows) => rows.length)).toEqual([24, 24, 24])
  })

  const rows = named([...passingRows(), ...listingRows(), ...archiveRows(), ...contentRows(), ...checksumRows(), ...restRows()])
  test.for(rows)('%s', { timeout: 60_000 }, async ([, { stage, fault, outcome, http }], { expect }) => {
    await using world = await createWorld([{ ...fault, match: MATCH[stage] }, CUT])
    const result = await world.run(http === undefined ? {} : { http })
    checkOutcome(expect, result, outcome)
    const seen = {
      listing: world.requests('listing'),
      archive: world.requests('archive'),
      checksum: world.requests('checksum'),
      rest: world.requests('rest'),
    }
    expect(seen, 'requests that the exchange got').toEqual(sumOf(outcome.more ?? {}))
    expect(result.requests, 'requests that the run counted').toEqual(seen)
    await checkLake(expect, world.lake, outcome, truth)

    world.sandbox.setFaults([CUT])
    if (outcome.exit === 3) expect(await world.run({ retryFailed: outcome.condition !== null }), 'the next run').toMatchObject({ exit: 0 })
    if (outcome.exit === 3) expect(await readRows(world.lake)).toEqual(truth)
  })

  function checkOutcome(expect: ExpectStatic, result: IngestResult, { exit, condition, code }: Outcome): void {
    expect({ exit: result.exit, problems: exit === 0 ? result.problems : [] }).toEqual({ exit, problems: [] })
    const told = result.stopped?.code ?? result.problems[0]?.code
    if (code === undefined) expect(told).toBeUndefined()
    else expect(told).toMatch(new RegExp(`^${code}`))
    if (exit === 3) expect(result.problems).toHaveLength(1)
    if (exit === 3) expect(result.problems[0]).toMatchObject({ day: condition === null ? null : BAD_DAY, condition: condition ?? 'failed' })
  }

  function sumOf(more: Partial<Record<Stage, number>>): Record<Stage, number> {
    const sum = { ...SOUND }
    for (const stage of STAGES) sum[stage] += more[stage] ?? 0
    return sum
  }
})

async function checkLake(expect: ExpectStatic, lake: string, { condition }: Outcome, truth: ReadonlyMap<string, string[]>): Promise<void> {
  const days = queryCatalog<{ day: string; condition: string; rows: number }>(lake, 'SELECT day, condition, rows FROM days ORDER BY day')
  const rowsOfBad = condition === 'failed' ? 0 : condition === 'partial' ? 12 : 24
  const whole = (day: string) => ({ day, condition: 'complete', rows: 24 })
  const expected = condition === null ? [] : [whole('2024-03-01'), { day: BAD_DAY, condition, rows: rowsOfBad }, whole('2024-03-03')]
  expect(days).toEqual(expected)
  const found = await readRows(lake)
  expect(strangeRows(found, truth), 'rows below data/ that the exchange does not have').toEqual([])
  expect([...found].map(([day, rows]) => `${day} ${rows.length}`)).toEqual(
    expected.filter(({ rows }) => rows > 0).map(({ day, rows }) => `${day} ${rows}`),
  )
  expect(await listFiles(join(lake, 'tmp'))).toEqual([])
}
