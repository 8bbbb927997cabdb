import { CkvdError } from '../errors.ts'
import type { Columns } from '../model/columns.ts'
import { columnOf, pickRows } from '../model/columns.ts'
import type { Gap } from '../model/gaps.ts'
import { findGaps } from '../model/gaps.ts'
import type { Grid } from '../model/interval.ts'
import { countSlots, gridOf, slotStartUs } from '../model/interval.ts'
import { countOffGrid } from '../model/off-grid.ts'
import type { TimeRange } from '../model/series.ts'
import { gridOfBars } from '../model/series.ts'
import type { Chunked } from './chunk.ts'
import type { OfDataset } from './registry.ts'
import { createRows, datasetOf } from './registry.ts'
import { findUnscheduled, slotOnHour } from './schedule.ts'
import type { ChunkEnds } from './sequence.ts'
import { findHoles, rowsById } from './sequence.ts'

/*
 * What must be there, by the completeness of a data set. The only place that asks for it: whoever wants to know what is missing, how much
 * is expected, or which rows are the same one, asks here.
 */

/** Where a series begins and ends, as far as is known; null: rows are expected on that side. */
export interface SeriesBounds {
  /** time of the first row, us */
  readonly startUs: number | null
  /** no slot at or after this time is expected, us */
  readonly endUs: number | null
}

/** First and last time of the rows of a chunk, us. */
export interface HeldTimes {
  readonly firstUs: number
  readonly lastUs: number
}

/**
 * The part of a chunk in which rows are expected: from the slot of the series' first row to its last. A row of the chunk that lies outside
 * denies what is believed of that side: then all of the chunk is expected there.
 * @param held null: the chunk has no row
 */
export function rangeOfLife(chunk: TimeRange, bounds: SeriesBounds, held: HeldTimes | null, grid: Grid): TimeRange {
  const bornUs = bounds.startUs === null ? chunk.startUs : Math.max(chunk.startUs, slotStartUs(bounds.startUs, grid))
  const startUs = held !== null && held.firstUs < bornUs ? chunk.startUs : bornUs
  const endUs = Math.min(chunk.endUs, bounds.endUs ?? chunk.endUs)
  return { startUs, endUs: held !== null && held.lastUs >= endUs ? chunk.endUs : Math.max(startUs, endUs) }
}

/** First and last time of rows in order; null without a row. */
export function heldTimes({ openTime }: Columns): HeldTimes | null {
  const [first, last] = [openTime[0], openTime.at(-1)]
  return first === undefined || last === undefined ? null : { firstUs: Number(first), lastUs: Number(last) }
}

/**
 * What is missing of a series in a range, given all rows that are there, in order. Of what comes by a schedule or in a sequence, rows beside the
 * range may be given, too: they tell what is due at its ends.
 */
export function findMissing(series: Chunked, columns: Columns, range: TimeRange): Gap[] {
  const { completeness } = datasetOf(series)
  switch (completeness.kind) {
    case 'grid':
      return findGaps(columns.openTime, range, gridOfBars(series, columns.openTime))
    case 'schedule':
      return findUnscheduled(columns, range, completeness)
    case 'sequence':
      return findHoles(columns, range, completeness)
    case 'as-published':
      return countWithin(columns, range) > 0 || range.startUs >= range.endUs ? [] : [{ ...range, bars: 1 }]
  }
}

/**
 * How many rows are expected in a range in which these are there, in order.
 * @param missing what is missing of them, where it is known; default: by `findMissing`
 */
export function countExpected(series: Chunked, columns: Columns, range: TimeRange, missing?: readonly Gap[]): number {
  const { openTime } = columns
  switch (datasetOf(series).completeness.kind) {
    case 'grid':
      return countSlots(range.startUs, range.endUs, gridOfBars(series, openTime))
    case 'schedule':
    case 'sequence':
    case 'as-published':
      return countFilled(series, columns, range) + countBars(missing ?? findMissing(series, columns, range))
  }
}

/** How many rows are expected in a range of which nothing is known. */
export function countExpectedOfNone(series: Chunked, range: TimeRange): number {
  if (isOnGrid(series)) return countSlots(range.startUs, range.endUs, gridOf(series))
  return countExpected(series, createRows(series, 0), range)
}

/** True where a row is expected in each slot of a grid. */
export function isOnGrid(series: Chunked): boolean {
  return datasetOf(series).completeness.kind === 'grid'
}

/** True where a chunk that expects fewer rows than one of which nothing is known has been cut, at the series' beginning or end. */
export function tellsCuts(series: Chunked): boolean {
  const { kind } = datasetOf(series).completeness
  return kind !== 'as-published' && kind !== 'sequence'
}

/**
 * True where the series' life says why a chunk expects so few rows: `whole` has one of which nothing is known, `told` are what its life leaves
 * of these. How many rows a schedule leaves nobody knows without them.
 */
export function saysCut(series: Chunked, expected: number, { told, whole }: { readonly told: number; readonly whole: number }): boolean {
  return isOnGrid(series) ? expected === told : told < whole
}

/** What the evidence of a whole chunk says where that it is whole proves nothing of its rows; else nothing. */
export function strengthOf(series: Chunked): string {
  const { kind } = datasetOf(series).completeness
  return kind === 'as-published' ? kind : ''
}

/** How many rows have a time at which none is expected. */
export function countOff(series: Chunked, { openTime }: Columns): number {
  return isOnGrid(series) ? countOffGrid(openTime, gridOfBars(series, openTime)) : 0
}

/** True where rows have ids of which none may be missing. */
export function isSequence(series: Chunked): boolean {
  return datasetOf(series).completeness.kind === 'sequence'
}

/** The ids by which rows are told apart; undefined where their times do it. Throws CKVD_BUG for rows without. */
export function idsOf(columns: Columns, of: OfDataset): BigInt64Array | undefined {
  const { completeness } = datasetOf(of)
  const key = completeness.kind === 'sequence' || completeness.kind === 'as-published' ? completeness.id : undefined
  if (key === undefined) return undefined
  const ids = columnOf(columns, key)
  if (!(ids instanceof BigInt64Array)) throw new CkvdError('CKVD_BUG', `Expected integers in the column ${key}, found others`)
  return ids
}

/** The ends of a chunk of a sequence; undefined of another data set, or where there is no row. */
export function endsOf(columns: Columns, of: Chunked): ChunkEnds | undefined {
  const ids = isSequence(of) ? idsOf(columns, of) : undefined
  if (ids === undefined) return undefined
  const rows = rowsById(ids)
  const [first, last] = [rows[0], rows.at(-1)]
  return first === undefined || last === undefined ? undefined : { first: pickRows(columns, [first]), last: pickRows(columns, [last]) }
}

/** Keys of the columns that tell rows of one time apart; none: no two rows have one time, or they have ids. */
export function apartOf(of: OfDataset): readonly string[] {
  const { completeness } = datasetOf(of)
  return completeness.kind === 'as-published' ? (completeness.apart ?? []) : []
}

/** What tells rows apart: two rows with one key are the same row. `like` are the rows at hand. */
export function rowKeys(series: Chunked, like: Columns): (columns: Columns, row: number) => number | string {
  if (idsOf(like, series) !== undefined) return (columns, row) => Number(idsOf(columns, series)?.[row])
  const apart = apartOf(series)
  if (apart.length > 0) return (columns, row) => ['openTime', ...apart].map((key) => String(columnOf(columns, key)[row])).join()
  const slotOf = slotsOf(series, like.openTime)
  return ({ openTime }, row) => slotOf(Number(openTime[row]))
}

/** The order of rows, in one set of columns or in two: that of their times, and of one time that of what tells them apart. 0: they are one row. */
export function rowOrder(of: OfDataset): (a: Columns, i: number, b: Columns, j: number) => number {
  const apart = apartOf(of)
  const ofOneTime =
    apart.length > 0
      ? (a: Columns, i: number, b: Columns, j: number): number => compareBy(apart, a, i, b, j)
      : (a: Columns, i: number, b: Columns, j: number): number => Number(idsOf(a, of)?.[i] ?? 0) - Number(idsOf(b, of)?.[j] ?? 0)
  return (a, i, b, j) => Number(a.openTime[i]) - Number(b.openTime[j]) || ofOneTime(a, i, b, j)
}

/** By the first column in which they differ. */
function compareBy(keys: readonly string[], a: Columns, i: number, b: Columns, j: number): number {
  for (const key of keys) {
    const [one, other] = [columnOf(a, key)[i], columnOf(b, key)[j]]
    if (one === other) continue
    if (typeof one === 'string' && typeof other === 'string') return one < other ? -1 : 1
    const difference = Number(one) - Number(other)
    if (difference !== 0) return difference
  }
  return 0
}

/** The slot that a row fills, by its time: two rows that fill one are the same row, but of a sequence. `openTimes` are those of the rows at hand. */
export function slotsOf(series: Chunked, openTimes: BigInt64Array): (timeUs: number) => number {
  switch (datasetOf(series).completeness.kind) {
    case 'grid': {
      const grid = gridOfBars(series, openTimes)
      return (timeUs) => slotStartUs(timeUs, grid)
    }
    case 'schedule':
      return slotOnHour
    case 'sequence':
    case 'as-published':
      return (timeUs) => timeUs
  }
}

/** Times of rows as witnesses are told: where two sources may tell them some milliseconds apart, by their hour. */
export function witnessTimes(series: Chunked, { openTime }: Columns): Float64Array {
  const isScheduled = datasetOf(series).completeness.kind === 'schedule'
  return Float64Array.from(openTime, (time) => (isScheduled ? slotOnHour(Number(time)) : Number(time)))
}

/** Slots of a range that have a row. */
function countFilled(series: Chunked, columns: Columns, range: TimeRange): number {
  if (datasetOf(series).completeness.kind !== 'schedule') return countWithin(columns, range)
  const hours = Array.from(columns.openTime, (time) => slotOnHour(Number(time)))
  return new Set(hours.filter((hour) => hour >= range.startUs && hour < range.endUs)).size
}

function countBars(gaps: readonly Gap[]): number {
  return gaps.reduce((sum, { bars }) => sum + bars, 0)
}

function countWithin({ openTime }: Columns, { startUs, endUs }: TimeRange): number {
  let count = 0
  for (const time of openTime) if (Number(time) >= startUs && Number(time) < endUs) count++
  return count
}
