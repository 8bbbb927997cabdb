import { chunkEndUs, chunkOfUs } from '../../dataset/chunk.ts'
import { countExpectedOfNone, saysCut, tellsCuts } from '../../dataset/expected.ts'
import type { DayRow, FirstForms, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs, firstDayOf, monthOf, nextMonth } from '../../model/utc-day.ts'
import { expectedRange } from '../day.ts'
import type { ArchiveChoice } from './archive-choice.ts'

/*
 * What the catalog knows of a series' beginning when it is planned: in which forms of archives an earlier run has looked for it, which
 * chunks lie before it, and which were cut at one that is not known to hold.
 */

/**
 * True when an earlier run has looked for the series' beginning in all the archives that may be taken. A listing that was read from a late
 * start on, or in another form, tells of days and not of the first one.
 */
export function knowsFirst(known: SeriesRow | undefined, archives: ArchiveChoice): boolean {
  return known?.firstDay != null && (known.firstForms === 'both' || known.firstForms === archives)
}

/** True when the whole chunk lies before the series' first bar, as far as that is known. */
export function isUnborn(
  series: Series,
  day: UtcDay,
  known: SeriesRow | undefined,
  { archives }: { readonly archives: ArchiveChoice },
): boolean {
  if (known === undefined) return false
  const isTold = known.firstSource === 'archives' || (known.firstSource === 'rest' && !isToldTooLate(series, known))
  const toldUs = isTold || knowsFirst(known, archives) ? known.firstOpenUs : null
  const first = toldUs ?? (known.firstDay !== null && knowsFirst(known, archives) ? dayStartUs(known.firstDay) : null)
  return first !== null && chunkEndUs(day, series) <= first
}

/** True where REST's first bar opens after the first listed archive is over: that archive knows better. */
function isToldTooLate(series: Series, { firstOpenUs, firstDay }: SeriesRow): boolean {
  return firstOpenUs !== null && firstDay !== null && firstArchiveEndUs(series, firstDay) <= firstOpenUs
}

/** When all is over that the first listed archive may cover, us: of one that begins with a month, that month. */
export function firstArchiveEndUs(series: Series, firstDay: UtcDay): number {
  const startUs = dayStartUs(firstDay)
  return firstDay === firstDayOf(monthOf(firstDay)) ? nextMonth(startUs) : chunkEndUs(chunkOfUs(startUs, series), series)
}

/** Forms in which two runs together have looked for a beginning. */
export function joinForms(a: FirstForms | null, b: FirstForms | null): FirstForms | null {
  return a === 'both' || b === 'both' ? 'both' : (a ?? b)
}

/**
 * True when a stored chunk expects fewer bars than it has slots, and what is known of the series' life does not say so. What an archive
 * alone told of the beginning, or an older version remembered, is no such knowledge.
 */
export function isCut(row: DayRow, series: Series, known: SeriesRow | undefined): boolean {
  if (row.shardSha256 === null || !tellsCuts(series)) return false
  const own = { ...series, phase: known?.phase }
  const count = (bounds: { startUs: number | null; endUs: number | null }): number => {
    const range = expectedRange(own, row.day, bounds)
    return countExpectedOfNone(own, range)
  }
  const whole = count({ startUs: null, endUs: null })
  if (row.expected >= whole) return false
  const startUs = known?.firstSource === 'rest' || known?.firstSource === 'archives' ? known.firstOpenUs : null
  return !saysCut(series, row.expected, { told: count({ startUs, endUs: known?.endedUs ?? null }), whole })
}
