import { datasetOf, findDataset } from '../dataset/registry.ts'
import type { Interval } from '../model/interval.ts'
import { INTERVALS } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { MARKETS } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { LedgerReader } from './ledger.ts'

/** A part of a lake. What is left out filters nothing; days are half-open. */
export interface LakeFilter {
  /** absent: klines alone; `all`: whatever there is */
  readonly dataset?: string | undefined
  readonly market?: Market
  readonly symbols?: readonly string[]
  readonly intervals?: readonly Interval[] | 'all'
  readonly start?: UtcDay
  readonly end?: UtcDay
}

/** Series of a lake that a filter lets through, in the order of market, symbol, interval. */
export function listSelectedSeries(catalog: LedgerReader, filter: LakeFilter): Series[] {
  const seen = new Map<string, Series>()
  for (const { dataset, market, symbol, interval } of [...catalog.listSeries(), ...catalog.listStoredSeries()])
    if (filter.dataset === 'all' || filter.dataset === dataset)
      seen.set(`${dataset ?? ''}/${market}/${symbol}/${interval}`, {
        ...(dataset === undefined ? {} : { dataset }),
        market,
        symbol,
        interval,
      })
  return [...seen.values()]
    .filter(
      ({ dataset, market, symbol, interval }) =>
        (filter.market === undefined || market === filter.market) &&
        (filter.symbols === undefined || filter.symbols.includes(symbol)) &&
        (filter.intervals === undefined || filter.intervals === 'all' || isOfInterval(dataset, interval, filter, filter.intervals)),
    )
    .sort(
      (a, b) =>
        MARKETS.indexOf(a.market) - MARKETS.indexOf(b.market) ||
        (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : INTERVALS.indexOf(a.interval) - INTERVALS.indexOf(b.interval)),
    )
}

/** A data set without intervals is chosen by its name alone. */
function isOfInterval(dataset: string | undefined, interval: Interval, filter: LakeFilter, intervals: readonly Interval[]): boolean {
  return datasetOf({ dataset }).hasInterval ? intervals.includes(interval) : filter.dataset === dataset
}

/** Symbols and intervals that a filter names and none of the series has. */
export function listAbsent({ dataset, symbols = [], intervals = 'all' }: LakeFilter, found: readonly Series[]): string[] {
  return [
    ...symbols.filter((name) => found.every(({ symbol }) => symbol !== name)),
    ...(intervals === 'all' || !hasIntervals(dataset) ? [] : intervals.filter((name) => found.every(({ interval }) => interval !== name))),
  ]
}

/** `all` are those of klines, too. */
function hasIntervals(dataset: string | undefined): boolean {
  return findDataset(dataset)?.hasInterval ?? true
}
