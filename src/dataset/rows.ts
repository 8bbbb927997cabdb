import type { Columns } from '../model/columns.ts'
import { joinColumns, pickRows, sameAsTold, sliceColumns } from '../model/columns.ts'
import { lowerBound } from '../model/lower-bound.ts'
import type { Series, TimeRange } from '../model/series.ts'
import { rowKeys, rowOrder } from './expected.ts'
import type { OfDataset } from './registry.ts'
import { looseColumnsOf } from './registry.ts'

/** The rows that open in a range, as views. Rows must be in order. */
export function rowsWithin<T extends Columns>(columns: T, range: TimeRange): T {
  return sliceColumns(columns, lowerBound(columns.openTime, range.startUs), lowerBound(columns.openTime, range.endUs))
}

/** What a merge of two sources gave. */
export interface Merge<T extends Columns> {
  readonly columns: T
  /** rows of `extra` that were taken */
  readonly added: number
  /** rows that both have, with the same values */
  readonly agreeing: number
  /** rows that both have, or slots that both fill, with different values */
  readonly differing: number
}

/**
 * Fills the empty slots of `base` with the rows of `extra`. Where both fill a slot, `base` stays and the rows are
 * compared. Both must be in order; the result is.
 */
export function mergeRows<T extends Columns>(base: T, extra: T, series: Series): Merge<T> {
  const keyOf = rowKeys(series, base.openTime.length > 0 ? base : extra)
  const loose = looseColumnsOf(series)
  const filled = new Map<number | string, number[]>()
  for (let i = 0; i < base.openTime.length; i++) {
    const key = keyOf(base, i)
    const rows = filled.get(key)
    if (rows === undefined) filled.set(key, [i])
    else rows.push(i)
  }
  const taken: number[] = []
  let agreeing = 0
  let differing = 0
  for (let j = 0; j < extra.openTime.length; j++) {
    const rows = filled.get(keyOf(extra, j))
    if (rows === undefined) taken.push(j)
    else if (rows.some((i) => sameAsTold(base, i, extra, j, loose))) agreeing++
    else differing++
  }
  if (taken.length === 0) return { columns: base, added: 0, agreeing, differing }
  return { columns: interleave(base, pickRows(extra, taken), series), added: taken.length, agreeing, differing }
}

/** Two sets of rows in order as one set in order; of two of one place, that of `a` first. */
function interleave<T extends Columns>(a: T, b: T, of: OfDataset): T {
  const joined = joinColumns([a, b], a)
  const compare = rowOrder(of)
  const order = Uint32Array.from(joined.openTime.keys()).sort((i, j) => compare(joined, i, joined, j) || i - j)
  return pickRows(joined, order)
}

/** How many bars of two versions of a chunk are not the same: changed, gone or new. */
export function countChangedRows(before: Columns, after: Columns, of: OfDataset): number {
  const loose = looseColumnsOf(of)
  const compare = rowOrder(of)
  let changed = 0
  let i = 0
  let j = 0
  while (i < before.openTime.length && j < after.openTime.length) {
    const order = compare(before, i, after, j)
    if (order === 0) {
      if (!sameAsTold(before, i, after, j, loose)) changed++
      i++
      j++
    } else {
      changed++
      if (order < 0) i++
      else j++
    }
  }
  return changed + (before.openTime.length - i) + (after.openTime.length - j)
}
