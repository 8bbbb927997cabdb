import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Interval } from '../../src/model/interval.ts'
import type { Market } from '../../src/model/market.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../src/sources/http.ts'
import { MemoryRestAccount } from '../../src/sources/rest-account-memory.ts'
import { createRestLimiter } from '../../src/sources/rest-limiter.ts'
import { Rest } from '../../src/sources/rest.ts'
import type { ModelBar, RestServer } from '../support/rest-server.ts'
import { startRestServer } from '../support/rest-server.ts'

const DAY_MS = 86_400_000
const LENGTH_MS = { '1m': 60_000, '1h': 3_600_000, '1d': DAY_MS } as const
/** a day on which all three grids begin */
const BASE = Date.UTC(2022, 0, 3)
const NOW = Date.UTC(2029, 0, 1)
const MAX_LIMIT = { spot: 1000, um: 499, cm: 499 } as const

let server: RestServer
let http: HttpClient
beforeAll(async () => {
  server = await startRestServer()
  http = new HttpClient(HTTP_DEFAULTS, {})
})
afterAll(async () => {
  await http.close()
  await server.close()
})

interface Segment {
  readonly slots: number
  readonly kind: 'bars' | 'hole' | 'late' | 'double'
  /** how late bars open, as a part of the slot */
  readonly late: number
}

const segment = fc.record({
  slots: fc.integer({ min: 1, max: 700 }),
  kind: fc.constantFrom('bars' as const, 'bars' as const, 'hole' as const, 'late' as const, 'double' as const),
  late: fc.double({ min: 0.001, max: 0.999, noNaN: true }),
})

/** Lays segments one after the other from BASE; a 'double' segment holds two bars in its first slot. */
function layBars(segments: readonly Segment[], lengthMs: number): ModelBar[] {
  const bars: ModelBar[] = []
  let slot = 0
  for (const { slots, kind, late } of segments) {
    const offsetMs = kind === 'late' ? Math.floor(late * lengthMs) : 0
    for (let i = 0; i < slots && kind !== 'hole'; i++) {
      const openMs = BASE + (slot + i) * lengthMs + offsetMs
      bars.push({ openMs, closeMs: openMs + lengthMs - 1 })
      const second = openMs + Math.ceil(late * (lengthMs - 1))
      if (kind === 'double' && i === 0) bars.push({ openMs: second, closeMs: second + lengthMs - 1 })
    }
    slot += slots
  }
  return bars
}

test('paging tiles any range: the rows are those of the exchange, each request within its rules', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<Market>('spot', 'um', 'cm'),
      fc.constantFrom('1m' as const, '1h' as const, '1d' as const),
      fc.boolean(),
      fc.array(segment, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: -500, max: 2500 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.constantFrom(0, 0, 1, -1, 17_592),
      fc.constantFrom(0, 0, 1, -1, 17_592),
      async (market, interval: Interval & keyof typeof LENGTH_MS, onGrid, segments, from, slots, startSkewMs, endSkewMs) => {
        const lengthMs = LENGTH_MS[interval]
        const startMs = BASE + from * lengthMs + startSkewMs
        const endMs = BASE + (from + slots) * lengthMs + endSkewMs
        server.bars = layBars(segments, lengthMs)
        server.rounding = onGrid ? { kind: 'grid', lengthMs } : { kind: 'open' }
        server.requests.length = 0
        let clockMs = NOW
        const limiter = createRestLimiter({
          account: new MemoryRestAccount(() => clockMs),
          sleep: (delayMs) => Promise.resolve(void (clockMs += delayMs)),
        })
        const rest = new Rest(http, { urls: server.urls, limiter, nowMs: () => NOW })
        const stretch = await rest.fetchStretch(
          { market, symbol: 'TESTUSDT', interval },
          { startUs: startMs * 1000, endUs: endMs * 1000 },
          { signal: new AbortController().signal },
        )
        if (stretch.kind !== 'found') throw new Error('found was expected')

        const closed = server.bars.filter(({ openMs, closeMs }) => openMs >= startMs && openMs < endMs && closeMs < NOW)
        const expected = closed.map(({ openMs }) => openMs)
        expect([...stretch.rows.openTime].map((time) => Number(time) / 1000)).toEqual(expected)

        // a slot may be filled by a bar that opens late, behind the end of the range
        const filled = new Set(server.bars.map(({ openMs }) => Math.floor((openMs - BASE) / lengthMs)))
        let empty = 0
        for (let slot = from - 1; slot <= from + slots; slot++) {
          const slotMs = BASE + slot * lengthMs
          if (slotMs >= startMs && slotMs < Math.min(endMs, NOW) && !filled.has(slot)) empty++
        }
        const missing = stretch.missing.reduce((sum, gap) => sum + Math.ceil((gap.endUs - gap.startUs) / 1000 / lengthMs), 0)
        expect(missing).toBe(empty)

        const windows = market === 'cm' ? Math.ceil((slots * lengthMs) / (198 * DAY_MS)) + 1 : 1
        expect(server.requests.length).toBeLessThanOrEqual(windows + Math.ceil(expected.length / (MAX_LIMIT[market] - 3)) + 1)
        for (const request of server.requests) {
          expect(request.status).toBe(200)
          expect(request.limit).toBeLessThanOrEqual(MAX_LIMIT[market])
          if (market === 'cm') expect(request.endMs - request.startMs).toBeLessThan(200 * DAY_MS)
        }
      },
    ),
    { numRuns: 150 },
  )
}, 120_000)

test('the first bar is found wherever it is', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<Market>('spot', 'um', 'cm'),
      fc.constantFrom('1m' as const, '1h' as const, '1d' as const),
      fc.array(segment, { minLength: 1, maxLength: 6 }),
      async (market, interval, segments) => {
        server.bars = layBars(segments, LENGTH_MS[interval])
        server.rounding = { kind: 'open' }
        server.requests.length = 0
        let clockMs = NOW
        const limiter = createRestLimiter({
          account: new MemoryRestAccount(() => clockMs),
          sleep: (delayMs) => Promise.resolve(void (clockMs += delayMs)),
        })
        const rest = new Rest(http, { urls: server.urls, limiter, nowMs: () => NOW })
        const first = await rest.fetchFirstBar({ market, symbol: 'TESTUSDT', interval }, { signal: new AbortController().signal })
        expect(first).toBe(server.bars[0] === undefined ? null : server.bars[0].openMs * 1000)
        expect(server.requests.length).toBeLessThanOrEqual(market === 'cm' ? 40 : 1)
        for (const { status } of server.requests) expect(status).toBe(200)
      },
    ),
    { numRuns: 60 },
  )
}, 120_000)
