/**
 * The scanner of `src/codec/csv/csv-scan.ts` in AssemblyScript (https://www.assemblyscript.org), compiled to WebAssembly by
 * `npm run build`. It takes the rows that look as rows do, and leaves every other row to JavaScript. Which rows it may take,
 * and why its decimals are correctly rounded, is told there; both give the same.
 *
 * Memory: the constants below `inputOffset()`, then what JavaScript puts there: a window of the CSV, followed by at least
 * 256 zero bytes (no read of a row goes further, and a zero is neither digit nor separator), and the columns.
 */

import { AMOUNT, Cell, COUNT, PRICE, skipDecimal, ZERO_LF } from './csv-cells'
import { TimeCell } from './time-cell'

const LF: u8 = 10
const CR: u8 = 13
const COMMA: u8 = 44
/** Where the row begins at which the last scan stopped. */
export let stoppedAt: u32 = 0

/** First byte of memory that JavaScript may use. */
export function inputOffset(): u32 {
  return <u32>((__heap_base + 15) & ~15)
}

/**
 * Scans the rows of [start, end) into columns of `capacity` cells of eight bytes each, one column after the other in the
 * shard's order, from `row` on. Stops at the end, at the first row that it does not take, or when the columns are full.
 * Gives the number of rows that the columns then hold. Times of rows that it takes are in [minTimeUs, maxTimeUs),
 * which is at most 2^52.
 */
export function scanRows(start: u32, end: u32, columns: u32, capacity: u32, row: u32, minTimeUs: i64, maxTimeUs: i64): u32 {
  const stride: usize = (<usize>capacity) << 3
  let at: usize = start
  while (at < <usize>end && row < capacity) {
    const first: usize = <usize>columns + ((<usize>row) << 3)
    const p = takeRow(at, first, stride, minTimeUs, maxTimeUs)
    if (p == 0) break
    row++
    at = p
  }
  stoppedAt = <u32>at
  return row
}

/** Takes the row at `at` into the cells that begin with `first`; gives where the next row begins, 0 where it takes none. */
function takeRow(at: usize, first: usize, stride: usize, minTimeUs: i64, maxTimeUs: i64): usize {
  let cell = first
  let p = TimeCell.read(at, cell, minTimeUs, maxTimeUs)
  if (p == 0 || load<u8>(p++) != COMMA) return 0
  p = Cell.number(p, (cell += stride), PRICE)
  if (p == 0) return 0
  p = Cell.number(p, (cell += stride), PRICE)
  if (p == 0) return 0
  p = Cell.number(p, (cell += stride), PRICE)
  if (p == 0) return 0
  p = Cell.number(p, (cell += stride), PRICE)
  if (p == 0) return 0
  p = Cell.number(p, (cell += stride), AMOUNT)
  if (p == 0) return 0
  p = TimeCell.read(p, (cell += stride), load<i64>(first), maxTimeUs)
  if (p == 0 || load<u8>(p++) != COMMA) return 0
  p = Cell.number(p, (cell += stride), AMOUNT)
  if (p == 0) return 0
  p = Cell.number(p, (cell += stride), COUNT)
  if (p == 0) return 0
  p = Cell.number(p, (cell += stride), AMOUNT)
  if (p == 0) return 0
  p = Cell.number(p, (cell += stride), AMOUNT)
  if (p == 0) return 0
  // ---- the last column, whose value nobody needs, and the line's end
  if (load<u16>(p) == ZERO_LF) {
    p += 2
  } else {
    p = skipDecimal(p)
    if (p == 0) return 0
    if (load<u8>(p) == CR) p++
    if (load<u8>(p) != LF) return 0
    p++
  }
  // ---- a bar that does not contradict itself
  const open = load<f64>(first + stride)
  const high = load<f64>(first + 2 * stride)
  const low = load<f64>(first + 3 * stride)
  const close = load<f64>(first + 4 * stride)
  return high < open || high < close || low > open || low > close ? 0 : p
}
