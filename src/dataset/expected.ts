import type { Columns } from '../model/columns.ts'
import type { Gap } from '../model/gaps.ts'
import { findGaps } from '../model/gaps.ts'
import { countSlots, gridOf, slotStartUs } from '../model/interval.ts'
import { countOffGrid } from '../model/off-grid.ts'
import type { Series, TimeRange } from '../model/series.ts'
import { gridOfBars } from '../model/series.ts'
import type { Chunked } from './chunk.ts'

/*
 * What must be there, by the completeness of a data set. The only place that asks for it: whoever wants to know what is missing, how much
 * is expected, or which rows are the same one, asks here.
 */

/** What is missing of a series in a range, given all rows that are there, in order. */
export function findMissing(series: Chunked, { openTime }: Columns, range: TimeRange): Gap[] {
  return findGaps(openTime, range, gridOfBars(series, openTime))
}

/** How many rows are expected in a range in which these are there, in order. */
export function countExpected(series: Chunked, { openTime }: Columns, range: TimeRange): number {
  return countSlots(range.startUs, range.endUs, gridOfBars(series, openTime))
}

/** How many rows are expected in a range of which nothing is known. */
export function countExpectedOfNone(series: Chunked, range: TimeRange): number {
  return countSlots(range.startUs, range.endUs, gridOf(series))
}

/** How many rows have a time at which none is expected. */
export function countOff(series: Chunked, { openTime }: Columns): number {
  return countOffGrid(openTime, gridOfBars(series, openTime))
}

/** The slot that a row fills, by its time: two rows that fill one are the same row. `openTimes` are those of the rows at hand. */
export function slotsOf(series: Series, openTimes: BigInt64Array): (timeUs: number) => number {
  const grid = gridOfBars(series, openTimes)
  return (timeUs) => slotStartUs(timeUs, grid)
}
