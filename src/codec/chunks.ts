import type { Columns } from '../model/columns.ts'
import { apartOf, countExpected, countOff, findMissing, idsOf, isOnGrid, rangeOfLife } from '../dataset/expected.ts'
import type { Chunked } from '../dataset/chunk.ts'
import { chunkOfUs, chunkRange, isMonthChunked, nextChunk, previousChunk } from '../dataset/chunk.ts'
import type { Gap } from '../model/gaps.ts'
import { countOffGrid } from '../model/off-grid.ts'
import { findGaps } from '../model/gaps.ts'
import type { Grid, Phase } from '../model/interval.ts'
import { countSlots, firstSlotUs, maxLengthUs, phaseOf } from '../model/interval.ts'
import { lowerBound } from '../model/lower-bound.ts'
import { pickRows, sliceColumns } from '../model/columns.ts'
import type { TimeRange } from '../model/series.ts'
import { gridOfBars } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { toDoubles } from '../memory/int64.ts'
import type { Merged } from './same-rows.ts'
import { mergeApart, mergeSame, mergeSameIds } from './same-rows.ts'

/** What decides which rows of an archive are kept and which bars are expected. */
export interface SplitRequest {
  readonly series: Chunked
  /** the period of the archive, whole chunks */
  readonly range: TimeRange
  /** chunks wanted, of bars longer than a day also the one just before and just after the period; null = all of the period */
  readonly days: readonly UtcDay[] | null
  /** no bar before the first row is expected */
  readonly startsSeries: boolean
  /** no bar before the slot of this time is expected; null = unknown */
  readonly seriesStartUs: number | null
  /** no bar at or after this time is expected; null = to the end */
  readonly seriesEndUs: number | null
}

/** The rows of one chunk, in order, each open time once. */
export interface ChunkRows {
  readonly day: UtcDay
  readonly columns: Columns
  readonly expected: number
  readonly offGrid: number
  readonly duplicates: number
  readonly conflicts: number
  readonly conflictNote: string
  readonly gaps: Gap[]
}

/** Rows of an archive that open just before or just after its period, by the chunk in which they open. */
export interface StrayRows {
  readonly day: UtcDay
  readonly rows: number
}

export interface SplitRows {
  readonly chunks: ChunkRows[]
  /** wanted chunks without a row, as far as a bar was expected in them */
  readonly absentDays: UtcDay[]
  /** at most two: wanted or not */
  readonly strays: StrayRows[]
  /** rows outside of the period that are in no wanted chunk, and rows of an archive none of whose chunks is wanted */
  readonly dropped: number
  /** of `3d`, the phase that the archive's bars tell; null: it has none */
  readonly phase: Phase | null
  /** first and last open time of the period, of bars longer than a day also of the chunks beside it */
  readonly firstOpenUs: number | null
  readonly lastOpenUs: number | null
}

/**
 * Open times of the archive at hand: a day of 1s bars has 0.7 MB of them, and memory outside of V8's heap that is made anew for each
 * archive has its whole heap collected every few of them. A thread splits one archive at a time and keeps no view of it.
 */
let scratch = new Float64Array(0)
const MAX_SCRATCH_ROWS = 86_400

/**
 * Sorts the rows of an archive and splits them into chunks, on the grid on which its own bars agree. Rows that open just before or just
 * after the archive's period are told. Of bars longer than a day they are as good as those in it (a week that opens on the last Monday
 * of February may stand in the archive of March): such a chunk is given when it is wanted.
 */
export function splitChunks(unsorted: Columns, request: SplitRequest): SplitRows {
  const { series, range, days } = request
  const { interval } = series
  const { columns, times } = sortRows(unsorted)
  const grid = gridOfBars(series, columns.openTime)
  const ids = idsOf(columns, series)
  const wanted = days === null ? null : new Set(days)
  const before = previousChunk(chunkOfUs(range.startUs, series), series)
  const after = chunkOfUs(range.endUs, series)
  const isReaching = isMonthChunked(series)
  const from = lowerBound(times, isReaching ? chunkRange(before, series).startUs : range.startUs, 0)
  const to = lowerBound(times, isReaching ? chunkRange(after, series).endUs : range.endUs, from)
  const firstOpenUs = from < to ? (times[from] as number) : null
  const bounds = { startUs: request.seriesStartUs ?? (request.startsSeries ? firstOpenUs : null), endUs: request.seriesEndUs }
  const chunks: ChunkRows[] = []
  const absentDays: UtcDay[] = []
  const strays: StrayRows[] = []
  let inPeriod = 0
  let isWanted = false
  let givenStrays = 0
  let start = lowerBound(times, chunkRange(before, series).startUs, 0)
  for (let day = before; day <= after; day = nextChunk(day, series)) {
    const chunk = chunkRange(day, series)
    const end = lowerBound(times, chunk.endUs, start)
    const rows = end - start
    const isInside = day !== before && day !== after
    const isTaken = wanted === null ? isInside : (isInside || isReaching) && wanted.has(day)
    if (isInside) inPeriod += rows
    else if (rows > 0) strays.push({ day, rows })
    if (isTaken) {
      if (isInside) isWanted = true
      else givenStrays += rows
      const held = rows === 0 ? null : { firstUs: times[start] as number, lastUs: times[end - 1] as number }
      const expected = rangeOfLife(chunk, bounds, held, grid)
      // nearly all archives are one chunk, whole
      const own = rows === times.length ? columns : sliceColumns(columns, start, end)
      // what is missing between two chunks of a sequence is told with the later one
      const beside = (): Columns => sliceColumns(columns, Math.max(0, start - 1), end + (ids === undefined ? 1 : 0))
      if (rows > 0) chunks.push({ day, ...measure(own, times.subarray(start, end), expected, grid, series, beside) })
      else if (countSlots(expected.startUs, expected.endUs, grid) > 0) absentDays.push(day)
    }
    start = end
  }
  return {
    chunks,
    absentDays,
    strays,
    dropped: times.length - (isWanted ? inPeriod : 0) - givenStrays,
    phase: interval === '3d' ? phaseOf(columns.openTime) : null,
    firstOpenUs,
    lastOpenUs: from < to ? (times[to - 1] as number) : null,
  }
}

/** The rows in ascending order of open time; rows of one open time stay in the order of the file. */
function sortRows(columns: Columns): { readonly columns: Columns; readonly times: Float64Array } {
  const times = toDoubles(columns.openTime, scratchTimes(columns.openTime.length))
  if (isAscending(times, 0)) return { columns, times }
  // every index below is inside the array
  const order = Uint32Array.from(times.keys()).sort((a, b) => (times[a] as number) - (times[b] as number) || a - b)
  return { columns: pickRows(columns, order), times: Float64Array.from(order, (row) => times[row] as number) }
}

function scratchTimes(rows: number): Float64Array {
  if (rows > MAX_SCRATCH_ROWS) return new Float64Array(rows)
  if (scratch.length < rows) scratch = new Float64Array(rows)
  return scratch.subarray(0, rows)
}

/** True when each time is at least `step` after the one before. */
function isAscending(times: Float64Array, step: number): boolean {
  for (let i = 1; i < times.length; i++) if ((times[i] as number) - (times[i - 1] as number) < step) return false
  return true
}

/** Rows that are there twice as one; undefined where none is. */
function mergeTwice(columns: Columns, times: Float64Array, series: Chunked): Merged | undefined {
  const ids = idsOf(columns, series)
  if (ids !== undefined) return mergeSameIds(columns, ids, series)
  if (isAscending(times, 1)) return undefined
  return apartOf(series).length > 0 ? mergeApart(columns, series) : mergeSame(columns, (a, b) => times[a] === times[b], series)
}

/** @param beside gives the rows with those beside them in the archive that tell what is missing */
function measure(
  unmerged: Columns,
  unmergedTimes: Float64Array,
  range: TimeRange,
  grid: Grid,
  series: Chunked,
  beside: () => Columns,
): Omit<ChunkRows, 'day'> {
  const merged = mergeTwice(unmerged, unmergedTimes, series)
  const columns = merged?.columns ?? unmerged
  const times = merged === undefined ? unmergedTimes : toDoubles(columns.openTime)
  const facts = {
    columns,
    duplicates: merged?.duplicates ?? 0,
    conflicts: merged?.conflicts ?? 0,
    conflictNote: merged?.note ?? '',
  }
  if (!isOnGrid(series)) {
    const gaps = findMissing(series, beside(), range)
    return { ...facts, expected: countExpected(series, columns, range, gaps), offGrid: countOff(series, columns), gaps }
  }
  const expected = countSlots(range.startUs, range.endUs, grid)
  const lateBars = times.length === expected ? countLateBars(times, range, grid) : undefined
  return {
    ...facts,
    expected,
    offGrid: lateBars ?? countOffGrid(columns.openTime, grid),
    gaps: lateBars === undefined ? findGaps(columns.openTime, range, grid) : [],
  }
}

/**
 * The usual case in one pass over doubles: where bar i opens in slot i, for every i, nothing is missing.
 * @returns how many bars open after their slot's start; undefined when it is not the usual case
 */
function countLateBars(times: Float64Array, range: TimeRange, grid: Grid): number | undefined {
  if (grid === '1M') return undefined // months differ in length
  const lengthUs = maxLengthUs(grid)
  const firstUs = firstSlotUs(range.startUs, grid)
  let late = 0
  for (let i = 0; i < times.length; i++) {
    // no sum that is carried on: V8 would give it a place in the heap, anew for each row
    const lateUs = (times[i] as number) - firstUs - i * lengthUs
    if (lateUs < 0 || lateUs >= lengthUs) return undefined
    if (lateUs !== 0) late++
  }
  return late
}
