import type { UtcDay } from '../../model/utc-day.ts'
import { addDays, addMonths, dayNumber, firstDayOf, monthOf } from '../../model/utc-day.ts'
import { monthEnd } from '../../sources/vision/vision-url.ts'
import type { ArchiveRef } from '../archive-task.ts'

const DAYS_OF_WEEK = 7

/** The archives that the listing has, by the first day that each covers. */
export interface ListedArchives {
  readonly daily: Pick<ArchivesByDay, 'get'>
  readonly monthly: Pick<ArchivesByDay, 'get'>
}

/** Archives by the first day that each covers. */
export class ArchivesByDay {
  readonly #first: number
  /** by days since the first one: a plan asks for each day of a universe, and a number is found faster than a text */
  readonly #archives: ArchiveRef[] = []

  /** @param archives of days that differ, oldest first */
  constructor(archives: readonly ArchiveRef[]) {
    this.#first = dayNumber(archives[0]?.firstDay ?? '1970-01-01')
    for (const archive of archives) this.#archives[dayNumber(archive.firstDay) - this.#first] = archive
  }

  get(day: UtcDay): ArchiveRef | undefined {
    return this.#archives[dayNumber(day) - this.#first]
  }
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
