import { isMonthChunked } from '../../dataset/chunk.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { FirstForms } from '../../lake/catalog/catalog-rows.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayOfUs, dayStartUs, firstDayOf, latestDay, monthOf, firstOfMonth } from '../../model/utc-day.ts'
import { monthEnd } from '../../sources/vision/vision-url.ts'
import type { ArchiveRef } from '../archive-task.ts'
import type { ListedArchives } from './month-chunks.ts'
import { ArchivesByDay, archivesAroundMonth, archivesOfMonth } from './month-chunks.ts'

/** Which archives are taken. */
export type ArchiveChoice = 'auto' | Packaging

/** What the listing says of a series, as far as it was read. */
export interface SeriesListings {
  readonly daily: readonly ArchiveRef[]
  readonly monthly: readonly ArchiveRef[]
  /** the listing goes on after `end` */
  readonly more: boolean
  /** first day that any archive covers; null: the listing does not know the series */
  readonly firstDay: UtcDay | null
  /** in which forms these archives reach back to the series' first one; null: they may not */
  readonly firstForms: FirstForms | null
}

/** What of a run decides which archives are taken: its range, [start, end), and its choice; `start` null: from the first listed day. */
interface ArchiveScope {
  readonly start: UtcDay | null
  readonly end: UtcDay
  readonly archives: ArchiveChoice
}

const NO_ARCHIVES: readonly ArchiveRef[] = []

/** The archives of a series by the chunk that they serve. */
export class ArchiveMap {
  readonly #scope: ArchiveScope
  readonly #isMonthChunked: boolean
  readonly #preferred: Packaging | undefined
  readonly #listed: ListedArchives
  readonly #listings: SeriesListings
  /** first days of the listed months of which every day was asked for: a plan asks once a chunk */
  readonly #wholeMonths: ReadonlySet<UtcDay>

  constructor(series: Series, scope: ArchiveScope, listings: SeriesListings) {
    this.#scope = scope
    this.#isMonthChunked = isMonthChunked(series)
    this.#preferred = datasetOf(series).preferred
    this.#listings = listings
    this.#listed = {
      daily: new ArchivesByDay(listings.daily),
      monthly: new ArchivesByDay(listings.monthly),
    }
    this.#wholeMonths = new Set(listings.monthly.map(({ firstDay }) => firstDay).filter((first) => holdsMonth(scope, first)))
  }

  daily(day: UtcDay): ArchiveRef | undefined {
    return this.#listed.daily.get(day)
  }

  monthly(day: UtcDay): ArchiveRef | undefined {
    return this.#listings.monthly.length === 0 ? undefined : this.#listed.monthly.get(firstOfMonth(day))
  }

  /** The archive from which a chunk is taken. */
  pick(day: UtcDay): ArchiveRef | undefined {
    if (this.#isMonthChunked) return archivesOfMonth(day, this.#listed)[0]
    const month = this.monthly(day)
    const daily = this.daily(day)
    const { archives } = this.#scope
    if (archives === 'auto' && this.#preferred !== undefined) return this.#preferred === 'daily' ? (daily ?? month) : (month ?? daily)
    switch (archives) {
      case 'daily':
        return daily
      case 'monthly':
        return month
      case 'auto':
        return month !== undefined && (daily === undefined || this.#wholeMonths.has(month.firstDay)) ? month : daily
    }
  }

  /** The other form of an archive, to complete or confirm it. */
  others(archive: ArchiveRef, days: readonly UtcDay[]): readonly ArchiveRef[] {
    if (this.#isMonthChunked) return [...new Set(days.flatMap((day) => this.around(day)))].filter(({ key }) => key !== archive.key)
    if (archive.packaging === 'monthly') return days.map((day) => this.daily(day)).filter((ref) => ref !== undefined)
    const month = this.monthly(archive.firstDay)
    return month === undefined ? NO_ARCHIVES : [month]
  }

  /** Of a month of bars longer than a day: all archives that may have some of it, the preferred ones first. */
  around(month: UtcDay): ArchiveRef[] {
    return archivesAroundMonth(month, this.#listed)
  }

  /** The first day of the last archive that is listed, or of the last one that may be taken. */
  lastStart(of: 'listed' | 'taken'): UtcDay | null {
    const isPassed = of === 'taken' && this.#scope.archives === 'monthly'
    const daily = isPassed ? null : (this.#listings.daily.at(-1)?.firstDay ?? null)
    return latestDay(daily, this.#listings.monthly.at(-1)?.firstDay ?? null)
  }

  /** The last day that an archive covers. */
  lastDay(): UtcDay | null {
    const daily = this.#scope.archives === 'monthly' ? null : (this.#listings.daily.at(-1)?.firstDay ?? null)
    const month = this.#listings.monthly.at(-1)?.firstDay
    return latestDay(daily, month === undefined ? null : dayOfUs(dayStartUs(monthEnd(month)) - 1))
  }
}

/** True when every day of a month was asked for: only then `auto` takes its archive before the daily ones. @param first the month's first day */
function holdsMonth({ start, end }: ArchiveScope, first: UtcDay): boolean {
  return (start === null || start <= first) && monthEnd(first) <= end
}

/** True when the range holds every day of some month at or after `from`: only then monthly archives matter to `auto`. */
export function holdsSomeMonth(scope: ArchiveScope, from: UtcDay | null): boolean {
  if (from === null) return true
  const month = firstDayOf(monthOf(from))
  return holdsMonth(scope, month) || holdsMonth(scope, monthEnd(month))
}
