import type { SeriesListings } from './archive-choice.ts'
import { ArchiveMap } from './archive-choice.ts'
import { Draft } from './draft.ts'
import { joinForms } from './known-beginning.ts'
import type { PlanScope } from './plan-scope.ts'
import { chunksOf, isRetried } from './plan-scope.ts'
import type { SeriesPlan } from './series-plan.ts'
import { isLead, isProblem } from './stored-chunks.ts'
import { chunkEndUs, chunkOfUs } from '../../dataset/chunk.ts'
import type { DayRow, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs, earliestDay, latestDay } from '../../model/utc-day.ts'

/**
 * Decides for every requested chunk of a series: stored, to fetch (and from which archive), without archive, or unlisted.
 * Which archives are taken depends on listing and range alone, never on what is stored. No chunk is planned twice.
 */
export function planSeries(
  series: Series,
  scope: PlanScope,
  listings: SeriesListings,
  known: SeriesRow | undefined,
  rows: ReadonlyMap<UtcDay, DayRow>,
  lastStored: UtcDay | null = null,
): SeriesPlan {
  const archives = new ArchiveMap(series, scope, listings)
  const born = earliestDay(known?.firstDay ?? null, listings.firstDay)
  // of a series that the listing does not know an earlier run has learnt where it begins
  const firstKnown = known?.firstOpenUs == null ? null : chunkOfUs(known.firstOpenUs, series)
  const start = scope.start ?? born ?? firstKnown
  const lastDay = latestDay(archives.lastDay(), known?.lastDay ?? null)
  const lastBefore = latestDay(latestDay(archives.lastStart('taken'), known?.lastDay ?? null), lastStored)
  const draft = new Draft({ series, scope, archives, rows, known })
  if (start !== null) {
    for (const day of chunksOf(series, start, scope)) {
      const row = rows.get(day)
      if (scope.retryFailed && !isRetried(scope, known, rows) && (row === undefined || !isProblem(row))) {
        if (row === undefined) continue
        draft.keep(day, row)
      } else if (born !== null && day < born && isLead(row, scope) && chunkEndUs(day, series) <= dayStartUs(born)) draft.placeLead(day)
      else draft.place(day, row, lastBefore !== null && day <= lastBefore)
    }
  }
  const isLooked = !scope.retryFailed || isRetried(scope, known, rows)
  const firstForms = joinForms(known?.firstForms ?? null, isLooked ? listings.firstForms : null)
  return draft.finish({ firstDay: born, firstForms, lastDay, more: listings.more, lastStored })
}
