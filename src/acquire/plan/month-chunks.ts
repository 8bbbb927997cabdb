import type { UtcDay } from '../../model/utc-day.ts'
import { addDays, addMonths, firstDayOf, monthOf } from '../../model/utc-day.ts'
import { monthEnd } from '../../sources/vision/vision-url.ts'
import type { ArchiveRef } from '../archive-task.ts'

const DAYS_OF_WEEK = 7

/** The archives that the listing has, by the first day that each covers. */
export interface ListedArchives {
  readonly daily: ReadonlyMap<UtcDay, ArchiveRef>
  readonly monthly: ReadonlyMap<UtcDay, ArchiveRef>
}

/**
 * The archives that may hold bars of `3d`, `1w` or `1M` which open in a month, the preferred ones first: that of the month; those of its
 * days, which some futures have instead; that of the month after, in which a week that opens on the last Monday may stand.
 */
export function archivesOfMonth(month: UtcDay, { daily, monthly }: ListedArchives): ArchiveRef[] {
  const found = [monthly.get(month)]
  const end = monthEnd(month)
  for (let day = month; day < end; day = addDays(day, 1)) found.push(daily.get(day))
  found.push(monthly.get(end))
  return found.filter((ref) => ref !== undefined)
}

/**
 * Those, and others that are looked into only when a month that has an archive falls short: of the days after it in which its last bar
 * closes, and of the month before.
 */
export function archivesAroundMonth(month: UtcDay, listed: ListedArchives): ArchiveRef[] {
  const end = monthEnd(month)
  const after = Array.from({ length: DAYS_OF_WEEK }, (_none, i) => listed.daily.get(addDays(end, i)))
  const before = listed.monthly.get(firstDayOf(addMonths(monthOf(month), -1)))
  return [...archivesOfMonth(month, listed), ...[...after, before].filter((ref) => ref !== undefined)]
}
