import { CkvdError } from '../errors.ts'
import type { Gap } from '../model/gaps.ts'
import { countOffGrid, findGaps } from '../model/gaps.ts'
import type { Interval } from '../model/interval.ts'
import { countSlots, firstSlotUs, maxLengthUs, slotStartUs } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import { KLINE_COLUMNS, pickRows, sameRow, sliceColumns } from '../model/kline.ts'
import type { TimeRange } from '../model/series.ts'
import { chunkOfUs, chunkRange, nextChunk } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { isoOfUs } from '../model/utc-day.ts'
import { toDoubles } from './int64.ts'

/** What decides which rows of an archive are kept and which bars are expected. */
export interface SplitRequest {
  readonly interval: Interval
  /** the period of the archive: rows outside of it are dropped */
  readonly range: TimeRange
  /** chunks wanted; null = all */
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
  readonly columns: KlineColumns
  readonly expected: number
  readonly offGrid: number
  readonly duplicates: number
  readonly conflicts: number
  readonly conflictNote: string
  readonly gaps: Gap[]
}

export interface SplitRows {
  readonly chunks: ChunkRows[]
  /** wanted chunks of the period without a row, as far as a bar was expected in them */
  readonly absentDays: UtcDay[]
  /** rows outside of the period, and rows of an archive none of whose chunks is wanted */
  readonly dropped: number
  readonly firstOpenUs: number | null
  readonly lastOpenUs: number | null
}

/**
 * Open times of the archive at hand: a day of 1s bars has 0.7 MB of them, and memory outside of V8's heap that is made anew for each
 * archive has its whole heap collected every few of them. A thread splits one archive at a time and keeps no view of it.
 */
let scratch = new Float64Array(0)
const MAX_SCRATCH_ROWS = 86_400

/** How many conflicting bars a note spells out. */
const NOTED_CONFLICTS = 5

/** Sorts the rows of an archive and splits them into chunks. */
export function splitChunks(unsorted: KlineColumns, request: SplitRequest): SplitRows {
  const { interval, range } = request
  const { columns, times } = sortRows(unsorted)
  const from = lowerBound(times, range.startUs, 0)
  const to = lowerBound(times, range.endUs, from)
  const firstOpenUs = from < to ? (times[from] as number) : null
  const wanted = request.days === null ? null : new Set(request.days)
  const chunks: ChunkRows[] = []
  const absentDays: UtcDay[] = []
  const firstChunk = chunkOfUs(range.startUs, interval)
  let isWanted = false
  let start = from
  for (let day = firstChunk; chunkRange(day, interval).startUs < range.endUs; day = nextChunk(day, interval)) {
    const chunk = chunkRange(day, interval)
    const end = lowerBound(times, chunk.endUs, start)
    if (wanted === null || wanted.has(day)) {
      isWanted = true
      const expected = narrow(chunk, firstOpenUs, request)
      if (end > start) chunks.push({ day, ...measure(sliceColumns(columns, start, end), times.subarray(start, end), expected, interval) })
      else if (countSlots(expected.startUs, expected.endUs, interval) > 0) absentDays.push(day)
    }
    start = end
  }
  const kept = isWanted ? to - from : 0
  return { chunks, absentDays, dropped: times.length - kept, firstOpenUs, lastOpenUs: from < to ? (times[to - 1] as number) : null }
}

/** The rows in ascending order of open time; rows of one open time stay in the order of the file. */
function sortRows(columns: KlineColumns): { readonly columns: KlineColumns; readonly times: Float64Array } {
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

/** First index at or after `start` whose time is not before `timeUs`. */
function lowerBound(times: Float64Array, timeUs: number, start: number): number {
  let low = start
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] as number) < timeUs) low = middle + 1
    else high = middle
  }
  return low
}

/** The part of a chunk in which bars are expected. */
function narrow(
  chunk: TimeRange,
  firstOpenUs: number | null,
  { interval, startsSeries, seriesStartUs, seriesEndUs }: SplitRequest,
): TimeRange {
  const firstBarUs = seriesStartUs ?? (startsSeries ? firstOpenUs : null)
  const firstSlot = firstBarUs === null ? chunk.startUs : slotStartUs(firstBarUs, interval)
  return { startUs: Math.max(chunk.startUs, firstSlot), endUs: Math.min(chunk.endUs, seriesEndUs ?? chunk.endUs) }
}

function measure(unmerged: KlineColumns, unmergedTimes: Float64Array, range: TimeRange, interval: Interval): Omit<ChunkRows, 'day'> {
  const merged = isAscending(unmergedTimes, 1) ? undefined : mergeSameTimes(unmerged, unmergedTimes)
  const columns = merged?.columns ?? unmerged
  const times = merged === undefined ? unmergedTimes : toDoubles(columns.openTime)
  const expected = countSlots(range.startUs, range.endUs, interval)
  const lateBars = times.length === expected ? countLateBars(times, range, interval) : undefined
  return {
    columns,
    expected,
    offGrid: lateBars ?? countOffGrid(columns.openTime, interval),
    gaps: lateBars === undefined ? findGaps(columns.openTime, range, interval) : [],
    duplicates: merged?.duplicates ?? 0,
    conflicts: merged?.conflicts ?? 0,
    conflictNote: merged?.note ?? '',
  }
}

/**
 * The usual case in one pass over doubles: where bar i opens in slot i, for every i, nothing is missing.
 * @returns how many bars open after their slot's start; undefined when it is not the usual case
 */
function countLateBars(times: Float64Array, range: TimeRange, interval: Interval): number | undefined {
  if (interval === '1M') return undefined // months differ in length
  const lengthUs = maxLengthUs(interval)
  const firstUs = firstSlotUs(range.startUs, interval)
  let late = 0
  for (let i = 0; i < times.length; i++) {
    // no sum that is carried on: V8 would give it a place in the heap, anew for each row
    const lateUs = (times[i] as number) - firstUs - i * lengthUs
    if (lateUs < 0 || lateUs >= lengthUs) return undefined
    if (lateUs !== 0) late++
  }
  return late
}

interface Merged {
  readonly columns: KlineColumns
  readonly duplicates: number
  readonly conflicts: number
  readonly note: string
}

/** Rows of one open time become one: identical ones collapse, of different ones the later in the file stays. */
function mergeSameTimes(columns: KlineColumns, times: Float64Array): Merged {
  const rows: number[] = []
  const notes: string[] = []
  let duplicates = 0
  let conflicts = 0
  for (let row = 0; row < times.length; row++) {
    const kept = rows.at(-1)
    if (kept === undefined || times[kept] !== times[row]) {
      rows.push(row)
    } else if (sameRow(columns, kept, columns, row)) {
      duplicates++
    } else {
      conflicts++
      if (notes.length < NOTED_CONFLICTS) notes.push(describeConflict(columns, kept, row))
      rows[rows.length - 1] = row
    }
  }
  if (conflicts > NOTED_CONFLICTS) notes.push(`and ${conflicts - NOTED_CONFLICTS} more`)
  return { columns: pickRows(columns, rows), duplicates, conflicts, note: notes.join('; ') }
}

function describeConflict(columns: KlineColumns, dropped: number, kept: number): string {
  const differing = KLINE_COLUMNS.filter(({ key }) => columns[key][dropped] !== columns[key][kept])
  const values = differing.map(({ key, name }) => `${name} ${columns[key][dropped]} then ${columns[key][kept]}`)
  const time = columns.openTime[kept]
  if (time === undefined) throw new CkvdError('CKVD_BUG', `Expected a row ${kept}, found ${columns.openTime.length} rows`)
  return `${isoOfUs(Number(time))}: ${values.join(', ')}`
}
