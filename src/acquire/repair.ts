import type { ShardMeta } from '../codec/arrow.ts'
import type { DayRow } from '../lake/catalog-rows.ts'
import { isAccepted } from '../lake/catalog-rows.ts'
import type { Gap } from '../model/gaps.ts'
import { findGaps } from '../model/gaps.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import { chunkRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { BirthSource } from './birth.ts'
import { askBirth } from './birth.ts'
import type { AcquiredDay, SeriesBounds } from './reconcile.ts'
import { buildDay, expectedRange, mergeRows, rowsWithin } from './reconcile.ts'
import type { RestAnswer } from './stretch.ts'
import { askRest, explainGap } from './stretch.ts'

/** A stored chunk with missing bars. */
export interface StoredChunk {
  readonly day: UtcDay
  readonly columns: KlineColumns
  readonly meta: ShardMeta
  readonly row: DayRow
}

export interface RepairContext {
  /** null: REST is off */
  readonly rest: BirthSource | null
  readonly signal: AbortSignal
}

/** Asks REST for the holes of a stored chunk: what a run without REST, or with an unreachable one, had to leave. */
export async function repairDay(series: Series, stored: StoredChunk, known: SeriesBounds, ctx: RepairContext): Promise<AcquiredDay> {
  const { day, meta, row } = stored
  const gaps = findGaps(stored.columns.openTime, expectedRange(series, day, known), series.interval)
  const { answer, bounds } = await boundsInChunk(
    series,
    stored.columns,
    gaps,
    known,
    await askRest(series, gaps, ctx.rest, ctx.signal),
    ctx,
  )
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

/**
 * Where no archive has told when the series began, bars are missing before a chunk's first one, and REST has none of them: the series may
 * have begun in this chunk, and to call that an outage would be a lie. REST's first bar tells; where it cannot be asked, nothing is known.
 */
async function boundsInChunk(
  series: Series,
  columns: KlineColumns,
  gaps: readonly Gap[],
  known: SeriesBounds,
  answer: RestAnswer,
  { rest, signal }: RepairContext,
): Promise<{ readonly answer: RestAnswer; readonly bounds: SeriesBounds }> {
  const [first] = gaps
  const unchanged = { answer, bounds: known }
  if (rest === null || answer.kind === 'silent' || known.startUs !== null || first === undefined) return unchanged
  const leads = Number(columns.openTime[0] ?? 0n) >= first.endUs
  if (!leads || rowsWithin(answer.rows, { startUs: 0, endUs: first.endUs }).openTime.length > 0) return unchanged
  const birth = await askBirth(series, rest, signal)
  if (!birth.asked)
    return { answer: { kind: 'silent', reason: `REST could not be asked: ${birth.error.code}`, passing: true }, bounds: known }
  const startUs = birth.firstUs
  return startUs === null || startUs < first.endUs ? unchanged : { answer, bounds: { ...known, startUs } }
}

/** A person accepted the chunk as it was; what it is now, evidence alone must explain. The store keeps an acceptance that is still needed. */
function withoutAcceptance(row: DayRow): string | null {
  if (!isAccepted(row)) return row.evidence
  const rest = (row.evidence ?? '').split('\n').slice(1).join('\n')
  return rest === '' ? null : rest
}
