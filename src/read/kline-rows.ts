import { isOnGrid } from '../dataset/expected.ts'
import type { Series, TimeRange } from '../model/series.ts'
import { gridOfBars } from '../model/series.ts'
import { sliceColumns } from '../model/columns.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { ColumnBlock } from './column-block.ts'
import { copyRows, createBlock, findRow, keysOf } from './column-block.ts'
import type { DayPart, SourceRun } from './day-parts.ts'
import type { ReadGap } from './gap-evidence.ts'
import { clipGaps, explainDue, explainGaps } from './gap-evidence.ts'
import type { KlineQuery } from '../question/query.ts'
import type { ShardReader } from '../lake/shard-store.ts'
import { isPartlyWanted, readPartly } from './divided-chunks.ts'
import { readDays, readParts } from './shard-columns.ts'
import type { StoredDays, StoredPart } from './packed-columns.ts'
import type { DayRange } from '../lake/ledger.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'

/** Rows of a query in order, cut to its range. */
export interface KlineRows {
  readonly block: ColumnBlock
  readonly runs: readonly SourceRun[]
  /** every empty slot of the range whose bar would have closed */
  readonly gaps: readonly ReadGap[]
  /** chunks with rows here about which sources contradict each other, and no third decides */
  readonly disputed: readonly UtcDay[]
}

/**
 * Joins chunks into one set of columns: each row is moved once, from a shard's file or from where it was decoded to its place.
 * `bad` are chunks whose shard turned out to be damaged, `doubted` those of ranges in which one is; there are no rows then. Throws CKVD_ABORTED.
 */
export async function joinParts(
  shards: ShardReader,
  query: KlineQuery,
  all: readonly DayPart[],
): Promise<{ rows: KlineRows; bad: readonly DayRow[]; doubted: readonly DayRange[] }> {
  const { series, columns: names } = query
  const parts = await Promise.all(all.map((part) => narrow(shards, query, part)))
  const length = parts.reduce((sum, { rows }) => sum + rows, 0)
  const block = createBlock(keysOf(names, series), length, series)
  const stored: StoredPart[] = []
  const days: StoredDays[] = []
  const runs: SourceRun[] = []
  let offset = 0
  for (const { rows, columns, row, whole, runs: own } of parts) {
    if (columns !== null) copyRows(columns, block, offset)
    else if (whole !== undefined) days.push({ whole, offset })
    else if (row !== null && rows > 0) stored.push({ row, offset })
    for (const run of own) addRun(runs, run.source, offset + run.end)
    offset += rows
  }
  const bad = await readParts(shards, query.series, stored, block, query.signal)
  const doubted = await readDays(shards, query.series, days, block, query.signal)
  if (bad.length > 0 || doubted.length > 0)
    return { rows: NO_ROWS, bad: bad.map(({ row }) => row), doubted: doubted.map(({ whole }) => whole) }
  return { rows: cutRows(query, block, runs, parts), bad: [], doubted: [] }
}

/** Of a part that is wanted only partly, and has many rows, those that are; a part whose file is not as it should be stays: it is told later. */
async function narrow(shards: ShardReader, { series, columns: names, range }: KlineQuery, part: DayPart): Promise<DayPart> {
  const { row, range: whole } = part
  if (part.columns !== null || row === null || !isPartlyWanted({ series, row, whole, range })) return part
  const columns = await readPartly(shards, { series, row, whole, range, keys: keysOf(names, series) })
  if (columns === undefined) return part
  const rows = columns.openTime.length
  return { ...part, rows, columns, row: null, runs: [{ source: 'CACHE', end: rows }] }
}

const NO_ROWS: KlineRows = { block: createBlock(keysOf(null, {}), 0), runs: [], gaps: [], disputed: [] }

function addRun(runs: SourceRun[], source: SourceRun['source'], end: number): void {
  const last = runs.at(-1)
  if (end === (last?.end ?? 0)) return
  if (last?.source === source) runs[runs.length - 1] = { source, end }
  else runs.push({ source, end })
}

/** Gaps of the chunks, found before the rows are cut: a bar that opens late fills its slot though it may open outside of the range. */
function findMissing({ series, range }: KlineQuery, block: ColumnBlock, parts: readonly DayPart[]): ReadGap[] {
  if (!isOnGrid(series)) return findDue(series, range, block, parts)
  const gaps: ReadGap[] = []
  const grid = gridOfBars(series, block.openTime)
  let offset = 0
  for (const part of parts) {
    if (!part.isFull) gaps.push(...explainGaps(block.openTime.subarray(offset, offset + part.rows), part.range, grid, part.evidence))
    offset += part.rows
  }
  return clipGaps(gaps, range, grid)
}

/** The same of a series whose rows come by a schedule. */
function findDue(series: Series, range: TimeRange, block: ColumnBlock, parts: readonly DayPart[]): ReadGap[] {
  let offset = 0
  return parts.flatMap((part) => {
    const beside = sliceColumns(block, Math.max(0, offset - 1), offset + part.rows + 1)
    offset += part.rows
    const own = { startUs: Math.max(part.range.startUs, range.startUs), endUs: Math.min(part.range.endUs, range.endUs) }
    return part.isFull || own.startUs >= own.endUs ? [] : explainDue(series, beside, own, part.evidence)
  })
}

function cutRows(query: KlineQuery, block: ColumnBlock, runs: readonly SourceRun[], parts: readonly DayPart[]): KlineRows {
  const { range } = query
  const start = findRow(block.openTime, range.startUs)
  const end = findRow(block.openTime, range.endUs, start)
  const cut: SourceRun[] = []
  for (const { source, end: runEnd } of runs) {
    if (runEnd > start) addRun(cut, source, Math.min(runEnd, end) - start)
  }
  return {
    block: sliceColumns(block, start, end),
    runs: cut,
    gaps: findMissing(query, block, parts),
    disputed: findDisputed(parts, start, end),
  }
}

/** Disputed chunks of which some row is in [start, end). */
function findDisputed(parts: readonly DayPart[], start: number, end: number): UtcDay[] {
  const days: UtcDay[] = []
  let offset = 0
  for (const { day, rows, isDisputed } of parts) {
    if (isDisputed && Math.max(offset, start) < Math.min(offset + rows, end)) days.push(day)
    offset += rows
  }
  return days
}
