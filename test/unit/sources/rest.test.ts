import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isCkvdError } from '../../../src/errors.ts'
import type { Interval } from '../../../src/model/interval.ts'
import type { Market } from '../../../src/model/market.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../../src/sources/http.ts'
import { MemoryRestAccount } from '../../../src/sources/rest-account-memory.ts'
import { createRestLimiter } from '../../../src/sources/rest-limiter.ts'
import type { RestOptions } from '../../../src/sources/rest.ts'
import { Rest } from '../../../src/sources/rest.ts'
import type { ModelBar, Reply, RestServer } from '../../support/rest-server.ts'
import { modelRow, startRestServer } from '../../support/rest-server.ts'
import { SHARED } from '../../support/shared.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const T = Date.UTC(2024, 0, 10)
const NOW = Date.UTC(2024, 5, 1)
const signal = new AbortController().signal

let server: RestServer
let http: HttpClient
beforeEach(async () => {
  server = await startRestServer()
  http = new HttpClient({ ...HTTP_DEFAULTS, maxRetries: 9, idleTimeoutMs: 2000 }, {})
})
afterEach(async () => {
  await http.close()
  await server.close()
})

/** A source whose limiter never has to wait for a minute in real time. */
function createRest(options: Partial<RestOptions> = {}): Rest {
  let clockMs = NOW
  const limiter = createRestLimiter({
    account: new MemoryRestAccount(() => clockMs),
    sleep: (delayMs) => {
      clockMs += delayMs
      return Promise.resolve()
    },
  })
  return new Rest(http, { urls: server.urls, limiter, nowMs: () => NOW, sleep: () => Promise.resolve(), ...options })
}

const series = (market: Market, interval: Interval = '1m', symbol = 'TESTUSDT') => ({ market, symbol, interval })
const us = (startMs: number, endMs: number) => ({ startUs: startMs * 1000, endUs: endMs * 1000 })

/** Bars on the minute in [startMs, endMs), except in the holes. */
function minutes(startMs: number, endMs: number, ...holes: [number, number][]): ModelBar[] {
  const bars: ModelBar[] = []
  for (let openMs = startMs; openMs < endMs; openMs += MINUTE_MS) {
    if (!holes.some(([from, to]) => openMs >= from && openMs < to)) bars.push({ openMs, closeMs: openMs + MINUTE_MS - 1 })
  }
  return bars
}

async function openTimes(rest: Rest, ...asked: Parameters<Rest['fetchStretch']>): Promise<number[]> {
  const stretch = await rest.fetchStretch(...asked)
  if (stretch.kind !== 'found') throw new Error(`found was expected, got ${stretch.reason}`)
  return [...stretch.rows.openTime].map((time) => Number(time) / 1000)
}

async function errorOf(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isCkvdError(error)) throw new Error(`a CkvdError was expected, got ${String(error)}`)
  return error
}

describe('paging', () => {
  test('spot: forwards by 1,000, weight 2', async () => {
    server.bars = minutes(T - DAY_MS, T + 3 * DAY_MS)
    const times = await openTimes(createRest(), series('spot'), us(T, T + 2 * DAY_MS), { signal })
    expect(times).toEqual(minutes(T, T + 2 * DAY_MS).map(({ openMs }) => openMs))
    expect(server.requests.map(({ limit, rows, status }) => [limit, rows, status])).toEqual([
      [1000, 1000, 200],
      [1000, 1000, 200],
      [1000, 883, 200],
    ])
  })

  test('um: pages of 499 rows for weight 2, the last one of 99 for weight 1', async () => {
    server.bars = minutes(T - DAY_MS, T + 3 * DAY_MS)
    const times = await openTimes(createRest(), series('um'), us(T, T + 1050 * MINUTE_MS), { signal })
    expect(times).toEqual(minutes(T, T + 1050 * MINUTE_MS).map(({ openMs }) => openMs))
    expect(server.requests.map(({ limit, weight }) => [limit, weight])).toEqual([
      [499, 2],
      [499, 2],
      [99, 1],
    ])
  })

  test.each(['um', 'cm'] as const)('%s: less than 100 rows take one request of weight 1', async (market) => {
    server.bars = minutes(T - DAY_MS, T + DAY_MS)
    expect(await openTimes(createRest(), series(market), us(T, T + 97 * MINUTE_MS), { signal })).toHaveLength(97)
    expect(server.requests.map(({ limit, weight }) => [limit, weight])).toEqual([[99, 1]])
  })

  test('cm: backwards within windows of 200 days', async () => {
    const startMs = T - 500 * DAY_MS
    server.bars = Array.from({ length: 700 }, (_, i) => ({
      openMs: startMs - 100 * DAY_MS + i * DAY_MS,
      closeMs: startMs + (i - 99) * DAY_MS - 1,
    }))
    const times = await openTimes(createRest(), series('cm', '1d'), us(startMs, T), { signal })
    expect(times).toEqual(Array.from({ length: 500 }, (_, i) => startMs + i * DAY_MS))
    expect(server.requests).toHaveLength(3)
    for (const { startMs: from, endMs: to, status } of server.requests) {
      expect(status).toBe(200)
      expect(to - from).toBeLessThanOrEqual(200 * DAY_MS)
    }
    expect(server.requests.map(({ endMs }) => endMs)).toEqual([T, T - 199 * DAY_MS, T - 398 * DAY_MS])
  })

  test('cm: full pages go on from their first row', async () => {
    server.bars = minutes(T - DAY_MS, T + 3 * DAY_MS)
    const times = await openTimes(createRest(), series('cm'), us(T, T + DAY_MS), { signal })
    expect(times).toEqual(minutes(T, T + DAY_MS).map(({ openMs }) => openMs))
    expect(server.requests.map(({ limit }) => limit)).toEqual([499, 499, 499])
  })

  test.each(['spot', 'um', 'cm'] as const)('%s: a stretch wholly inside an outage is one request', async (market) => {
    const hole: [number, number] = [T - DAY_MS, T + 30 * DAY_MS]
    server.bars = minutes(T - 2 * DAY_MS, T + 31 * DAY_MS, hole)
    const stretch = await createRest().fetchStretch(series(market), us(T, T + 20 * DAY_MS), { signal })
    expect(stretch).toMatchObject({ kind: 'found', missing: [us(T, T + 20 * DAY_MS)] })
    expect(server.requests).toHaveLength(1)
  })

  test('cm: an outage of three years is one request a window', async () => {
    const hole: [number, number] = [T - 1000 * DAY_MS, T]
    server.bars = minutes(T - 1001 * DAY_MS, T - 1000 * DAY_MS, hole)
    const times = await openTimes(createRest(), series('cm'), us(T - 1000 * DAY_MS, T), { signal })
    expect(times).toEqual([])
    expect(server.requests).toHaveLength(6)
  })

  test.each(['spot', 'um', 'cm'] as const)(
    '%s: a page with fewer rows than its limit, in mid-range, ends nothing early',
    async (market) => {
      const hole: [number, number] = [T + 100 * MINUTE_MS, T + 1300 * MINUTE_MS]
      server.bars = minutes(T, T + 2 * DAY_MS, hole)
      const stretch = await createRest().fetchStretch(series(market), us(T, T + DAY_MS), { signal })
      if (stretch.kind !== 'found') throw new Error('found was expected')
      expect([...stretch.rows.openTime].map((time) => Number(time) / 1000)).toEqual(
        minutes(T, T + DAY_MS, hole).map(({ openMs }) => openMs),
      )
      expect(stretch.missing).toEqual([us(...hole)])
      expect(server.requests.length).toBeLessThanOrEqual(2)
    },
  )

  test.each([
    ['spot', 'open'],
    ['spot', 'grid'],
    ['cm', 'open'],
    ['cm', 'grid'],
  ] as const)('%s: bars that open off the grid, and two in one slot, are kept (server rounds by %s)', async (market, kind) => {
    server.rounding = kind === 'open' ? { kind } : { kind, lengthMs: MINUTE_MS }
    // as in December 2017: from one minute on, all bars open 20.799 s late, and that minute has two
    const turn = T + 998 * MINUTE_MS
    const late = minutes(turn, T + 1500 * MINUTE_MS).map(({ openMs }) => ({ openMs: openMs + 20_799, closeMs: openMs + 80_798 }))
    server.bars = [...minutes(T - DAY_MS, turn + MINUTE_MS), ...late]
    const expected = server.bars.map(({ openMs }) => openMs).filter((openMs) => openMs >= T && openMs < T + 1440 * MINUTE_MS)
    const stretch = await createRest().fetchStretch(series(market), us(T, T + 1440 * MINUTE_MS), { signal })
    if (stretch.kind !== 'found') throw new Error('found was expected')
    expect([...stretch.rows.openTime].map((time) => Number(time) / 1000)).toEqual(expected)
    expect(expected).toHaveLength(1441)
    expect(stretch.missing).toEqual([])
  })

  test('bars that have not closed are dropped and not called missing', async () => {
    const nowMs = T + 90_000
    const late = { openMs: T + 20_799, closeMs: T + 80_798 }
    server.bars = [...minutes(T - 2 * MINUTE_MS, T), late, { openMs: T + 80_799, closeMs: T + 140_798 }]
    const rest = createRest({ nowMs: () => nowMs })
    const stretch = await rest.fetchStretch(series('spot'), us(T - 2 * MINUTE_MS, T + 10 * MINUTE_MS), { signal })
    if (stretch.kind !== 'found') throw new Error('found was expected')
    expect([...stretch.rows.openTime].map((time) => Number(time) / 1000)).toEqual([T - 2 * MINUTE_MS, T - MINUTE_MS, late.openMs])
    expect(stretch.missing).toEqual([])
    // ten seconds earlier the late bar is open still, although its slot is over
    const earlier = createRest({ nowMs: () => T + 70_000 })
    const before = await earlier.fetchStretch(series('spot'), us(T - 2 * MINUTE_MS, T + 10 * MINUTE_MS), { signal })
    expect(before).toMatchObject({ kind: 'found', missing: [] })
    expect(before.kind === 'found' && before.rows.openTime.length).toBe(2)
    expect(server.requests.every(({ endMs }) => endMs <= nowMs)).toBe(true)
  })

  test('a bar that an outage cut states an early close, and counts as open until its slot is over', async () => {
    server.bars = [...minutes(T - MINUTE_MS, T), { openMs: T, closeMs: T + 5000 }]
    const range = us(T - MINUTE_MS, T + DAY_MS)
    expect(await openTimes(createRest({ nowMs: () => T + 50_000 }), series('spot'), range, { signal })).toEqual([T - MINUTE_MS])
    expect(await openTimes(createRest({ nowMs: () => T + 60_000 }), series('spot'), range, { signal })).toEqual([T - MINUTE_MS, T])
  })

  test('a range that has not begun is empty without a request', async () => {
    const stretch = await createRest().fetchStretch(series('spot'), us(NOW, NOW + DAY_MS), { signal })
    expect(stretch).toMatchObject({ kind: 'found', missing: [] })
    expect(server.requests).toHaveLength(0)
  })

  test('months: 1M is spelled so, and windows of COIN-M stay below 200 days', async () => {
    const months = Array.from({ length: 30 }, (_, i) => Date.UTC(2021, i, 1))
    server.bars = months.map((openMs, i) => ({ openMs, closeMs: Date.UTC(2021, i + 1, 1) - 1 }))
    expect(await openTimes(createRest(), series('cm', '1M'), us(Date.UTC(2021, 2, 1), Date.UTC(2023, 2, 1)), { signal })).toEqual(
      months.slice(2, 26),
    )
    for (const { interval, status } of server.requests) expect([interval, status]).toEqual(['1M', 200])
  })
})

describe('first bar', () => {
  test.each(['spot', 'um'] as const)('%s: one request', async (market) => {
    server.bars = minutes(T + 17 * MINUTE_MS, T + DAY_MS)
    expect(await createRest().fetchFirstBar(series(market), { signal })).toBe((T + 17 * MINUTE_MS) * 1000)
    expect(server.requests).toMatchObject([{ startMs: 0, limit: 1 }])
  })

  test('cm: found in some thirty requests of weight 1, behind a hole, too', async () => {
    const first = Date.UTC(2020, 7, 11, 6, 31)
    server.bars = [
      ...minutes(first, first + 5 * DAY_MS),
      ...minutes(first + 150 * DAY_MS, first + 160 * DAY_MS),
      ...minutes(first + 900 * DAY_MS, first + 901 * DAY_MS),
    ]
    expect(await createRest().fetchFirstBar(series('cm'), { signal })).toBe(first * 1000)
    expect(server.requests.length).toBeLessThan(30)
    for (const { weight, status } of server.requests) expect([weight, status]).toEqual([1, 200])
  })

  test('cm: of a monthly series', async () => {
    server.bars = Array.from({ length: 24 }, (_, i) => ({ openMs: Date.UTC(2021, i, 1), closeMs: Date.UTC(2021, i + 1, 1) - 1 }))
    expect(await createRest().fetchFirstBar(series('cm', '1M'), { signal })).toBe(Date.UTC(2021, 0, 1) * 1000)
  })

  test.each(['spot', 'um', 'cm'] as const)('%s: null when the symbol has no bar or is unknown', async (market) => {
    expect(await createRest().fetchFirstBar(series(market), { signal })).toBeNull()
    server.unknown.add('NOUSDT')
    expect(await createRest().fetchFirstBar(series(market, '1m', 'NOUSDT'), { signal })).toBeNull()
  })
})

describe('refusals', () => {
  const refuse = (status: number, body: unknown): Reply => ({ status, body: typeof body === 'string' ? body : JSON.stringify(body) })

  test('an unknown symbol is absent, and stops nobody else', async () => {
    server.bars = minutes(T, T + DAY_MS)
    server.unknown.add('NOUSDT')
    const rest = createRest()
    const range = us(T, T + 5 * MINUTE_MS)
    const [unknown, known] = await Promise.all([
      rest.fetchStretch(series('spot', '1m', 'NOUSDT'), range, { signal }),
      rest.fetchStretch(series('spot'), range, { signal }),
    ])
    expect(unknown).toEqual({ kind: 'absent', reason: 'unlisted' })
    expect(known.kind === 'found' && known.rows.openTime.length).toBe(5)
    expect(server.requests).toHaveLength(2)
  })

  test('symbols of any script are encoded', async () => {
    server.bars = minutes(T, T + DAY_MS)
    expect(await openTimes(createRest(), series('um', '1m', '币安人生USDT'), us(T, T + MINUTE_MS), { signal })).toEqual([T])
    expect(server.requests[0]?.symbol).toBe('币安人生USDT')
  })

  test.each([
    [400, { code: -1120, msg: 'Invalid interval.' }, 'CKVD_UNKNOWN_INTERVAL'],
    [400, { code: -1023, msg: 'Start time is greater than end time.' }, 'CKVD_REST_RANGE'],
    [400, { code: -4088, msg: 'Maximum time interval is 200 days.' }, 'CKVD_REST_RANGE'],
    [400, { code: -1100, msg: "Illegal characters found in parameter 'startTime'." }, 'CKVD_REST_RANGE'],
    [401, { code: -2014, msg: 'API-key format invalid.' }, 'CKVD_REST_BODY'],
    [200, { code: -9999, msg: 'New.' }, 'CKVD_REST_BODY'],
    [403, '<html>forbidden</html>', 'CKVD_FORBIDDEN'],
    [451, '{"code":0,"msg":"Service unavailable from a restricted location"}', 'CKVD_FORBIDDEN'],
    [404, '<html>not found</html>', 'CKVD_HTTP_STATUS'],
    [200, '<html>captive portal</html>', 'CKVD_REST_BODY'],
    [200, '[[1,2,3]]', 'CKVD_REST_BODY'],
  ])('%i %j is %s, after one request', async (status, body, code) => {
    server.script = () => refuse(status, body)
    const error = await errorOf(createRest().fetchStretch(series('um'), us(T, T + DAY_MS), { signal }))
    expect(error.code).toBe(code)
    expect(error.details).toMatchObject({ market: 'um', symbol: 'TESTUSDT', interval: '1m' })
    expect(server.requests).toHaveLength(1)
  })

  test('illegal characters in the symbol mean that it does not exist', async () => {
    server.script = () =>
      refuse(400, { code: -1100, msg: "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'." })
    expect(await createRest().fetchStretch(series('spot'), us(T, T + DAY_MS), { signal })).toEqual({ kind: 'absent', reason: 'unlisted' })
  })

  test('an interval that the market does not have is refused before a request', async () => {
    expect((await errorOf(createRest().fetchStretch(series('um', '1s'), us(T, T + 5000), { signal }))).code).toBe('CKVD_UNKNOWN_INTERVAL')
    expect(server.requests).toHaveLength(0)
  })

  test.each([
    ['outside the window', () => [{ openMs: T - MINUTE_MS, closeMs: T - 1 }]],
    ['behind the window', () => [{ openMs: T + DAY_MS, closeMs: T + DAY_MS + MINUTE_MS - 1 }]],
    ['out of order', () => minutes(T, T + 3 * MINUTE_MS).reverse()],
    ['twice', () => [...minutes(T, T + MINUTE_MS), ...minutes(T, T + MINUTE_MS)]],
    [
      'beyond the limit',
      () =>
        minutes(T, T + 8 * MINUTE_MS).flatMap(({ openMs }) =>
          Array.from({ length: 20 }, (_, i) => ({ openMs: openMs + i, closeMs: openMs + 59_999 })),
        ),
    ],
  ])('rows %s are refused', async (_name, bars) => {
    server.script = () => refuse(200, bars().map(modelRow))
    expect((await errorOf(createRest().fetchStretch(series('um'), us(T, T + 10 * MINUTE_MS), { signal }))).code).toBe('CKVD_REST_BODY')
    expect(server.requests).toHaveLength(1)
  })

  test.each(['um', 'cm'] as const)('%s: a server that makes no progress is left after one page', async (market) => {
    const dense = Array.from({ length: 499 }, (_, i) => ({
      openMs: T + (market === 'um' ? 0 : 600 * MINUTE_MS - 1000) + i,
      closeMs: T + DAY_MS,
    }))
    server.script = () => refuse(200, dense.map(modelRow))
    expect((await errorOf(createRest().fetchStretch(series(market), us(T, T + 600 * MINUTE_MS), { signal }))).code).toBe('CKVD_REST_BODY')
    expect(server.requests).toHaveLength(1)
  })
})

describe('retries', () => {
  test('5xx, a reset and a short body are tried again, each try through the limiter', async () => {
    server.bars = minutes(T, T + DAY_MS)
    let clockMs = NOW
    const account = new MemoryRestAccount(() => clockMs)
    const limiter = createRestLimiter({ account, sleep: (delayMs) => Promise.resolve(void (clockMs += delayMs)) })
    server.script = (index, request, response) => {
      if (index === 0) return { status: 503, body: 'busy' }
      if (index === 1) return (request.socket.destroy(), 'sent')
      if (index === 2) return (response.writeHead(200, { 'content-length': '500' }).write('[]', () => request.socket.destroy()), 'sent')
      return index === 3 ? { status: 400, body: '{"code":-1001,"msg":"Internal error."}' } : undefined
    }
    const pauses: number[] = []
    const rest = createRest({ limiter, backoffMs: 100, sleep: (delayMs) => Promise.resolve(void pauses.push(delayMs)) })
    expect(await openTimes(rest, series('um'), us(T, T + 3 * MINUTE_MS), { signal })).toHaveLength(3)
    expect(server.requests).toHaveLength(5)
    expect((await account.usage({ name: 'futures', limit: 2400, budget: 1920 })).spent).toBe(5)
    expect(pauses).toHaveLength(4)
    pauses.forEach((delayMs, i) => expect(delayMs).toBeGreaterThanOrEqual(50 * 2 ** i))
  })

  test('tries are bounded by maxRetries', async () => {
    server.script = () => ({ status: 500, body: '' })
    expect((await errorOf(createRest({ maxRetries: 2 }).fetchStretch(series('um'), us(T, T + DAY_MS), { signal }))).code).toBe(
      'CKVD_HTTP_BUSY',
    )
    expect(server.requests).toHaveLength(3)
  })

  test('a 429 that does not end is left after the tries of the limiter', async () => {
    server.script = () => ({ status: 429, headers: { 'retry-after': '1' }, body: '{"code":-1003,"msg":"Too many requests."}' })
    expect((await errorOf(createRest().fetchStretch(series('um'), us(T, T + DAY_MS), { signal }))).code).toBe('CKVD_RATE_LIMITED')
    expect(server.requests).toHaveLength(4)
  })

  test('Retry-After of a 503 is kept', async () => {
    server.script = (index) => (index === 0 ? { status: 503, headers: { 'retry-after': '9' }, body: '' } : undefined)
    const pauses: number[] = []
    await createRest({ sleep: (delayMs) => Promise.resolve(void pauses.push(delayMs)) }).fetchStretch(series('um'), us(T, T + DAY_MS), {
      signal,
    })
    expect(pauses).toEqual([9000])
  })

  test('a Retry-After that is longer than anyone waits ends the request', async () => {
    server.script = () => ({ status: 503, headers: { 'retry-after': '301' }, body: '' })
    const sleep = (): Promise<void> => Promise.reject(new Error('slept'))
    const error = await errorOf(createRest({ sleep }).fetchStretch(series('um'), us(T, T + DAY_MS), { signal }))
    expect(error.code).toBe('CKVD_HTTP_BUSY')
    expect(server.requests).toHaveLength(1)
  })

  test('429 is waited out once, 418 stops everything until the ban ends', async () => {
    server.bars = minutes(T, T + DAY_MS)
    let clockMs = NOW
    const slept: number[] = []
    const options = {
      account: new MemoryRestAccount(() => clockMs),
      sleep: (delayMs: number) => {
        slept.push(delayMs)
        clockMs += delayMs
        return Promise.resolve()
      },
    }
    server.script = (index) =>
      index === 0
        ? { status: 429, headers: { 'retry-after': '11' }, body: '{"code":-1003,"msg":"Too many requests."}' }
        : index === 2
          ? { status: 418, headers: { 'retry-after': '180' }, body: '{"code":-1003,"msg":"Way too many requests."}' }
          : undefined
    const rest = createRest({ limiter: createRestLimiter(options) })
    const range = us(T, T + 3 * MINUTE_MS)
    expect(await openTimes(rest, series('um'), range, { signal })).toHaveLength(3)
    expect(slept).toEqual([11_000])
    expect((await errorOf(rest.fetchStretch(series('um'), range, { signal }))).code).toBe('CKVD_BANNED')
    expect(server.requests).toHaveLength(3)

    const restarted = createRest({ limiter: createRestLimiter(options) })
    clockMs += 179_000
    const error = await errorOf(restarted.fetchStretch(series('um'), range, { signal }))
    expect(error).toMatchObject({ code: 'CKVD_BANNED', details: { until: new Date(NOW + 11_000 + 180_000).toISOString() } })
    expect(server.requests).toHaveLength(3)
    clockMs += 1000
    expect(await openTimes(restarted, series('um'), range, { signal })).toHaveLength(3)
  })

  test('an abort ends a request in flight', async () => {
    const abort = new AbortController()
    server.script = () => {
      setImmediate(() => abort.abort())
      return 'sent'
    }
    expect((await errorOf(createRest().fetchStretch(series('um'), us(T, T + DAY_MS), { signal: abort.signal }))).code).toBe('CKVD_ABORTED')
  })

  test('an abort ends the pause between two tries', async () => {
    const abort = new AbortController()
    server.script = () => {
      setTimeout(() => abort.abort(), 20)
      return { status: 503, headers: { 'retry-after': '200' }, body: '' }
    }
    const limiter = createRestLimiter()
    const rest = new Rest(http, { urls: server.urls, limiter, nowMs: () => NOW })
    expect((await errorOf(rest.fetchStretch(series('um'), us(T, T + DAY_MS), { signal: abort.signal }))).code).toBe('CKVD_ABORTED')
    expect(server.requests).toHaveLength(1)
  })
})

describe.skipIf(SHARED === undefined)('recorded answers', () => {
  const read = (name: string): string => readFileSync(`${SHARED}/rest/${name}`, 'utf8')

  test('the -4088 of dapi and the recorded error bodies map to codes', async () => {
    const recorded = JSON.parse(read('errors.json')) as { body: { code: number; msg: string } }[]
    const expected: Record<number, string> = { [-2014]: 'CKVD_REST_BODY', [-4088]: 'CKVD_REST_RANGE', [-1121]: 'absent' }
    const bodies = [...recorded.map(({ body }) => JSON.stringify(body)), read('dapi_v1_klines.0.json')]
    for (const body of bodies) {
      server.script = () => ({ status: 400, body })
      const outcome = await createRest()
        .fetchStretch(series('cm'), us(T, T + DAY_MS), { signal })
        .then(
          ({ kind }) => kind,
          (error: unknown) => (isCkvdError(error) ? error.code : String(error)),
        )
      expect(outcome).toBe(expected[(JSON.parse(body) as { code: number }).code])
    }
    expect(bodies).toHaveLength(6)
  })

  test('24 recorded rows of 2020-01-01 arrive whole', async () => {
    const body = read('api_v3_klines.12.json')
    const rows = JSON.parse(body) as (string | number)[][]
    server.script = () => ({ status: 200, body })
    const first = Number(rows[0]?.[0])
    const stretch = await createRest().fetchStretch(series('spot', '5m', 'BTCUSDT'), us(first, first + 24 * 300_000), { signal })
    if (stretch.kind !== 'found') throw new Error('found was expected')
    expect([...stretch.rows.openTime]).toEqual(rows.map((row) => BigInt(Number(row[0]) * 1000)))
    expect([...stretch.rows.close]).toEqual(rows.map((row) => Number(row[4])))
    expect(stretch.missing).toEqual([])
  })
})
