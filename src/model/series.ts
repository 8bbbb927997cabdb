import type { Grid, Interval, Phase } from './interval.ts'
import { chunkEndUs, gridOf, intervalPathName, isMonthChunked, phaseOf } from './interval.ts'
import type { Market } from './market.ts'
import type { UtcDay } from './utc-day.ts'
import { addDays, addMonths, dayOfUs, dayStartUs, firstDayOf, monthOf } from './utc-day.ts'

/** One market, symbol and interval. */
export interface Series {
  /** `spot`, `um` or `cm` */
  readonly market: Market
  /** as the exchange writes it: `BTCUSDT`, `BTCUSD_PERP` */
  readonly symbol: string
  /** `1s` to `1M` */
  readonly interval: Interval
  /** of `3d`: the phase on which all bars known so far agree; null or absent: the usual one */
  readonly phase?: Phase | null | undefined
}

/** Half-open range of times in microseconds: start included, end excluded. */
export interface TimeRange {
  readonly startUs: number
  readonly endUs: number
}

/** How Vision packs a series: an archive a day or an archive a month. */
export type Packaging = 'daily' | 'monthly'

/** Folder of a market below `data/` in the bucket and in the lake. */
const MARKET_FOLDER: Readonly<Record<Market, string>> = { spot: 'spot', um: 'futures/um', cm: 'futures/cm' }

/** `spot BTCUSDT 1m`: a series in messages. */
export function seriesLabel(series: Series): string {
  return `${series.market} ${series.symbol} ${series.interval}`
}

/**
 * The grid of some bars of a series, such as those of an archive or a chunk: their own where they agree on one, so that what is made of
 * them depends on them alone, and the series' where there is none.
 */
export function gridOfBars(series: Pick<Series, 'interval' | 'phase'>, openTimes: BigInt64Array): Grid {
  if (series.interval !== '3d') return series.interval
  return gridOf({ interval: '3d', phase: phaseOf(openTimes) ?? series.phase })
}

/** Prefix below which Vision keeps the archives of a series and the lake its shards; `/` separated, with a final `/`. */
export function seriesFolder(series: Series, packaging: Packaging): string {
  const interval = intervalPathName(series.interval)
  return `data/${MARKET_FOLDER[series.market]}/${packaging}/klines/${series.symbol}/${interval}/`
}

/** Prefix below which Vision keeps the funding rates of a contract, an archive a month, and the lake their files; with a final `/`. */
export function fundingFolder(market: Exclude<Market, 'spot'>, symbol: string): string {
  return `data/${MARKET_FOLDER[market]}/monthly/fundingRate/${symbol}/`
}

/** File name, without its ending, of a month of funding rates: `BTCUSDT-fundingRate-2026-04`. */
export function fundingStem(symbol: string, month: string): string {
  return `${symbol}-fundingRate-${month}`
}

/** File name, without its ending, of an archive or shard: `BTCUSDT-1m-2024-01-01`. `period` is a day or a month. */
export function periodStem(series: Series, period: string): string {
  return `${series.symbol}-${intervalPathName(series.interval)}-${period}`
}

/** The period that names a chunk's file: the day, or the month for `3d`, `1w` and `1M`. */
export function chunkPeriod(day: UtcDay, interval: Interval): string {
  return isMonthChunked(interval) ? monthOf(day) : day
}

/** The chunk of a series into which a time falls. */
export function chunkOfUs(timeUs: number, interval: Interval): UtcDay {
  const day = dayOfUs(timeUs)
  return isMonthChunked(interval) ? firstDayOf(monthOf(day)) : day
}

/** The chunk after `day`. */
export function nextChunk(day: UtcDay, interval: Interval): UtcDay {
  return isMonthChunked(interval) ? firstDayOf(addMonths(monthOf(day), 1)) : addDays(day, 1)
}

/** The chunk before `day`. */
export function previousChunk(day: UtcDay, interval: Interval): UtcDay {
  return isMonthChunked(interval) ? firstDayOf(addMonths(monthOf(day), -1)) : addDays(day, -1)
}

/** The range of open times that a chunk holds. */
export function chunkRange(day: UtcDay, interval: Interval): TimeRange {
  return { startUs: dayStartUs(day), endUs: chunkEndUs(day, interval) }
}
