import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Interval } from '../../src/model/interval.ts'
import type { RestMarket } from '../../src/model/market.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../src/sources/http/http.ts'
import { MemoryRestAccount } from '../../src/sources/rest/rest-account-memory.ts'
import { createRestLimiter } from '../../src/sources/rest/rest-limiter.ts'
import { Rest } from '../../src/sources/rest/rest.ts'
import type { ModelBar, RestServer } from '../support/rest-server.ts'
import { startRestServer } from '../support/rest-server.ts'

const DAY_MS = 86_400_000
const LENGTH_MS = { '1m': 60_000, '1h': 3_600_000, '1d': DAY_MS } as const
/** a day on which all three grids begin */
const BASE = Date.UTC(2022, 0, 3)
/** "now" in slots from BASE: after most segments, in the midst of some */
const NOW_SLOTS = 4000.5
/** CI draws the same cases each time; other runs any */
const REPEATABLE = process.env['CI'] === undefined ? {} : { seed: 20_241_129 }
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

/** Doubles nearer to each other are taken for bars of another interval. */
const SLOTS_OF_DOUBLE = 30

/** Lays segments one after the other from BASE; a 'double' segment of some length holds two bars in its first slot. */
function layBars(segments: readonly Segment[], lengthMs: number): ModelBar[] {
  const bars: ModelBar[] = []
  let slot = 0
  for (const { slots, kind, late } of segments) {
    const offsetMs = kind === 'late' ? Math.floor(late * lengthMs) : 0
    for (let i = 0; i < slots && kind !== 'hole'; i++) {
      const openMs = BASE + (slot + i) * lengthMs + offsetMs
      bars.push({ openMs, closeMs: openMs + lengthMs - 1 })
      const second = openMs + Math.ceil(late * (lengthMs - 1))
      if (kind === 'double' && i === 0 && slots >= SLOTS_OF_DOUBLE) bars.push({ openMs: second, closeMs: second + lengthMs - 1 })
    }
    slot += slots
  }
  return bars
}

/** A source of REST whose limiter never waits in real time. */
function createRest(nowMs: number): Rest {
  let clockMs = nowMs
  const limiter = createRestLimiter({
    account: new MemoryRestAccount(() => clockMs),
    sleep: (delayMs) => Promise.resolve(void (clockMs += delayMs)),
  })
  return new Rest(http, { urls: server.urls, limiter, nowMs: () => nowMs })
}

test('a walk has all rows of any range with those beside it, links neighbours alone, and each request is within the rules', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<RestMarket>('spot', 'um', 'cm'),
      fc.constantFrom('1m' as const, '1h' as const, '1d' as const),
      fc.boolean(),
      fc.array(segment, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: -500, max: 2500 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.boolean(),
      fc.boolean(),
      async (market, interval: Interval & keyof typeof LENGTH_MS, onGrid, segments, from, slots, knowsBefore, knowsAfter) => {
        const lengthMs = LENGTH_MS[interval]
        const nowMs = BASE + NOW_SLOTS * lengthMs
        // COIN-M's walk looks back for a bar through five windows of 199 days
        fc.pre(market !== 'cm' || interval !== '1d' || from < 900)
        const [startMs, endMs] = [BASE + from * lengthMs, BASE + (from + slots) * lengthMs]
        server.bars = layBars(segments, lengthMs)
        server.rounding = onGrid ? { kind: 'grid', lengthMs } : { kind: 'open' }
        server.requests.length = 0
        const opens = server.bars.map(({ openMs }) => openMs).filter((openMs) => openMs <= nowMs)
        const [before, after] = [opens.findLast((openMs) => openMs < startMs), opens.find((openMs) => openMs >= endMs)]
        const stretch = await createRest(nowMs).fetchStretch(
          { market, symbol: 'TESTUSDT', interval },
          {
            startUs: startMs * 1000,
            endUs: endMs * 1000,
            beforeUs: knowsBefore && before !== undefined ? before * 1000 : null,
            afterUs: knowsAfter && after !== undefined ? after * 1000 : null,
            first: false,
          },
          { signal: new AbortController().signal },
        )
        if (stretch === null) throw new Error('rows were expected')

        const seen = stretch.seen.map((us) => us / 1000)
        expect(seen.filter((openMs) => openMs >= startMs && openMs < endMs)).toEqual(
          opens.filter((openMs) => openMs >= startMs && openMs < endMs),
        )
        // the nearest bars on either side, and an answer for every step from one to the other
        const way = opens.filter((openMs) => openMs >= (before ?? startMs) && openMs <= (after ?? endMs))
        expect(seen).toEqual(expect.arrayContaining(way))
        for (const [i, openMs] of way.entries()) {
          const next = way[i + 1]
          // neighbours need no answer that has both
          if (next !== undefined && Math.floor((next - BASE) / lengthMs) > Math.floor((openMs - BASE) / lengthMs) + 1)
            expect({ openMs, next, linked: stretch.links.get(openMs * 1000)?.has(next * 1000) }).toMatchObject({ linked: true })
        }
        // no link goes over a bar
        for (const [fromUs, targets] of stretch.links)
          for (const toUs of targets) expect(opens.filter((openMs) => openMs * 1000 > fromUs && openMs * 1000 < toUs)).toEqual([])
        if (after !== undefined) expect(stretch.silentAfterUs).toBeNull()
        else if (way.length > 0) expect(stretch.silentAfterUs).toBe((opens.at(-1) ?? 0) * 1000)

        for (const request of server.requests) {
          expect(request.status).toBe(200)
          expect(request.limit).toBeLessThanOrEqual(MAX_LIMIT[market])
          expect(request.startMs).toBeLessThanOrEqual(nowMs)
          if (market === 'cm') expect(request.endMs - request.startMs).toBeLessThan(200 * DAY_MS)
        }
        // a page for its rows; a few more for each side that was not known, and for each hole that no window holds
        if (market !== 'cm') expect(server.requests.length).toBeLessThanOrEqual(Math.ceil(way.length / (MAX_LIMIT[market] - 2)) + 30)
      },
    ),
    { numRuns: 150, ...REPEATABLE },
  )
}, 120_000)

test('the first bar is found wherever it is', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<RestMarket>('spot', 'um', 'cm'),
      fc.constantFrom('1m' as const, '1h' as const, '1d' as const),
      fc.array(segment, { minLength: 1, maxLength: 6 }),
      fc.option(fc.nat(5000)),
      async (market, interval, segments, held) => {
        server.bars = layBars(segments, LENGTH_MS[interval])
        server.rounding = { kind: 'open' }
        server.requests.length = 0
        const opens = server.bars.map(({ openMs }) => openMs)
        const heldMs = held === null ? undefined : opens[held % Math.max(1, opens.length)]
        const series = { market, symbol: 'TESTUSDT', interval }
        const first = await createRest(BASE + 5000 * LENGTH_MS[interval]).fetchFirstBar(
          series,
          heldMs === undefined ? null : heldMs * 1000,
          {
            signal: new AbortController().signal,
          },
        )
        expect(first).toBe(opens[0] === undefined ? 'unproved' : opens[0] * 1000)
        expect(server.requests.length).toBeLessThanOrEqual(market === 'cm' ? 60 : 4)
        for (const { status } of server.requests) expect(status).toBe(200)
      },
    ),
    { numRuns: 60, ...REPEATABLE },
  )
}, 120_000)
