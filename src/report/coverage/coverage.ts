import { nextChunk } from '../../dataset/chunk.ts'
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
  readonly bars: number
  readonly evidence: string
}

/** A day that is not explained, or that a person has accepted. */
export interface CoverageDay extends UnexplainedDay {
  readonly accepted: boolean
}

/** What the lake holds of a series: exactly what `--json` prints. */
export interface SeriesCoverage extends Series {
  /** first and last day with a record; null when nothing was ever requested */
  readonly first: UtcDay | null
  readonly last: UtcDay | null
  readonly days: Readonly<Record<Condition, number>>
  readonly accepted: number
  /** days without a record: those between the first and the last recorded or listed one */
  readonly never_requested: number
  readonly rows: number
  readonly bytes: number
  readonly missing_bars: number
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
  const gaps = catalog
    .listGaps(series, filter.start, filter.end)
    .map((gap) => ({ start: isoOfUs(gap.startUs), end: isoOfUs(gap.endUs), bars: gap.bars, evidence: describeEvidence(gap.evidence) }))
  return {
    ...series,
    first,
    last,
    days,
    never_requested: neverRequested,
    ...sums,
    missing_bars: gaps.reduce((sum, gap) => sum + gap.bars, 0),
    gaps,
    unexplained,
  }
}

/** True when some day is unexplained and nobody has accepted it. */
export function hasUnexplained(coverage: SeriesCoverage): boolean {
  return coverage.unexplained.some(({ accepted }) => !accepted)
}
