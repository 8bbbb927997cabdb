import type { Columns } from '../model/columns.ts'
import type { Gap, IdRange } from '../model/gaps.ts'
import type { IdEndpoint } from '../model/market.ts'
import type { TimeRange } from '../model/series.ts'

/** How rows are counted by who publishes them. */
export interface Sequence {
  /** key of the column of type int64 with the ids, below 2^53 */
  readonly id: string
  /** what of REST tells its rows from an id on, of any age; absent: no source can be asked for what the archives lack */
  readonly rest?: IdEndpoint
}

/** The rows of a chunk with the least and the greatest id, each as columns of one row. */
export interface ChunkEnds {
  readonly first: Columns
  readonly last: Columns
}

/** True when each id is greater than the one before. */
export function areAscending(ids: BigInt64Array): boolean {
  return ids.every((id, row) => row === 0 || id > (ids[row - 1] ?? id))
}

/** Rows in the order of their ids, rows of one id as they stand. */
export function rowsById(ids: BigInt64Array): Uint32Array {
  const rows = Uint32Array.from(ids.keys())
  return areAscending(ids) ? rows : rows.sort((a, b) => Number(ids[a]) - Number(ids[b]) || a - b)
}

/**
 * The holes between ids whose place touches a range: from the time of the row before a hole to that of the row after it, cut to the range.
 * Holes that share a time are one. Rows beside the range may be given, too: they tell of its ends. A range of which nothing is known lacks a
 * row.
 */
export function findHoles(columns: Columns, range: TimeRange, { id }: Sequence): Gap[] {
  if (range.startUs >= range.endUs) return []
  const { openTime, [id]: ids } = columns
  if (!(ids instanceof BigInt64Array) || !tellsOf(openTime, range)) return [{ ...range, bars: 1 }]
  const rows = rowsById(ids)
  const rowAt = (row: number): NumberedRow => ({ id: Number(ids[row]), timeUs: Number(openTime[row]) })
  const holes: Gap[] = []
  for (let i = 1; i < rows.length; i++) {
    const [before, after] = [rows[i - 1] ?? 0, rows[i] ?? 0]
    const hole = holeBetween(rowAt(before), rowAt(after), range)
    if (hole !== undefined) holes.push(hole)
  }
  return joinTouching(holes.sort((a, b) => a.startUs - b.startUs))
}

/** A row of a sequence: its id and its time, us. */
export interface NumberedRow {
  readonly id: number
  readonly timeUs: number
}

/** What is missing between two rows whose ids follow each other, as far as its place touches a range; undefined: nothing is. */
export function holeBetween(before: NumberedRow, after: NumberedRow, range: TimeRange): Gap | undefined {
  const bars = after.id - before.id - 1
  const [a, b] = [before.timeUs, after.timeUs]
  if (bars <= 0 || Math.min(a, b) >= range.endUs || Math.max(a, b) < range.startUs) return undefined
  return { ...placeOf(a, b, range), bars, ids: [{ first: before.id + 1, last: after.id - 1 }] }
}

/** True where a row lies in the range, or one on either side of it. */
function tellsOf(openTime: BigInt64Array, { startUs, endUs }: TimeRange): boolean {
  const isBefore = openTime.some((time) => Number(time) < endUs)
  return isBefore && openTime.some((time) => Number(time) >= startUs)
}

/** The part of a range between two times: never empty. */
function placeOf(a: number, b: number, { startUs, endUs }: TimeRange): TimeRange {
  const from = Math.min(Math.max(Math.min(a, b), startUs), endUs - 1)
  return { startUs: from, endUs: Math.max(from + 1, Math.min(Math.max(a, b), endUs)) }
}

/** Ids in words: `ids 105 to 106, id 110`. */
export function describeIds(ids: readonly IdRange[]): string {
  return ids.map(({ first, last }) => (first === last ? `id ${first}` : `ids ${first} to ${last}`)).join(', ')
}

/** Holes in order, those that share a time as one. */
export function joinTouching(holes: readonly Gap[]): Gap[] {
  const joined: Gap[] = []
  for (const hole of holes) {
    const last = joined.at(-1)
    if (last === undefined || hole.startUs >= last.endUs) joined.push(hole)
    else {
      const endUs = Math.max(last.endUs, hole.endUs)
      joined[joined.length - 1] = { ...last, endUs, bars: last.bars + hole.bars, ids: [...(last.ids ?? []), ...(hole.ids ?? [])] }
    }
  }
  return joined
}
