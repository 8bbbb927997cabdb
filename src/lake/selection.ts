import type { OfDataset } from '../dataset/registry.ts'
import { datasetNames, datasetOf } from '../dataset/registry.ts'
import type { ToldSeries } from '../dataset/told.ts'
import { toldInterval } from '../dataset/told.ts'
import type { Interval } from '../model/interval.ts'
import { INTERVALS } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { MARKETS } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { LedgerReader } from './ledger.ts'

/** What a filter lets through that names no data set. */
const KLINES_ALONE: readonly string[] = ['klines']

/** A part of a lake. What is left out filters nothing; days are half-open. */
export interface LakeFilter {
  /** names of data sets; absent: klines alone; `all`: whatever there is */
  readonly datasets?: readonly string[] | 'all' | undefined
  readonly market?: Market
  readonly symbols?: readonly string[]
  readonly intervals?: readonly Interval[] | 'all'
  readonly start?: UtcDay
  readonly end?: UtcDay
}

/** Series of a lake that a filter lets through, in the order of market, symbol, data set, interval. */
export function listSelectedSeries(catalog: LedgerReader, filter: LakeFilter): Series[] {
  const seen = new Map<string, Series>()
  for (const { dataset, market, symbol, interval } of [...catalog.listSeries(), ...catalog.listStoredSeries()])
    if (isOfDatasets(filter, { dataset }))
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
        (filter.intervals === undefined || filter.intervals === 'all' || isOfInterval({ dataset, interval }, filter, filter.intervals)),
    )
    .sort(
      (a, b) =>
        MARKETS.indexOf(a.market) - MARKETS.indexOf(b.market) ||
        (a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : placeOf(a) - placeOf(b)) ||
        INTERVALS.indexOf(a.interval) - INTERVALS.indexOf(b.interval),
    )
}

/** True where a filter lets a data set through. */
export function isOfDatasets({ datasets = KLINES_ALONE }: LakeFilter, of: OfDataset): boolean {
  return datasets === 'all' || datasets.includes(datasetOf(of).name)
}

/** The place of a data set among all. */
function placeOf(of: OfDataset): number {
  return datasetNames().indexOf(datasetOf(of).name)
}

/** A data set without intervals is chosen by its name alone. */
export function isOfInterval(
  series: Pick<Series, 'dataset' | 'interval'>,
  { datasets }: Pick<LakeFilter, 'datasets'>,
  intervals: readonly string[],
): boolean {
  const interval = toldInterval(series)
  return interval === null ? datasets !== 'all' && (datasets?.includes(datasetOf(series).name) ?? false) : intervals.includes(interval)
}

/** Symbols and intervals that a filter names and none of the series has. */
export function listAbsent(
  { datasets = KLINES_ALONE, symbols = [], intervals = 'all' }: LakeFilter,
  found: readonly ToldSeries[],
): string[] {
  const isByInterval = datasets === 'all' || datasets.some((dataset) => datasetOf({ dataset }).hasInterval)
  return [
    ...symbols.filter((name) => found.every(({ symbol }) => symbol !== name)),
    ...(intervals === 'all' || !isByInterval ? [] : intervals.filter((name) => found.every((series) => toldInterval(series) !== name))),
  ]
}
