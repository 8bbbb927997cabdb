import type { KlineColumns } from '../../model/kline.ts'
import type { Bar } from './csv-row.ts'

/** Columns of a shard. */
const COLUMNS = 11
const TWO_POW_32 = 4_294_967_296
/** The columns of 64-bit integers: open_time, close_time, count. */
const INTEGER_COLUMNS: ReadonlySet<number> = new Set([0, 6, 8])

/**
 * A growing table of bars: one buffer, column after column in the shard's order, each `capacity` rows long.
 * The scanner writes into `floats` and `words` itself: cell (column, row) is `floats[column * capacity + row]`, and a 64-bit
 * integer is the two words at twice that index, low word first (every platform of Node.js is little-endian). Writing words
 * spares a BigInt a cell, which would cost more than parsing it.
 */
export class RowTable {
  rows = 0
  capacity: number
  floats: Float64Array
  words: Int32Array

  /** @param capacity rows to make room for at first */
  constructor(capacity: number) {
    this.capacity = Math.max(1, capacity)
    this.floats = new Float64Array(COLUMNS * this.capacity)
    this.words = new Int32Array(this.floats.buffer)
  }

  /** Adds one bar. */
  push(bar: Bar): void {
    if (this.rows === this.capacity) this.grow()
    for (let column = 0; column < COLUMNS; column++) {
      const at = column * this.capacity + this.rows
      const value = bar[column] as number // a bar has as many values
      if (INTEGER_COLUMNS.has(column)) {
        this.words[2 * at] = value % TWO_POW_32
        this.words[2 * at + 1] = Math.floor(value / TWO_POW_32)
      } else {
        this.floats[at] = value
      }
    }
    this.rows++
  }

  /** Makes room for half as many rows again. */
  grow(): void {
    const old = this.floats
    const oldCapacity = this.capacity
    this.capacity = Math.ceil(oldCapacity * 1.5) + 1
    this.floats = new Float64Array(COLUMNS * this.capacity)
    this.words = new Int32Array(this.floats.buffer)
    for (let column = 0; column < COLUMNS; column++) {
      const start = column * oldCapacity
      this.floats.set(old.subarray(start, start + this.rows), column * this.capacity)
    }
  }

  /** The rows so far as columns: views, nothing is copied. */
  columns(): KlineColumns {
    const { buffer } = this.floats
    const offset = (column: number): number => column * this.capacity * 8
    const floats = (column: number): Float64Array => new Float64Array(buffer, offset(column), this.rows)
    const integers = (column: number): BigInt64Array => new BigInt64Array(buffer, offset(column), this.rows)
    return {
      openTime: integers(0),
      open: floats(1),
      high: floats(2),
      low: floats(3),
      close: floats(4),
      volume: floats(5),
      closeTime: integers(6),
      quoteVolume: floats(7),
      count: integers(8),
      takerBuyVolume: floats(9),
      takerBuyQuoteVolume: floats(10),
    }
  }
}
