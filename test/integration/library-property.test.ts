import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FaultRule } from '../../src/sandbox/index.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { columnsOf, fetchTruth, gapsOf, library, sourcesOf, valuesOf } from '../support/library.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory } from '../support/temp-lake.ts'

const { CryptoKlineVisionData, DataProvider, DataSource, CkvdError } = library

const NOW = '2024-03-20T15:20:00Z'
const NOW_MS = Date.parse(NOW)
const YESTERDAY = '2024-03-19'
const FIRST_MS = Date.parse('2024-02-20T00:00:00Z')
const BORN = '2024-02-25'
const HOUR_MS = 3_600_000

/** One for each case, so that what was asked before is what the case asked, and all cases share a client with its threads. */
const SYMBOLS = Array.from({ length: 1000 }, (_, i) => `N${i}USDT`)

let exchange: TestExchange
let temp: TempDirectory
let ckvd: ReturnType<typeof CryptoKlineVisionData.create>
/**
 * The exchange's minute, this one or the next: a clock that stands still would add up the weight of all calls, and of those for the truth,
 * until a call waits for room. No bar closes between the two.
 */
let minute = 0

beforeAll(async () => {
  const markets = SYMBOLS.map((symbol) => ({ market: 'um' as const, symbol, firstDay: BORN, opensAt: '07:00' }))
  exchange = await startExchange(NOW, { markets, now: () => NOW_MS + minute * 60_000 })
  temp = await createTempDirectory()
  process.env['CKVD_NOW'] = NOW
  ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, 'um', {
    lake: temp.lake,
    sources: exchange.sandbox.urls,
    workers: 1,
    maxRetries: 0,
  })
})
afterAll(async () => {
  await ckvd.close()
  await temp[Symbol.asyncDispose]()
  await exchange[Symbol.asyncDispose]()
})

const LENGTHS = { '15m': 0.25, '1h': 1, '4h': 4, '1d': 24 } as const
const interval = fc.constantFrom(...(Object.keys(LENGTHS) as (keyof typeof LENGTHS)[]))
const minutes = fc.integer({ min: 0, max: Math.floor((NOW_MS - FIRST_MS) / 60_000) })
const range = fc
  .tuple(minutes, minutes)
  .filter(([a, b]) => a !== b)
  .map(([a, b]) => ({ startMs: FIRST_MS + Math.min(a, b) * 60_000, endMs: FIRST_MS + Math.max(a, b) * 60_000 }))
const hole = fc.record({
  day: fc.integer({ min: 6, max: 28 }),
  hour: fc.integer({ min: 0, max: 20 }),
  hours: fc.integer({ min: 1, max: 30 }),
  rest: fc.boolean(),
})
const source = fc.constantFrom(DataSource.AUTO, DataSource.AUTO, DataSource.AUTO, DataSource.REST, DataSource.VISION, DataSource.CACHE)
const call = fc.record({ range, source, useCache: fc.boolean() })

function faultsOf(symbol: string, holes: readonly { day: number; hour: number; hours: number; rest: boolean }[]): FaultRule[] {
  return holes.map(({ day, hour, hours, rest }) => {
    const fromMs = FIRST_MS + day * 24 * HOUR_MS + hour * HOUR_MS
    const [from, to] = [fromMs, fromMs + hours * HOUR_MS].map((ms) => new Date(ms).toISOString()) as [string, string]
    return { kind: 'outage', market: 'um', symbol, from, to, rest }
  })
}

/** True where the exchange has had no bar since before today. */
function isSilentToNow(holes: readonly { day: number; hour: number; hours: number; rest: boolean }[]): boolean {
  return holes.some(({ day, hour, hours, rest }) => rest && FIRST_MS + (day * 24 + hour + hours) * HOUR_MS > NOW_MS)
}

test('whatever was asked before, of whatever source: the exchange’s own rows, and a gap for every other slot', async () => {
  const unused = [...SYMBOLS]
  await fc.assert(
    fc.asyncProperty(
      interval,
      fc.array(hole, { maxLength: 3 }),
      fc.array(call, { minLength: 1, maxLength: 4 }),
      async (name, holes, calls) => {
        const symbol = unused.pop() ?? 'NONE'
        exchange.sandbox.setFaults(faultsOf(symbol, holes))
        for (const { range: asked, source: wanted, useCache } of calls) {
          if (wanted === DataSource.CACHE && !useCache) continue
          minute = 1 - minute
          const options = {
            symbol,
            interval: name,
            startTime: asked.startMs,
            endTime: asked.endMs,
            enforceSource: wanted,
            useCache,
            includeSourceInfo: true,
          } as const
          const table = await ckvd.getData(options).catch((error: unknown) => error)
          if (table instanceof CkvdError) {
            // one source alone may lack bars, and a range may end before the series begins; nothing else is a reason
            if (table.code === 'CKVD_UNAVAILABLE') expect(asked.endMs).toBeLessThanOrEqual(Date.parse(`${BORN}T07:00:00Z`))
            else expect([table.code, wanted]).toEqual(['CKVD_PARTIAL', wanted === DataSource.CACHE ? DataSource.CACHE : DataSource.VISION])
            continue
          }
          if (table instanceof Error) throw table
          const { _data_source: _sources, ...values } = valuesOf(table as Parameters<typeof valuesOf>[0])
          const expected = columnsOf(
            await fetchTruth(exchange.sandbox, { market: 'um', symbol, interval: name }, { ...asked, nowMs: NOW_MS }),
          )
          expect(values).toEqual(expected)
          const told = gapsOf(table as Parameters<typeof gapsOf>[0])
          expect([...presentSlots(values['open_time'] as bigint[]), ...gapSlots(told, LENGTHS[name])].sort((a, b) => a - b)).toEqual(
            slotsOf(asked, LENGTHS[name]),
          )
          for (const gap of told) expect(gap.evidence).not.toBe('')
          if (wanted !== DataSource.AUTO) expect(new Set(sourcesOf(table as Parameters<typeof sourcesOf>[0])).size).toBeLessThanOrEqual(1)
          if (wanted === DataSource.AUTO && useCache) {
            // what is over is in the lake now: the same call asks for nothing but the open day
            exchange.sandbox.clearRequests()
            await ckvd.getData(options)
            // but for a day whose bars have not come up to now: they may be published yet
            const again = exchange.requests('archive').filter(({ path }) => !(isSilentToNow(holes) && path.includes(YESTERDAY)))
            expect(again).toEqual([])
          }
        }
      },
    ),
    { numRuns: 40, verbose: 1 },
  )
}, 120_000)

function presentSlots(openTimes: readonly bigint[]): number[] {
  return openTimes.map((time) => Number(time / 1000n))
}

function gapSlots(gaps: readonly { start: number; end: number }[], hours: number): number[] {
  return gaps.flatMap(({ start, end }) => {
    const slots: number[] = []
    for (let ms = start / 1000; ms < end / 1000; ms += hours * HOUR_MS) slots.push(ms)
    return slots
  })
}

/** Every slot that opens in the range and has closed. */
function slotsOf({ startMs, endMs }: { startMs: number; endMs: number }, hours: number): number[] {
  const lengthMs = hours * HOUR_MS
  const slots: number[] = []
  for (let ms = Math.ceil(startMs / lengthMs) * lengthMs; ms < endMs && ms + lengthMs <= NOW_MS; ms += lengthMs) slots.push(ms)
  return slots
}
