import type { ExportEncoding } from '../codec/export/export-format.ts'
import { digestOfDays } from '../codec/export/source-digest.ts'
import { nextChunk } from '../dataset/chunk.ts'
import type { ToldSeries } from '../dataset/told.ts'
import { toldSeries } from '../dataset/told.ts'
import type { EvidencedGap } from '../model/evidence.ts'
import type { LedgerReader } from '../lake/ledger.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { NeverRequested } from '../lake/requested.ts'
import { readRequested } from '../lake/requested.ts'
import type { LakeFilter } from '../lake/selection.ts'
import { listSelectedSeries } from '../lake/selection.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { exportPath, filePeriod } from './file-period.ts'

/** A file's worth of chunks: those of one series and period that the filter lets through. Some of them, or all, may hold no bar. */
export interface ExportUnit {
  readonly series: Series
  readonly period: string
  readonly path: string
  /** its chunks lie in [first, end) */
  readonly first: UtcDay
  readonly end: UtcDay
  /** bars, as the catalog had it when the plan was made; 0: there will be no file */
  readonly rows: number
}

/** A unit as the catalog has it now. */
export interface UnitState {
  readonly days: readonly DayRow[]
  /** by the chunk they start in */
  readonly gaps: ReadonlyMap<UtcDay, readonly EvidencedGap[]>
  /** the chunks that have a shard, in order */
  readonly stored: readonly DayRow[]
  readonly rows: number
  /** over the digests of its shards, as the catalog has them: while it stays, the file's content does */
  readonly catalogDigest: string
}

/** What an export is made of, and the chunks of the selection that the lake knows nothing of. */
export interface ExportPlan {
  /** series by series, in the order of time */
  readonly units: readonly ExportUnit[]
  readonly neverRequested: readonly (ToldSeries & NeverRequested)[]
}

/** Plans an export. Reads the catalog only. */
export function planExport(catalog: LedgerReader, filter: LakeFilter, encoding: ExportEncoding): ExportPlan {
  const plan = { units: [] as ExportUnit[], neverRequested: [] as (ToldSeries & NeverRequested)[] }
  for (const series of listSelectedSeries(catalog, filter)) {
    const units: { -readonly [Key in keyof ExportUnit]: ExportUnit[Key] }[] = []
    for (const { row, never } of readRequested(catalog, series, filter, filter)) {
      if (never !== undefined) {
        plan.neverRequested.push({ ...toldSeries(series), ...never })
        continue
      }
      const period = filePeriod(series, encoding.format, row.day)
      const bars = row.shardSha256 === null ? 0 : row.rows
      const end = nextChunk(row.day, series)
      const last = units.at(-1)
      if (last?.period === period) {
        last.end = end
        last.rows += bars
      } else units.push({ series, period, path: exportPath(series, period, encoding), first: row.day, end, rows: bars })
    }
    plan.units.push(...units)
  }
  return plan
}

/** Reads a unit's chunks, and the gaps that belong to them, as of one moment: a run that stores days meanwhile is waited out. */
export function readUnit(catalog: LedgerReader, unit: ExportUnit, encoding: ExportEncoding): UnitState {
  const { series, first, end } = unit
  for (let days = catalog.readDays(series, first, end); ;) {
    const gaps = catalog.listGaps(series, first, end)
    const again = catalog.readDays(series, first, end)
    if (sameRows(days, again)) return stateOf(days, gaps, encoding, series)
    days = again
  }
}

function sameRows(one: readonly DayRow[], other: readonly DayRow[]): boolean {
  return one.length === other.length && JSON.stringify(one) === JSON.stringify(other)
}

function stateOf(days: readonly DayRow[], gaps: readonly EvidencedGap[], encoding: ExportEncoding, series: Series): UnitState {
  const stored = days.filter(({ shardSha256 }) => shardSha256 !== null)
  const byDay = new Map<UtcDay, EvidencedGap[]>()
  for (const gap of gaps) {
    const day = days.findLast((row) => Date.parse(`${row.day}T00:00:00Z`) * 1000 <= gap.startUs)?.day
    if (day !== undefined) byDay.set(day, [...(byDay.get(day) ?? []), gap])
  }
  return {
    days,
    gaps: byDay,
    stored,
    rows: stored.reduce((sum, { rows }) => sum + rows, 0),
    catalogDigest: digestOfDays(
      { ...encoding, series },
      stored.map(({ day, shardSha256 }) => ({ day, sha256: shardSha256 })),
    ),
  }
}
