import type { Series } from '../model/series.ts'
import type { Market, RestMarket } from '../model/market.ts'
import type { KnownSymbol } from './exchange-info.ts'

/** Folder of a market in the bucket, below `data/`. */
export const MARKET_FOLDERS: Readonly<Record<Market, string>> = { spot: 'spot', um: 'futures/um', cm: 'futures/cm', option: 'option' }

/** An object of the bucket, as its listing shows it. */
export interface BucketEntry {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedMs: number
  /** 32 hex digits; of a real file its MD5 */
  etag(): string | Promise<string>
}

/** A request for klines after all rules of the exchange were applied to it. Times in milliseconds, both included. */
export interface KlinesQuery {
  readonly series: Series
  readonly startMs: number
  readonly endMs: number
  readonly limit: number
  /** from which end rows are taken when there are more than `limit` */
  readonly nearest: 'start' | 'end'
}

/** A request for trades or aggregates after all rules of the exchange were applied to it. Times in milliseconds, both included. */
export interface TicksQuery {
  readonly dataset: 'aggTrades' | 'trades'
  readonly market: RestMarket
  readonly symbol: string
  /** where rows begin: an id, or a time; with neither the latest ones */
  readonly fromId: number | undefined
  readonly startMs: number | undefined
  readonly endMs: number
  /** what is older is not told */
  readonly sinceMs: number
  readonly limit: number
  /** times are told in microseconds */
  readonly isFine: boolean
}

/** A funding rate: when it was settled, in milliseconds, and the rate as it is written. */
export type FundingRate = readonly [ms: number, rate: string]

/** The statistics of a futures contract in five minutes. */
export interface MetricsRow {
  /** the start of them, milliseconds */
  readonly openMs: number
  readonly openInterest: string
  readonly openInterestValue: string
  /** top traders by accounts and by positions, all by accounts; NaN: not told */
  readonly ratios: readonly number[]
  readonly takerRatio: number
}

/** What the server serves: real archives or synthetic ones. */
export interface Exchange {
  /** The objects whose keys are `key` or come after it in byte order, in that order. */
  entriesFrom(key: string): Iterable<BucketEntry>
  find(key: string): BucketEntry | undefined
  /** The bytes of an object; undefined where there is none. */
  read(key: string): Promise<Buffer | undefined>
  /** whether bars of the symbol can be asked */
  hasSymbol(series: Omit<Series, 'interval'>): boolean
  /** What `exchangeInfo` names at `nowMs`. */
  symbolsOf(market: RestMarket, nowMs: number): KnownSymbol[]
  /** The body of a klines answer. */
  klines(query: KlinesQuery): Promise<Buffer>
  /** All funding rates of a contract so far, in order; undefined where it has none. */
  rates(market: RestMarket, symbol: string, nowMs: number): Promise<readonly FundingRate[] | undefined>
  /** The statistics of a contract in a range of times, in order. */
  statistics(query: KlinesQuery): Promise<readonly MetricsRow[]>
  /** The body of an answer about trades; undefined where it begins with what is too old. Absent: nobody can be asked. */
  ticks?(query: TicksQuery): Promise<Buffer | undefined>
}

/** Compares keys as S3 does, by the bytes of their UTF-8, without making them: only surrogates sort differently in UTF-16. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

/** Index of the first item that is not before `key`. */
export function lowerBound(count: number, keyAt: (index: number) => string, key: string): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(keyAt(middle), key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
