import type { UtcDay } from '../model/utc-day.ts'
import { addDays, countDays } from '../model/utc-day.ts'

/** Days in a row: `start` included, `end` excluded. */
export interface DayRange {
  readonly start: UtcDay
  readonly end: UtcDay
}

/** Merges ranges, given in order of their start, into as few as possible. */
export function mergeRanges(ranges: Iterable<DayRange>): DayRange[] {
  const merged: { start: UtcDay; end: UtcDay }[] = []
  for (const { start, end } of ranges) {
    const last = merged.at(-1)
    if (last === undefined || start > last.end) merged.push({ start, end })
    else if (end > last.end) last.end = end
  }
  return merged
}

/** The part of ranges that lies before `end`. */
export function cutRanges(ranges: readonly DayRange[], end: UtcDay): DayRange[] {
  return ranges.filter((range) => range.start < end).map((range) => ({ start: range.start, end: range.end < end ? range.end : end }))
}

/** What lies between ranges that are merged. */
export function findHoles(ranges: readonly DayRange[]): DayRange[] {
  return ranges.slice(1).map((range, i) => ({ start: (ranges[i] as DayRange).end, end: range.start }))
}

/** How many days ranges hold that do not overlap. */
export function sumDays(ranges: readonly DayRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + countDays(start, end), 0)
}

/** The last day of ranges that are in order. */
export function lastDay(ranges: readonly DayRange[]): UtcDay | null {
  const last = ranges.at(-1)
  return last === undefined ? null : addDays(last.end, -1)
}
