import type { ShardMeta } from '../codec/arrow.ts'
import type { DayRow } from '../lake/catalog-rows.ts'
import { isAccepted } from '../lake/catalog-rows.ts'
import { findGaps } from '../model/gaps.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import { chunkRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { AcquireContext } from './archive-task.ts'
import type { AcquiredDay, SeriesBounds } from './reconcile.ts'
import { buildDay, expectedRange, mergeRows, rowsWithin } from './reconcile.ts'
import { askRest, explainGap } from './stretch.ts'

/** A stored chunk with missing bars. */
export interface StoredChunk {
  readonly day: UtcDay
  readonly columns: KlineColumns
  readonly meta: ShardMeta
  readonly row: DayRow
}

/** Asks REST for the holes of a stored chunk: what a run without REST, or with an unreachable one, had to leave. */
export async function repairDay(
  series: Series,
  stored: StoredChunk,
  bounds: SeriesBounds,
  ctx: Pick<AcquireContext, 'rest' | 'signal'>,
): Promise<AcquiredDay> {
  const { day, meta, row } = stored
  const gaps = findGaps(stored.columns.openTime, expectedRange(series, day, bounds), series.interval)
  const answer = await askRest(series, gaps, ctx.rest, ctx.signal)
  const merge = mergeRows(
    stored.columns,
    answer.kind === 'asked' ? rowsWithin(answer.rows, chunkRange(day, series.interval)) : stored.columns,
    series,
  )
  const sources = meta.source.split('+')
  if (answer.kind === 'asked' && merge.added > 0 && !sources.includes('rest')) sources.push('rest')
  return buildDay({
    series,
    day,
    columns: merge.columns,
    bounds,
    sources,
    archive: meta.archiveKey === null ? null : { key: meta.archiveKey, etag: meta.archiveEtag ?? '', sha256: meta.archiveSha256 },
    duplicates: meta.duplicates,
    conflicts: row.conflicts,
    differing: merge.differing,
    restStretches: answer.kind === 'asked' ? gaps : [],
    evidence: withoutAcceptance(row),
    error: null,
    explain: (gap) => explainGap(gap, answer, series),
  })
}

/** A person accepted the chunk as it was; what it is now, evidence alone must explain. The store keeps an acceptance that is still needed. */
function withoutAcceptance(row: DayRow): string | null {
  if (!isAccepted(row)) return row.evidence
  const rest = (row.evidence ?? '').split('\n').slice(1).join('\n')
  return rest === '' ? null : rest
}
