import type { AcquiredDay, RestStretch } from '../acquire/day.ts'
import { shardRows } from '../codec/shard-rows.ts'
import { chunkRange } from '../dataset/chunk.ts'
import { countExpectedOfNone, idsOf } from '../dataset/expected.ts'
import type { EvidencedGap } from '../model/evidence.ts'
import { isProof } from '../model/evidence.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { WholeDays } from '../lake/ledger.ts'
import { countsAsExplained, isDisputed, isFromVision, reasonOf } from '../lake/day-facts.ts'
import { isExplained } from '../model/condition.ts'
import { lowerBound } from '../model/lower-bound.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { ColumnBlock } from './column-block.ts'
import { findRow } from './column-block.ts'
import type { ReadGap } from './gap-evidence.ts'
import { readGap, wordGap } from './gap-evidence.ts'
import type { DayOutcome } from './series-days.ts'

export type SourceName = 'CACHE' | 'VISION' | 'REST'

/** Rows up to `end` (excluded), from the end of the run before, come from `source`. */
export interface SourceRun {
  readonly source: SourceName
  readonly end: number
}

/** What is known of one chunk, or of days that the lake has whole, and where the rows are. */
export interface DayPart {
  /** the first one */
  readonly day: UtcDay
  readonly rows: number
  /** the rows themselves; null: they are read from the lake (`row`, `whole`) */
  readonly columns: ColumnBlock | null
  readonly row: DayRow | null
  readonly whole?: WholeDays
  /** sources of the rows, ends counted from the part's first row */
  readonly runs: readonly SourceRun[]
  /** where bars are expected at most: the part of the chunk in which bars have closed */
  readonly range: TimeRange
  /** every slot of the range has a bar: nothing needs to be looked for */
  readonly isFull: boolean
  /** sources contradict each other about the rows, and no third decides */
  readonly isDisputed: boolean
  /** the whole chunk lies before the series' first bar or after its last one */
  readonly isUnlisted: boolean
  /** stretches without bars of which something is known */
  readonly evidence: readonly ReadGap[]
}

/** A chunk that the lake has. `gaps` are those that the catalog records for it. */
export function storedPart(series: Series, row: DayRow, gaps: readonly EvidencedGap[]): DayPart {
  const { day, rows } = row
  const range = chunkRange(day, series)
  const explained = countsAsExplained(row)
  // a chunk without rows and without gaps of its own: all of it is what the condition says
  const isBare = rows === 0 && gaps.length === 0
  const evidence = isBare ? [wordGap({ ...range, bars: row.expected }, reasonOf(row, gaps), explained)] : gapsOf(gaps, explained)
  const isFull = gaps.length === 0 && rows > 0 && row.expected >= countExpectedOfNone(series, range)
  const runs = [{ source: 'CACHE', end: rows }] as const
  return { day, rows, columns: null, row, runs, range, isFull, isDisputed: isDisputed(row), isUnlisted: false, evidence }
}

/** What is proved of one gap holds also where another gap of the chunk is not explained. */
function gapsOf(gaps: readonly EvidencedGap[], explained: boolean): ReadGap[] {
  return gaps.map((gap) => readGap(gap, explained || isProof(gap.evidence)))
}

/** A chunk that was acquired for this call, or one that it shares with. */
export function acquiredPart(
  series: Series,
  day: UtcDay,
  outcome: DayOutcome,
  listGaps: (day: UtcDay) => readonly EvidencedGap[] = () => [],
): DayPart {
  const range = chunkRange(day, series)
  if (outcome.kind === 'kept') return storedPart(series, outcome.row, listGaps(day))
  if (outcome.kind === 'unlisted')
    return { day, rows: 0, columns: null, row: null, runs: [], range, isFull: false, isDisputed: false, isUnlisted: true, evidence: [] }
  const acquired = outcome.day
  const columns = acquired.shard === null ? null : shardRows(series, acquired.shard)
  const explained = isExplained(acquired.condition)
  const facts = {
    condition: acquired.condition,
    accepted: null,
    errorCode: acquired.error?.code ?? null,
    error: acquired.error?.message ?? null,
    evidence: acquired.evidence,
  }
  const whole = wordGap({ ...range, bars: acquired.expected }, reasonOf(facts, acquired.gaps), explained)
  return {
    day,
    rows: acquired.rows,
    columns,
    row: null,
    runs: columns === null ? [] : runsOf(series, acquired, columns),
    range,
    isFull: columns !== null && acquired.gaps.length === 0 && acquired.expected >= countExpectedOfNone(series, range),
    isDisputed: isDisputed(facts),
    isUnlisted: false,
    evidence: columns === null && acquired.gaps.length === 0 ? [whole] : gapsOf(acquired.gaps, explained),
  }
}

function runsOf(series: Series, acquired: AcquiredDay, columns: ColumnBlock): SourceRun[] {
  const { openTime } = columns
  if (!isFromVision(acquired.source)) return [{ source: 'REST', end: openTime.length }]
  const stretches = (acquired.restStretches ?? []).flatMap((stretch) => rowsOf(stretch, series, columns))
  const runs: SourceRun[] = []
  for (const [from, to] of stretches.sort(([a], [b]) => a - b)) {
    const end = runs.at(-1)?.end ?? 0
    if (to <= Math.max(from, end)) continue
    if (from > end) runs.push({ source: 'VISION', end: from })
    runs.push({ source: 'REST', end: to })
  }
  if ((runs.at(-1)?.end ?? 0) < openTime.length) runs.push({ source: 'VISION', end: openTime.length })
  return runs
}

/** The rows of REST in a stretch, from the first one to the one behind the last, by their times, or by their ids. */
function rowsOf({ startUs, endUs, ids }: RestStretch, series: Series, columns: ColumnBlock): [from: number, to: number][] {
  const held = ids === undefined ? undefined : idsOf(columns, series)
  if (ids === undefined || held === undefined) {
    const from = findRow(columns.openTime, startUs)
    return [[from, findRow(columns.openTime, endUs, from)]]
  }
  return ids.map(({ first, last }) => [lowerBound(held, first), lowerBound(held, last + 1)])
}
