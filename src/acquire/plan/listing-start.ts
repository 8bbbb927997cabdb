import type { DayRow, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { isUnborn, knowsFirst } from './known-beginning.ts'
import type { PlanScope } from './plan-scope.ts'
import { chunksOf, isRetried } from './plan-scope.ts'
import { isFinal, isProblem } from './stored-chunks.ts'

/**
 * The first chunk for which the listing must be read: the first one that is not final.
 * `'beginning'`: unknown, read from the first archive on. `null`: every requested chunk is settled.
 */
export function findListingStart(
  series: Series,
  scope: PlanScope,
  known: SeriesRow | undefined,
  rows: ReadonlyMap<UtcDay, DayRow>,
): UtcDay | 'beginning' | null {
  const born = known?.firstDay ?? null
  const isSure = knowsFirst(known, scope.archives)
  if (scope.start === null && !isSure && !scope.retryFailed) return 'beginning'
  const start = scope.start === null || (born !== null && isSure && !scope.rest && born > scope.start) ? born : scope.start
  if (start === null) return 'beginning'
  if (scope.force || scope.refresh || isRetried(scope, known, rows)) return start
  for (const day of chunksOf(series, start, scope)) {
    const row = rows.get(day)
    if (
      scope.retryFailed
        ? row !== undefined && isProblem(row)
        : row === undefined
          ? !isUnborn(series, day, known, scope)
          : !isFinal(row, series, known)
    )
      return day
  }
  return null
}
