/**
 * The scanner of tables: rows that are read by the description of their columns, as `decodeTable` of `src/codec/csv/csv-table.ts` does. It
 * takes the rows of the usual form, and leaves every other row to JavaScript, so that it never decides that a row is wrong.
 */

import { TableCell } from './table-cells'
import { TimeCell } from './time-cell'

const COMMA: u8 = 44
const LF: u8 = 10

/** What a column holds. */
const TIMESTAMP = 0
const FLOAT64 = 1
const INT64 = 2
const TEXT_TIME = 4

/**
 * A description of a column: its bounds (two doubles), where its cells are, what it holds, whether a cell has one byte (0) or eight (3), and a
 * word for what is guessed of its next cell.
 */
const DESCRIPTION_BYTES = 32
const CELLS_AT = 16
const KIND_AT = 20
const SHIFT_AT = 24
const USUAL_AT = 28

/** Where the row begins at which the last scan stopped. */
export let tableStoppedAt: u32 = 0

/**
 * Scans the rows of [start, end), the last of which ends at `end` with its line feed, into the cells of the columns that are described one
 * behind the other at `columns`, from `row` on. Stops at the end, at the first row that it does not take, or at row `capacity`. Gives the
 * number of rows that the columns then hold. Times are in [minTimeUs, maxTimeUs), which is at most 2^52. 32 bytes behind the end are read.
 */
export function scanTable(start: u32, end: u32, columns: u32, count: u32, row: u32, capacity: u32, minTimeUs: i64, maxTimeUs: i64): u32 {
  const last: usize = <usize>columns + <usize>count * DESCRIPTION_BYTES
  let at: usize = start
  while (at < <usize>end && row < capacity) {
    const p = takeRow(at, columns, last, row, minTimeUs, maxTimeUs)
    if (p == 0) break
    row++
    at = p
  }
  tableStoppedAt = <u32>at
  return row
}

/**
 * Takes the row at `p` into cell `row` of each column; gives where the next row begins, 0 where it takes none. Bounds are looked at beside the
 * way from cell to cell, so that none waits for the division of the one before.
 */
function takeRow(p: usize, column: usize, last: usize, row: usize, minTimeUs: i64, maxTimeUs: i64): usize {
  let areWithin: bool = true
  while (true) {
    const kind = load<u32>(column, KIND_AT)
    const cell: usize = <usize>load<u32>(column, CELLS_AT) + (row << (<usize>load<u32>(column, SHIFT_AT)))
    if (kind == FLOAT64) {
      p = TableCell.float64(p, cell)
      if (p == 0) return 0
      areWithin &= isWithin(load<f64>(cell), column)
    } else if (kind == INT64) {
      p = TableCell.int64(p, cell, column + USUAL_AT)
      if (p == 0) return 0
      areWithin &= isWithin(<f64>load<i64>(cell), column)
    } else if (kind == TIMESTAMP) {
      p = TimeCell.read(p, cell, minTimeUs, maxTimeUs)
      if (p == 0) return 0
      areWithin &= isWithin(<f64>load<i64>(cell), column)
    } else if (kind == TEXT_TIME) {
      p = TimeCell.readText(p, cell, minTimeUs, maxTimeUs)
      if (p == 0) return 0
      areWithin &= isWithin(<f64>load<i64>(cell), column)
    } else {
      p = TableCell.bool(p, cell)
      if (p == 0) return 0
      areWithin &= isWithin(<f64>load<u8>(cell), column)
    }
    column += DESCRIPTION_BYTES
    if (column == last) break
    if (load<u8>(p) != COMMA) return 0
    p++
  }
  if (load<u8>(p) != LF) return 0
  return areWithin ? p + 1 : 0
}

/** A column's bounds are the first two doubles of its description; one that is no number holds nothing. */
function isWithin(value: f64, bounds: usize): bool {
  return (value >= load<f64>(bounds)) & (value <= load<f64>(bounds, 8))
}
