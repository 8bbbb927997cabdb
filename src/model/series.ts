import type { Grid, Interval, Phase } from './interval.ts'
import { gridOf, phaseOf } from './interval.ts'
import type { Market, RestMarket } from './market.ts'

/** One market, data set, symbol and interval. */
export interface Series {
  /** as Vision calls it; absent: `klines` */
  readonly dataset?: string | undefined
  /** `spot`, `um`, `cm` or `option` */
  readonly market: Market
  /** as the exchange writes it: `BTCUSDT`, `BTCUSD_PERP` */
  readonly symbol: string
  /** `1s` to `1M`; where a data set has no intervals, the grid on which its times are told */
  readonly interval: Interval
  /** of `3d`: the phase on which all bars known so far agree; null or absent: the usual one */
  readonly phase?: Phase | null | undefined
}

/** A series that REST can be asked about. */
export interface RestSeries extends Series {
  readonly market: RestMarket
}

/** Half-open range of times in microseconds: start included, end excluded. */
export interface TimeRange {
  readonly startUs: number
  readonly endUs: number
}

/** How Vision packs a series: an archive a day or an archive a month. */
export type Packaging = 'daily' | 'monthly'

/**
 * The grid of some bars of a series, such as those of an archive or a chunk: their own where they agree on one, so that what is made of
 * them depends on them alone, and the series' where there is none.
 */
export function gridOfBars(series: Pick<Series, 'interval' | 'phase'>, openTimes: BigInt64Array): Grid {
  if (series.interval !== '3d') return series.interval
  return gridOf({ interval: '3d', phase: phaseOf(openTimes) ?? series.phase })
}
