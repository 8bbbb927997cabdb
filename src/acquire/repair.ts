import type { ShardMeta } from '../codec/arrow/arrow.ts'
import { shardRows } from '../codec/shard-rows.ts'
import { chunkRange } from '../dataset/chunk.ts'
import { findMissing, idsOf } from '../dataset/expected.ts'
import { mergeRows } from '../dataset/rows.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { Columns } from '../model/columns.ts'
import type { EvidencedGap } from '../model/evidence.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { RestContext } from './archive-task.ts'
import { fillGaps, withRest } from './archive/complete-day.ts'
import type { AcquiredDay, ArchiveOrigin, RestStretch } from './day.ts'
import { buildDay, expectedRange } from './day.ts'
import type { SeriesLife } from './life/series-life.ts'

/** A stored chunk with missing bars. */
export interface StoredChunk {
  readonly day: UtcDay
  readonly columns: Columns
  readonly meta: ShardMeta
  readonly row: DayRow
}

/** A chunk with rows that is made anew, wherever it is held. */
export interface HeldChunk {
  readonly day: UtcDay
  readonly columns: Columns
  /** in the order in which they are joined by `+` */
  readonly sources: readonly string[]
  readonly archive: ArchiveOrigin | null
  readonly duplicates: number
  readonly conflicts: number
  readonly differing: number
  readonly gaps: readonly EvidencedGap[]
  readonly restStretches: readonly RestStretch[]
  readonly evidence: string | null
}

/** A chunk of the lake as one that is held. */
export function heldOfStored({ day, columns, meta, row }: StoredChunk): HeldChunk {
  return {
    ...{ day, columns, sources: meta.source.split('+'), duplicates: meta.duplicates, gaps: meta.gaps, restStretches: [] },
    // of an archive without a bar of it the catalog alone knows
    archive: row.archiveKey === null ? null : { key: row.archiveKey, etag: row.archiveEtag ?? '', sha256: row.archiveSha256 },
    ...{ conflicts: row.conflicts, differing: row.differingRows, evidence: row.evidence },
  }
}

/** A chunk that was acquired as one that is held; undefined: it has no row. */
export function heldOfAcquired(series: Series, acquired: AcquiredDay): HeldChunk | undefined {
  const { day, shard, source, archive, duplicates, conflicts, differing, gaps, restStretches = [], evidence } = acquired
  if (shard === null || source === null) return undefined
  const columns = shardRows<Columns>(series, shard)
  return { day, columns, sources: source.split('+'), archive, duplicates, conflicts, differing, gaps, restStretches, evidence }
}

/**
 * Asks REST for the holes of a chunk: what a run without REST, or with an unreachable one, had to leave, and what an older version
 * explained in words. Undefined where REST's bars beside the holes are not the ones that are held: then the chunk has to be acquired anew.
 */
export async function repairDay(series: Series, held: HeldChunk, life: SeriesLife, ctx: RestContext): Promise<AcquiredDay | undefined> {
  const { day, sources, archive, duplicates, conflicts, differing, restStretches, evidence } = held
  const filled = await fillGaps(series, day, held.columns, life, ctx)
  if (filled.differing > 0) return undefined
  return buildDay({
    ...{ series, day, archive, duplicates, conflicts, differing, evidence },
    columns: filled.columns,
    bounds: life.bounds,
    sources: withRest(sources, filled.added),
    restStretches: filled.answer.kind === 'asked' ? [...restStretches, ...filled.gaps] : restStretches,
    error: null,
    explain: filled.explain,
  })
}

/**
 * A chunk with rows of REST that one of its neighbours has shown to be missing at its end, or at its beginning; what is known to be missing
 * between it and the other neighbour stays. Undefined where REST contradicts what is held.
 */
export async function amendDay(
  series: Series,
  held: HeldChunk,
  rows: Columns,
  life: SeriesLife,
  ctx: RestContext,
): Promise<AcquiredDay | undefined> {
  const { day } = held
  const merge = mergeRows(held.columns, rows, series)
  if (merge.differing > 0) return undefined
  const inside = findMissing(series, held.columns, expectedRange(series, day, life.bounds, held.columns))
  const beside = held.gaps.filter(({ startUs, endUs }) => !inside.some((gap) => gap.startUs === startUs && gap.endUs === endUs))
  const filled = await fillGaps(series, day, merge.columns, life, ctx)
  if (filled.differing > 0) return undefined
  const { archive, duplicates, conflicts, differing, evidence } = held
  const ids = idsOf(rows, series) ?? new BigInt64Array()
  return buildDay({
    ...{ series, day, archive, duplicates, conflicts, differing, evidence, edges: beside },
    columns: filled.columns,
    bounds: life.bounds,
    sources: withRest(held.sources, merge.added + filled.added),
    restStretches: [...held.restStretches, { ...chunkRange(day, series), ids: [{ first: Number(ids[0]), last: Number(ids.at(-1)) }] }],
    error: null,
    explain: filled.explain,
  })
}
