import type { KlineColumns } from '../../../src/model/kline.ts'
import { sliceColumns } from '../../../src/model/columns.ts'
import { createColumns } from '../../../src/model/kline.ts'
import type { Series } from '../../../src/model/series.ts'
import type { ExchangeInfo } from '../../../src/sources/rest/exchange-info.ts'
import type { FirstBar } from '../../../src/sources/rest/rest-first-bar.ts'
import type { StretchAsk, StretchRows } from '../../../src/sources/rest/rest-walk.ts'
import type { RestSource } from '../../../src/sources/rest/rest.ts'

export const HOURS: Series = { market: 'spot', symbol: 'AAAUSDT', interval: '1h' }
export const HOUR_US = 3_600_000_000

export function at(iso: string): number {
  return Date.parse(iso) * 1000
}

/** One-hour bars that open at the given times; `volume` tells versions apart. */
export function barsAt(openTimesUs: readonly number[], volume = 10): KlineColumns {
  const columns = createColumns(openTimesUs.length)
  for (const [row, openUs] of openTimesUs.entries()) {
    columns.openTime[row] = BigInt(openUs)
    columns.closeTime[row] = BigInt(openUs + HOUR_US - 1000)
    columns.open[row] = columns.high[row] = columns.low[row] = columns.close[row] = 100
    columns.volume[row] = volume
  }
  return columns
}

/** The hours of a day, `count` of them from `first` on. */
export function hoursOf(day: string, first = 0, count = 24): number[] {
  return Array.from({ length: count }, (_, i) => at(`${day}T00:00:00Z`) + (first + i) * HOUR_US)
}

export function opensOf(columns: Pick<KlineColumns, 'openTime'>): number[] {
  return Array.from(columns.openTime, Number)
}

/** Each row with the next one, as an answer that holds them all has them. */
export function linksOf(times: readonly number[]): Map<number, Set<number>> {
  return new Map(times.map((time, i) => [time, new Set(times.slice(i + 1, i + 2))]))
}

/** An exchange that says of itself that it is today's and trades BTCUSDT and some other symbols. */
export function infoOf(...trading: readonly string[]): ExchangeInfo {
  const symbols = new Set(['BTCUSDT', ...trading])
  return { serverTimeMs: Date.now(), trading: symbols }
}

/** REST in memory, by the contract of its interface; `asked` gathers what came. */
export interface BarsOfRest extends RestSource {
  readonly asked: StretchAsk[]
  readonly firstAsked: { readonly interval: Series['interval']; readonly heldUs: number | null }[]
  infoAsked: number
}

/**
 * A source that holds hours and answers a stretch with the bar before it, its own and the bar after it.
 * @param trading what `exchangeInfo` says: symbols that trade, or an error
 * @param first its answer to "the first bar of all", or an error; by default its first row
 */
export function restOf(
  times: readonly number[],
  options: { readonly trading?: ExchangeInfo | Error; readonly first?: FirstBar | Error; readonly nowUs?: number } = {},
): BarsOfRest {
  const { trading = infoOf(), first = times[0] ?? 'unproved', nowUs = Infinity } = options
  const give = <T>(value: T | Error): Promise<T> => (value instanceof Error ? Promise.reject(value) : Promise.resolve(value))
  const source: BarsOfRest = {
    asked: [],
    firstAsked: [],
    infoAsked: 0,
    fetchStretch: (_series, ask) => {
      source.asked.push(ask)
      return Promise.resolve(stretchOf(times, ask, nowUs))
    },
    fetchIds: () => Promise.reject(new Error('bars have no ids')),
    fetchFirstBar: ({ interval }, heldUs) => {
      source.firstAsked.push({ interval, heldUs })
      return give(first)
    },
    fetchExchangeInfo: () => {
      source.infoAsked++
      return give(trading)
    },
  }
  return source
}

function stretchOf(times: readonly number[], { startUs, endUs, beforeUs }: StretchAsk, nowUs: number): StretchRows {
  const before = times.findLastIndex((time) => (beforeUs === null ? time < startUs : time <= beforeUs))
  const after = times.findIndex((time) => time >= endUs)
  const seen = times.slice(Math.max(0, before), after < 0 ? undefined : after + 1)
  const closed = seen.filter((time) => time + HOUR_US <= nowUs)
  return {
    rows: sliceColumns(barsAt(closed), 0, closed.length),
    seen,
    links: linksOf(seen),
    silentAfterUs: after < 0 ? (seen.at(-1) ?? null) : null,
  }
}

/** A source that refuses whatever is asked. */
export function refusing(error: Error): RestSource {
  const refuse = (): Promise<never> => Promise.reject(error)
  return { fetchStretch: refuse, fetchIds: refuse, fetchFirstBar: refuse, fetchExchangeInfo: refuse }
}
