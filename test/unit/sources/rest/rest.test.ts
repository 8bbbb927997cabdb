import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isCkvdError } from '../../../../src/errors.ts'
import type { Interval } from '../../../../src/model/interval.ts'
import type { RestMarket } from '../../../../src/model/market.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../../../src/sources/http/http.ts'
import { MemoryRestAccount } from '../../../../src/sources/rest/rest-account-memory.ts'
import { createRestLimiter } from '../../../../src/sources/rest/rest-limiter.ts'
import type { RestOptions } from '../../../../src/sources/rest/rest.ts'
import type { StretchAsk } from '../../../../src/sources/rest/rest-walk.ts'
import { Rest } from '../../../../src/sources/rest/rest.ts'
import type { ModelBar, Reply, RestServer } from '../../../support/rest-server.ts'
import { modelRow, startRestServer } from '../../../support/rest-server.ts'
import { SHARED } from '../../../support/shared.ts'

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

const series = (market: RestMarket, interval: Interval = '1m', symbol = 'TESTUSDT') => ({ market, symbol, interval })
/** A stretch of which no neighbour is known. */
const us = (startMs: number, endMs: number): StretchAsk => ({
  startUs: startMs * 1000,
  endUs: endMs * 1000,
  beforeUs: null,
  afterUs: null,
  first: false,
})
/** As `us`, with the minutes on either side known. */
const amid = (startMs: number, endMs: number): StretchAsk => ({
  ...us(startMs, endMs),
  beforeUs: (startMs - MINUTE_MS) * 1000,
  afterUs: endMs * 1000,
})

/** Bars on the minute in [startMs, endMs), except in the holes. */
function minutes(startMs: number, endMs: number, ...holes: [number, number][]): ModelBar[] {
  const bars: ModelBar[] = []
  for (let openMs = startMs; openMs < endMs; openMs += MINUTE_MS) {
    if (!holes.some(([from, to]) => openMs >= from && openMs < to)) bars.push({ openMs, closeMs: openMs + MINUTE_MS - 1 })
  }
  return bars
}

/** Open times of the rows in the stretch itself, milliseconds. */
async function openTimes(rest: Rest, ...asked: Parameters<Rest['fetchStretch']>): Promise<number[]> {
  const stretch = await rest.fetchStretch(...asked)
  if (stretch === null) throw new Error('rows were expected')
  const [, { startUs, endUs }] = asked
  return [...stretch.rows.openTime]
    .map(Number)
    .filter((time) => time >= startUs && time < endUs)
    .map((time) => time / 1000)
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
  test('spot: forwards by 1,000, weight 2, each page from the last row of the one before', async () => {
    server.bars = minutes(T - DAY_MS, T + 3 * DAY_MS)
    const times = await openTimes(createRest(), series('spot'), amid(T, T + 2 * DAY_MS), { signal })
    expect(times).toEqual(minutes(T, T + 2 * DAY_MS).map(({ openMs }) => openMs))
    expect(server.requests.map(({ startMs, limit, rows, weight }) => [(startMs - T) / MINUTE_MS, limit, rows, weight])).toEqual([
      [-1, 1000, 1000, 2],
      [998, 1000, 1000, 2],
      [1997, 1000, 1000, 2],
    ])
  })

  test('um: pages of 499 rows for weight 2, the last one of 99 for weight 1', async () => {
    server.bars = minutes(T - DAY_MS, T + 3 * DAY_MS)
    const times = await openTimes(createRest(), series('um'), amid(T, T + 1050 * MINUTE_MS), { signal })
    expect(times).toEqual(minutes(T, T + 1050 * MINUTE_MS).map(({ openMs }) => openMs))
    expect(server.requests.map(({ limit, weight }) => [limit, weight])).toEqual([
      [499, 2],
      [499, 2],
      [99, 1],
    ])
  })

  test.each(['um', 'cm'] as const)('%s: less than 97 rows and their witnesses take one request of weight 1', async (market) => {
    server.bars = minutes(T - DAY_MS, T + DAY_MS)
    expect(await openTimes(createRest(), series(market), amid(T, T + 96 * MINUTE_MS), { signal })).toHaveLength(96)
    expect(server.requests.map(({ limit, weight }) => [limit, weight])).toEqual([[99, 1]])
  })

  test('cm: days in windows of less than 200 days', async () => {
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
      expect(to - from).toBeLessThan(200 * DAY_MS)
    }
  })

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
    expect(await openTimes(createRest(), series(market), us(T, T + 1440 * MINUTE_MS), { signal })).toEqual(expected)
    expect(expected).toHaveLength(1441)
  })

  test('bars that have not closed are witnesses, not rows', async () => {
    const nowMs = T + 90_000
    const late = { openMs: T + 20_799, closeMs: T + 80_798 }
    server.bars = [...minutes(T - 2 * MINUTE_MS, T), late, { openMs: T + MINUTE_MS, closeMs: T + 2 * MINUTE_MS - 1 }]
    const range = us(T - 2 * MINUTE_MS, T + 10 * MINUTE_MS)
    const stretch = await createRest({ nowMs: () => nowMs }).fetchStretch(series('spot'), range, { signal })
    expect([...(stretch?.rows.openTime ?? [])].map((time) => Number(time) / 1000)).toEqual([T - 2 * MINUTE_MS, T - MINUTE_MS, late.openMs])
    expect(stretch?.seen.at(-1)).toBe((T + MINUTE_MS) * 1000)
    // ten seconds earlier the late bar is open still, although its slot is over
    const before = await createRest({ nowMs: () => T + 70_000 }).fetchStretch(series('spot'), range, { signal })
    expect(before?.rows.openTime.length).toBe(2)
    expect(server.requests.every(({ endMs }) => endMs <= nowMs)).toBe(true)
  })

  test('a bar that an outage cut states an early close, and counts as open until its slot is over', async () => {
    server.bars = [...minutes(T - MINUTE_MS, T), { openMs: T, closeMs: T + 5000 }]
    const range = us(T - MINUTE_MS, T + DAY_MS)
    expect(await openTimes(createRest({ nowMs: () => T + 50_000 }), series('spot'), range, { signal })).toEqual([T - MINUTE_MS])
    expect(await openTimes(createRest({ nowMs: () => T + 60_000 }), series('spot'), range, { signal })).toEqual([T - MINUTE_MS, T])
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

describe('refusals', () => {
  const refuse = (status: number, body: unknown): Reply => ({ status, body: typeof body === 'string' ? body : JSON.stringify(body) })

  test('an unknown symbol is absent, and stops nobody else', async () => {
    server.bars = minutes(T, T + DAY_MS)
    server.unknown.add('NOUSDT')
    const rest = createRest()
    const range = { ...us(T, T + 5 * MINUTE_MS), first: true }
    const [unknown, known] = await Promise.all([
      rest.fetchStretch(series('spot', '1m', 'NOUSDT'), range, { signal }),
      rest.fetchStretch(series('spot'), range, { signal }),
    ])
    expect(unknown).toBeNull()
    expect(known?.seen.slice(0, 5)).toEqual(minutes(T, T + 5 * MINUTE_MS).map(({ openMs }) => openMs * 1000))
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

  test('of what a server says so much is told', async () => {
    server.script = () => refuse(400, { code: -9999, msg: 'x'.repeat(3000) })
    const error = await errorOf(createRest().fetchStretch(series('um'), us(T, T + DAY_MS), { signal }))
    expect(error.code).toBe('CKVD_REST_BODY')
    expect(JSON.stringify(error).length).toBeLessThan(1500)
  })

  test('illegal characters in the symbol mean that it does not exist', async () => {
    server.script = () =>
      refuse(400, { code: -1100, msg: "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'." })
    expect(await createRest().fetchStretch(series('spot'), us(T, T + DAY_MS), { signal })).toBeNull()
  })

  test('an interval that the market does not have is refused before a request', async () => {
    expect((await errorOf(createRest().fetchStretch(series('um', '1s'), us(T, T + 5000), { signal }))).code).toBe('CKVD_UNKNOWN_INTERVAL')
    expect(server.requests).toHaveLength(0)
  })

  test.each([
    ['outside the window', () => [{ openMs: T - 2 * MINUTE_MS, closeMs: T - MINUTE_MS - 1 }]],
    ['behind the window', () => [{ openMs: NOW + MINUTE_MS, closeMs: NOW + 2 * MINUTE_MS - 1 }]],
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
    expect(await openTimes(rest, series('um'), { ...us(T, T + 3 * MINUTE_MS), first: true }, { signal })).toHaveLength(3)
    expect(server.requests).toHaveLength(5)
    expect((await account.usage({ name: 'futures' })).spent).toBe(5)
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
    const range = { ...us(T, T + 3 * MINUTE_MS), first: true }
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

  test.each<[string, (response: ServerResponse) => void]>([
    ['never comes', (response) => response.writeHead(418, { 'retry-after': '180', 'content-length': 100 }).flushHeaders()],
    ['breaks off', (response) => response.writeHead(418, { 'retry-after': '180' }).write('{"code"', () => response.destroy())],
  ])('a 418 whose text %s is one: nothing is asked again', async (_name, send) => {
    server.script = (_index, _request, response) => {
      send(response)
      return 'sent'
    }
    const account = new MemoryRestAccount(() => NOW)
    // a client that soon gives up what does not come
    await using impatient = new HttpClient({ ...HTTP_DEFAULTS, idleTimeoutMs: 100 }, {})
    const rest = new Rest(impatient, {
      urls: server.urls,
      limiter: createRestLimiter({ account }),
      nowMs: () => NOW,
      sleep: () => Promise.resolve(),
    })
    const error = await errorOf(rest.fetchStretch(series('um'), us(T, T + DAY_MS), { signal }))
    expect(error).toMatchObject({ code: 'CKVD_BANNED', details: { until: new Date(NOW + 180_000).toISOString() } })
    expect(server.requests).toHaveLength(1)
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
          (stretch) => (stretch === null ? 'absent' : 'found'),
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
    const stretch = await createRest().fetchStretch(
      series('spot', '5m', 'BTCUSDT'),
      { ...us(first, first + 23 * 300_000), first: true },
      { signal },
    )
    if (stretch === null) throw new Error('rows were expected')
    expect([...stretch.rows.openTime]).toEqual(rows.map((row) => BigInt(Number(row[0]) * 1000)))
    expect([...(stretch.rows['close'] ?? [])]).toEqual(rows.map((row) => Number(row[4])))
  })
})
