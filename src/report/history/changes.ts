import { datasetOf } from '../../dataset/registry.ts'
import type { DayRow, RevisionRow } from '../../lake/catalog/catalog-rows.ts'
import { countsAsExplained, isFromVision, reasonOf } from '../../lake/day-facts.ts'
import type { LedgerReader } from '../../lake/ledger.ts'
import type { LakeFilter } from '../../lake/selection.ts'
import { listSelectedSeries } from '../../lake/selection.ts'
import { nextChunk } from '../../dataset/chunk.ts'
import type { ToldSeries } from '../../dataset/told.ts'
import { toldInterval } from '../../dataset/told.ts'
import type { Condition } from '../../model/condition.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { isoOf } from './runs.ts'

/**
 * What became of a chunk. stored: its bars are there now, or why there are none is proved; upgraded: an archive took the place of REST's bars;
 * republished: the archive was published anew, and taken; replaced: other bars for another reason (a repair, the other form of archive);
 * pending: closed, and nobody has it yet; unexplained: see its reason.
 */
export const CHANGE_KINDS = ['unexplained', 'republished', 'replaced', 'upgraded', 'stored', 'pending'] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

/** The version of a chunk that was there before. */
export interface OldVersion {
  readonly revision: number
  /** `vision` or `rest` */
  readonly source: 'vision' | 'rest'
  readonly archive_etag: string | null
  readonly archive_sha256: string | null
  readonly shard_sha256: string | null
}

/** A chunk of which the lake knows something else than before: exactly what `ckvd changes --json` prints. */
export interface DayChange {
  readonly market: Series['market']
  readonly dataset: string
  readonly symbol: string
  /** null: the data set has no intervals */
  readonly interval: ToldSeries['interval']
  readonly day: UtcDay
  readonly change: ChangeKind
  readonly condition: Condition
  readonly source: string | null
  readonly rows: number
  readonly revision: number
  /** bars that differ from those of before; null: not known, or there were none */
  readonly changed_rows: number | null
  readonly archive_etag: string | null
  readonly archive_sha256: string | null
  readonly shard_sha256: string | null
  /** what was there when the time begins; null: no bars were */
  readonly old: OldVersion | null
  /** of an unexplained one */
  readonly reason: string | null
  /** ISO time */
  readonly updated_at: string
}

/** Chunks that changed at a time (ISO text with milliseconds) or later, in the order of market, symbol, interval and day. */
export function* readChanges(ledger: LedgerReader, filter: LakeFilter, since: string): Generator<DayChange, void> {
  for (const series of listSelectedSeries(ledger, { ...filter, datasets: 'all' })) {
    const rows = ledger.readDaysSince(series, since)
    if (rows.length === 0) continue
    const versions = versionsByDay(ledger.readRevisionsSince(series, since))
    for (const row of rows) if (isIn(row.day, filter)) yield changeOf(ledger, series, row, versions.get(row.day) ?? [])
  }
}

function versionsByDay(revisions: readonly RevisionRow[]): Map<UtcDay, RevisionRow[]> {
  const byDay = new Map<UtcDay, RevisionRow[]>()
  for (const one of revisions) byDay.set(one.day, [...(byDay.get(one.day) ?? []), one])
  return byDay
}

function isIn(day: UtcDay, { start, end }: LakeFilter): boolean {
  return (start === undefined || day >= start) && (end === undefined || day < end)
}

function changeOf(ledger: LedgerReader, series: Series, row: DayRow, versions: readonly RevisionRow[]): DayChange {
  const [before] = versions
  const isExplained = countsAsExplained(row)
  return {
    market: series.market,
    dataset: datasetOf(series).name,
    symbol: series.symbol,
    interval: toldInterval(series),
    day: row.day,
    change: kindOf(row, before),
    condition: row.condition,
    source: row.source,
    rows: row.rows,
    revision: row.revision,
    changed_rows: before === undefined ? null : sumOf(versions),
    archive_etag: row.archiveEtag,
    archive_sha256: row.archiveSha256,
    shard_sha256: row.shardSha256,
    old: before === undefined ? null : oldOf(before),
    reason: isExplained ? null : reasonOf(row, ledger.listGaps(series, row.day, nextChunk(row.day, series))),
    updated_at: isoOf(row.updatedAt),
  }
}

function kindOf(row: DayRow, before: RevisionRow | undefined): ChangeKind {
  if (!countsAsExplained(row)) return 'unexplained'
  if (row.condition === 'pending') return 'pending'
  if (before === undefined) return 'stored'
  if (before.archiveEtag === null) return isFromVision(row.source) ? 'upgraded' : 'replaced'
  return row.archiveEtag !== null && row.archiveEtag !== before.archiveEtag ? 'republished' : 'replaced'
}

/** A version without an archive came from REST. */
function oldOf({ revision, archiveEtag, archiveSha256, shardSha256 }: RevisionRow): OldVersion {
  return {
    revision,
    source: archiveEtag === null ? 'rest' : 'vision',
    archive_etag: archiveEtag,
    archive_sha256: archiveSha256,
    shard_sha256: shardSha256,
  }
}

function sumOf(versions: readonly RevisionRow[]): number | null {
  return versions.reduce<number | null>((sum, { changedRows }) => (sum === null || changedRows === null ? null : sum + changedRows), 0)
}
