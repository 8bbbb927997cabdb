import type { Columns } from '../model/columns.ts'
import type { Gap } from '../model/gaps.ts'
import type { TimeRange } from '../model/series.ts'

export const US_PER_HOUR = 3_600_000_000

/** When rows are due. */
export interface Schedule {
  /** key of the column in which a row says how many hours lie between it and the one before it; 0: it does not say */
  readonly hours: string
  /** hours where no row tells */
  readonly usualHours: number
}

/** The hour that a row is of: its times are a few milliseconds off. */
export function slotOnHour(timeUs: number): number {
  return Math.round(timeUs / US_PER_HOUR) * US_PER_HOUR
}

/**
 * Stretches of a range in which rows were due and none is there, from the hour of the first missing one on. What is due between two rows, or
 * before the first one, the later row's hours say; after the last one its own do. Hours that a row does not say are those of the nearest two
 * rows at hand, the usual ones at most.
 * @param columns in order; rows beside the range are looked at, too: the hours may change at its end
 */
export function findUnscheduled(columns: Columns, range: TimeRange, schedule: Schedule): Gap[] {
  const times = Array.from(columns.openTime, (time) => slotOnHour(Number(time)))
  const lengthAt = lengthsOf(columns, times, schedule)
  const last = times.at(-1)
  const usualUs = schedule.usualHours * US_PER_HOUR
  if (last === undefined) return dueFrom(Math.ceil(range.startUs / usualUs) * usualUs, usualUs, range)
  const gaps = times.flatMap((time, row) => dueBetween(times[row - 1] ?? -Infinity, time, lengthAt(row), range))
  return [...gaps, ...dueFrom(last + lengthAt(times.length - 1), lengthAt(times.length - 1), range)]
}

/** How long before it a row's predecessor is due, by the row's place. */
function lengthsOf(columns: Columns, times: readonly number[], { hours, usualHours }: Schedule): (row: number) => number {
  const apart = times.flatMap((time, row) => (row === 0 ? [] : [time - (times[row - 1] ?? 0)])).filter((length) => length > 0)
  const untoldUs = Math.min(usualHours * US_PER_HOUR, ...apart)
  return (row) => Number(columns[hours]?.[row] ?? 0) * US_PER_HOUR || untoldUs
}

/** What is due in a range after one row and before another, counted back from the latter. */
function dueBetween(afterUs: number, beforeUs: number, lengthUs: number, { startUs, endUs }: TimeRange): Gap[] {
  const most = Math.min(Math.ceil((beforeUs - afterUs) / lengthUs) - 1, Math.floor((beforeUs - startUs) / lengthUs))
  const least = Math.max(1, Math.floor((beforeUs - endUs) / lengthUs) + 1)
  if (most < least) return []
  return [{ startUs: beforeUs - most * lengthUs, endUs: Math.min(beforeUs, endUs), bars: most - least + 1 }]
}

/** What is due in a range at a time and every so long after it. */
function dueFrom(timeUs: number, lengthUs: number, { startUs, endUs }: TimeRange): Gap[] {
  const firstUs = timeUs + Math.max(0, Math.ceil((startUs - timeUs) / lengthUs)) * lengthUs
  const bars = Math.ceil((endUs - firstUs) / lengthUs)
  return bars > 0 ? [{ startUs: firstUs, endUs, bars }] : []
}
