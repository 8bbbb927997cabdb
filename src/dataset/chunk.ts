import { gridOf, isLongerThanDay, nextSlotUs, slotStartUs } from '../model/interval.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { addDays, addMonths, dayOfUs, dayStartUs, firstDayOf, monthOf, nextMonth, US_PER_DAY } from '../model/utc-day.ts'
import type { OfDataset } from './registry.ts'
import { datasetOf } from './registry.ts'

/** What of a series decides how it is cut into chunks, and what must be in them. */
export type Chunked = Pick<Series, 'dataset' | 'interval' | 'phase'> & OfDataset

/** True where a chunk is a month; else it is a day. */
export function isMonthChunked(series: Chunked): boolean {
  const { chunking } = datasetOf(series)
  return chunking === 'interval' ? isLongerThanDay(series.interval) : chunking === 'month'
}

/** The period that names a chunk's file: the day, or the month. */
export function chunkPeriod(day: UtcDay, series: Chunked): string {
  return isMonthChunked(series) ? monthOf(day) : day
}

/** The chunk of a series into which a time falls. */
export function chunkOfUs(timeUs: number, series: Chunked): UtcDay {
  const day = dayOfUs(timeUs)
  return isMonthChunked(series) ? firstDayOf(monthOf(day)) : day
}

/** The chunk after `day`. */
export function nextChunk(day: UtcDay, series: Chunked): UtcDay {
  return isMonthChunked(series) ? firstDayOf(addMonths(monthOf(day), 1)) : addDays(day, 1)
}

/** The chunk before `day`. */
export function previousChunk(day: UtcDay, series: Chunked): UtcDay {
  return isMonthChunked(series) ? firstDayOf(addMonths(monthOf(day), -1)) : addDays(day, -1)
}

/** First microsecond after the chunk named `day`. */
export function chunkEndUs(day: UtcDay, series: Chunked): number {
  const start = dayStartUs(day)
  return isMonthChunked(series) ? nextMonth(start) : start + US_PER_DAY
}

/** The range of times that a chunk holds. */
export function chunkRange(day: UtcDay, series: Chunked): TimeRange {
  return { startUs: dayStartUs(day), endUs: chunkEndUs(day, series) }
}

/** When the last row of the chunk has closed, in microseconds: a week that opens in January may close in February. */
export function chunkClosedUs(day: UtcDay, series: Chunked): number {
  const grid = gridOf(series)
  return nextSlotUs(slotStartUs(chunkEndUs(day, series) - 1, grid), grid)
}

/** Splits chunks in order into runs without a hole between them. */
export function consecutive(days: readonly UtcDay[], series: Chunked): UtcDay[][] {
  const runs: UtcDay[][] = []
  for (const day of days) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (run !== undefined && last !== undefined && nextChunk(last, series) === day) run.push(day)
    else runs.push([day])
  }
  return runs
}
