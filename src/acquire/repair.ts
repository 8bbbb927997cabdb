import type { ShardMeta } from '../codec/arrow/arrow.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { Columns } from '../model/columns.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { RestContext } from './archive-task.ts'
import { fillGaps } from './archive/complete-day.ts'
import type { AcquiredDay } from './day.ts'
import { buildDay } from './day.ts'
import type { SeriesLife } from './life/series-life.ts'

/** A stored chunk with missing bars. */
export interface StoredChunk {
  readonly day: UtcDay
  readonly columns: Columns
  readonly meta: ShardMeta
  readonly row: DayRow
}

/**
 * Asks REST for the holes of a stored chunk: what a run without REST, or with an unreachable one, had to leave, and what an older version
 * explained in words. Undefined where REST's bars beside the holes are not the ones that are stored: then the chunk has to be acquired anew.
 */
export async function repairDay(series: Series, stored: StoredChunk, life: SeriesLife, ctx: RestContext): Promise<AcquiredDay | undefined> {
  const { day, meta, row } = stored
  const filled = await fillGaps(series, day, stored.columns, life, ctx)
  if (filled.differing > 0) return undefined
  const sources = meta.source.split('+')
  if (filled.added > 0 && !sources.includes('rest')) sources.push('rest')
  return buildDay({
    series,
    day,
    columns: filled.columns,
    bounds: life.bounds,
    sources,
    // of an archive without a bar of it the catalog alone knows
    archive: row.archiveKey === null ? null : { key: row.archiveKey, etag: row.archiveEtag ?? '', sha256: row.archiveSha256 },
    duplicates: meta.duplicates,
    conflicts: row.conflicts,
    differing: row.differingRows,
    restStretches: filled.answer.kind === 'asked' ? filled.gaps : [],
    evidence: row.evidence,
    error: null,
    explain: filled.explain,
  })
}
