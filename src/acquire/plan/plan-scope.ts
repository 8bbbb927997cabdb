import type { ArchiveChoice, ArchiveMap } from './archive-choice.ts'
import { chunkClosedUs, isMonthChunked, nextChunk } from '../../dataset/chunk.ts'
import type { DayRow, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayOfUs, firstDayOf, monthOf, US_PER_DAY } from '../../model/utc-day.ts'

/** What a run asks of every series. */
export interface PlanScope {
  /** null: from the first day that the listing has */
  readonly start: UtcDay | null
  /** excluded */
  readonly end: UtcDay
  readonly archives: ArchiveChoice
  /** REST may be asked */
  readonly rest: boolean
  /** compare all days of monthly archives with the daily ones, not only a sample */
  readonly crossCheck: boolean
  /** plan every chunk, stored or not */
  readonly force: boolean
  /** compare every stored chunk with the listing, and take what was published anew */
  readonly refresh: boolean
  /** plan only chunks that are unexplained */
  readonly retryFailed: boolean
  readonly nowUs: number
}

/** What a series is planned from. */
export interface PlanFacts {
  readonly series: Series
  readonly scope: PlanScope
  /** what the listing has */
  readonly archives: ArchiveMap
  /** what is stored */
  readonly rows: ReadonlyMap<UtcDay, DayRow>
  /** what the catalog knows of the series' life */
  readonly known: SeriesRow | undefined
}

/** More than a month and the longest bar that may open on its last day. */
const LONGEST_CHUNK_DAYS = 63

/** The requested chunks that have closed, from that of `start` on, in order. */
export function* chunksOf(series: Series, start: UtcDay, { end, nowUs }: Pick<PlanScope, 'end' | 'nowUs'>): Generator<UtcDay> {
  // a month and the bar at its end are over long before; only what is younger is asked for its end
  const sure = dayOfUs(nowUs - LONGEST_CHUNK_DAYS * US_PER_DAY)
  for (let day = isMonthChunked(series) ? firstDayOf(monthOf(start)) : start; day < end; day = nextChunk(day, series)) {
    if (day >= sure && chunkClosedUs(day, series) > nowUs) return
    yield day
  }
}

/** A series whose listing failed is what `--retry-failed` plans whole. */
export function isRetried(scope: PlanScope, known: SeriesRow | undefined, rows: ReadonlyMap<UtcDay, DayRow>): boolean {
  return scope.retryFailed && (known === undefined ? rows.size === 0 : known.listedAt === null)
}
