import { createColumns, pickRows, sameBar, sliceColumns } from './kline.ts'
import type { KlineColumns } from './kline.ts'
import { slotStartUs } from './interval.ts'
import { lowerBound } from './lower-bound.ts'
import type { Series, TimeRange } from './series.ts'
import { gridOfBars } from './series.ts'

/** The rows that open in a range, as views. Rows must be in order. */
export function rowsWithin(columns: KlineColumns, range: TimeRange): KlineColumns {
  return sliceColumns(columns, lowerBound(columns.openTime, range.startUs), lowerBound(columns.openTime, range.endUs))
}

/** What a merge of two sources gave. */
export interface Merge {
  readonly columns: KlineColumns
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
export function mergeRows(base: KlineColumns, extra: KlineColumns, series: Series): Merge {
  const grid = base.openTime.length > 0 ? gridOfBars(series, base.openTime) : gridOfBars(series, extra.openTime)
  const filled = new Map<number, number[]>()
  for (let i = 0; i < base.openTime.length; i++) {
    const slot = slotStartUs(Number(base.openTime[i]), grid)
    const rows = filled.get(slot)
    if (rows === undefined) filled.set(slot, [i])
    else rows.push(i)
  }
  const taken: number[] = []
  let agreeing = 0
  let differing = 0
  for (let j = 0; j < extra.openTime.length; j++) {
    const rows = filled.get(slotStartUs(Number(extra.openTime[j]), grid))
    if (rows === undefined) taken.push(j)
    else if (rows.some((i) => sameBar(base, i, extra, j))) agreeing++
    else differing++
  }
  if (taken.length === 0) return { columns: base, added: 0, agreeing, differing }
  return { columns: interleave(base, pickRows(extra, taken)), added: taken.length, agreeing, differing }
}

/** Two sets of rows in order as one set in order. */
function interleave(a: KlineColumns, b: KlineColumns): KlineColumns {
  const length = a.openTime.length + b.openTime.length
  const target = createColumns(length)
  const keys = Object.keys(target) as (keyof KlineColumns)[]
  let i = 0
  let j = 0
  for (let row = 0; row < length; row++) {
    const fromA = j >= b.openTime.length || (i < a.openTime.length && (a.openTime[i] as bigint) <= (b.openTime[j] as bigint))
    const source = fromA ? a : b
    const at = fromA ? i++ : j++
    for (const key of keys) target[key][row] = source[key][at] as never
  }
  return target
}

/** How many bars of two versions of a chunk are not the same: changed, gone or new. */
export function countChangedRows(before: KlineColumns, after: KlineColumns): number {
  let changed = 0
  let i = 0
  let j = 0
  while (i < before.openTime.length && j < after.openTime.length) {
    const a = Number(before.openTime[i])
    const b = Number(after.openTime[j])
    if (a === b) {
      if (!sameBar(before, i, after, j)) changed++
      i++
      j++
    } else {
      changed++
      if (a < b) i++
      else j++
    }
  }
  return changed + (before.openTime.length - i) + (after.openTime.length - j)
}
