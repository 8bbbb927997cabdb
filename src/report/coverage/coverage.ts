import type { Completeness } from '../../dataset/dataset.ts'
import { datasetOf } from '../../dataset/registry.ts'
import { nextChunk } from '../../dataset/chunk.ts'
import type { ToldSeries } from '../../dataset/told.ts'
import { tellsExpected, toldSeries } from '../../dataset/told.ts'
import type { LedgerReader } from '../../lake/ledger.ts'
import type { UnexplainedDay } from '../../lake/day-facts.ts'
import { isAccepted, unexplainedDay } from '../../lake/day-facts.ts'
import { ALL_LISTED, readRequested } from '../../lake/requested.ts'
import type { LakeFilter } from '../../lake/selection.ts'
import type { Condition } from '../../model/condition.ts'
import { countNone, isExplained } from '../../model/condition.ts'
import type { Series } from '../../model/series.ts'
import { describeEvidence } from '../../model/evidence.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { isoOfUs } from '../../model/utc-day.ts'

/** A stretch of missing bars; times are ISO text. */
export interface CoverageGap {
  readonly start: string
  readonly end: string
  /** null: nobody knows how many rows there were */
  readonly bars: number | null
  readonly evidence: string
}

/** A day that is not explained, or that a person has accepted. */
export interface CoverageDay extends UnexplainedDay {
  readonly accepted: boolean
}

/** What the lake holds of a series: exactly what `--json` prints. */
export interface SeriesCoverage extends ToldSeries {
  /** what may be expected of its rows; of `as-published` ones nothing */
  readonly completeness: Completeness['kind']
  /** first and last day with a record; null when nothing was ever requested */
  readonly first: UtcDay | null
  readonly last: UtcDay | null
  readonly days: Readonly<Record<Condition, number>>
  readonly accepted: number
  /** days without a record: those between the first and the last recorded or listed one */
  readonly never_requested: number
  readonly rows: number
  readonly bytes: number
  /** missing rows; null of what is as published: nothing can be said of them */
  readonly missing_bars: number | null
  readonly off_grid: number
  readonly duplicates: number
  readonly conflicts: number
  readonly differing_rows: number
  readonly gaps: readonly CoverageGap[]
  readonly unexplained: readonly CoverageDay[]
}

/** What the lake holds of one series. Reads the catalog only. */
export function readCoverage(catalog: LedgerReader, series: Series, filter: LakeFilter = {}): SeriesCoverage {
  const days = countNone()
  const sums = { accepted: 0, rows: 0, bytes: 0, off_grid: 0, duplicates: 0, conflicts: 0, differing_rows: 0 }
  const unexplained: CoverageDay[] = []
  let neverRequested = 0
  let first: UtcDay | null = null
  let last: UtcDay | null = null
  for (const { row, never } of readRequested(catalog, series, filter, { ...ALL_LISTED, end: filter.end ?? ALL_LISTED.end })) {
    if (never !== undefined) {
      neverRequested += never.days
      continue
    }
    first ??= row.day
    last = row.day
    days[row.condition]++
    sums.rows += row.rows
    sums.bytes += row.shardBytes ?? 0
    sums.off_grid += row.offGrid
    sums.duplicates += row.duplicates
    sums.conflicts += row.conflicts
    sums.differing_rows += row.differingRows
    if (isExplained(row.condition)) continue
    const accepted = isAccepted(row)
    if (accepted) sums.accepted++
    unexplained.push({ ...unexplainedDay(row, catalog.listGaps(series, row.day, nextChunk(row.day, series))), accepted })
  }
  const isTold = tellsExpected(series)
  const gaps = catalog.listGaps(series, filter.start, filter.end).map((gap) => ({
    start: isoOfUs(gap.startUs),
    end: isoOfUs(gap.endUs),
    bars: isTold ? gap.bars : null,
    evidence: describeEvidence(gap.evidence),
  }))
  return {
    ...toldSeries(series),
    completeness: datasetOf(series).completeness.kind,
    first,
    last,
    days,
    never_requested: neverRequested,
    ...sums,
    missing_bars: isTold ? gaps.reduce((sum, { bars }) => sum + (bars ?? 0), 0) : null,
    gaps,
    unexplained,
  }
}

/** True when some day is unexplained and nobody has accepted it. */
export function hasUnexplained(coverage: SeriesCoverage): boolean {
  return coverage.unexplained.some(({ accepted }) => !accepted)
}

/** Missing rows of the series of which it can be told; null: of none. */
export function sumMissing(rows: readonly SeriesCoverage[]): number | null {
  const told = rows.flatMap(({ missing_bars }) => missing_bars ?? [])
  return rows.length > 0 && told.length === 0 ? null : told.reduce((sum, bars) => sum + bars, 0)
}
