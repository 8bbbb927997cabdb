import type { BarRule } from '../model/bar-rule.ts'
import { DecimalSum } from '../model/decimal-sum.ts'
import type { KlineColumns } from '../model/kline.ts'
import { createColumns } from '../model/kline.ts'
import { numberAt } from '../model/number-at.ts'
import type { ResampledBars } from '../model/resample.ts'
import type { TimeRange } from '../model/series.ts'
import type { AmountColumn } from './amount-column.ts'

/** A bar that is made, or was. */
interface Bar {
  openUs: number
  closeUs: number
  open: number
  high: number
  low: number
  close: number
  count: number
  /** rows of which it is made */
  rows: number
  /** none of its rows is missing, as far as is known */
  isWhole: boolean
  sums: readonly number[]
  rounded: number
}

const SUMMED = ['volume', 'quoteVolume', 'takerBuyVolume', 'takerBuyQuoteVolume'] as const

/** A stretch of time in which rows are missing. */
export interface Hole extends TimeRange {
  /** it is told where a chunk begins or ends, and reaches to the rows on either side of it: so it is where rows are counted */
  readonly reachesRows: boolean
}

/**
 * Bars of a size of their own, made of rows in order: trades, aggregates, or shorter bars, each as a bar (`trade-bars.ts`). First and last price,
 * the highest and the lowest, the sums of the rest, of the published decimals (`DecimalSum`).
 *
 * - By time a bar opens on the grid and closes with the last microsecond before the next one. By trades or by an amount it opens with its
 *   first row and closes with its last one: the row with which it is full, which is not split, so that it may hold more. Where bars begin
 *   follows from the first row that is given.
 * - No bar is whole over a hole: by trades or an amount the hole ends it. Such a bar, and one that is not full at the end, lacks rows: of them
 *   `expected` is more than `bars`.
 */
export class SizedBars {
  readonly #rule: BarRule
  readonly #amount: AmountColumn
  readonly #range: TimeRange
  readonly #sums = SUMMED.map(() => new DecimalSum())
  #bar: Bar | undefined
  #ended: Bar[] = []
  /** holes behind all rows so far, in order */
  readonly #holes: Hole[] = []
  /** what lies before is in a hole, or in a bar of which a hole has a part */
  #holeEndUs = -Infinity

  /**
   * @param amount what is summed for a rule about an asset
   * @param range of which all rows are given, but for those that are missing
   */
  constructor(rule: BarRule, amount: AmountColumn, range: TimeRange) {
    this.#rule = rule
    this.#amount = amount
    this.#range = range
  }

  /** Rows are missing: told in order, before any row that lies behind the hole. */
  miss(hole: Hole): void {
    this.#holes.push(hole)
  }

  /** Takes more rows, later than all before. */
  push(columns: KlineColumns): void {
    const amounts = SUMMED.map((key) => columns[key])
    for (let row = 0; row < columns.openTime.length; row++) {
      // every column has as many rows as the open times
      const timeUs = Number(columns.openTime[row])
      while (timeUs > (this.#holes[0]?.startUs ?? Infinity)) this.#cross(this.#holes.shift() as Hole, timeUs)
      if (this.#bar !== undefined && timeUs >= this.#endOf(this.#bar)) this.#end()
      const bar = (this.#bar ??= this.#begin(timeUs, numberAt(columns.open, row)))
      // a row in a hole, or the one before it: rows of its bar may be missing
      if (timeUs < this.#holeEndUs || timeUs >= (this.#holes[0]?.startUs ?? Infinity)) bar.isWhole = false
      bar.high = Math.max(bar.high, numberAt(columns.high, row))
      bar.low = Math.min(bar.low, numberAt(columns.low, row))
      bar.close = numberAt(columns.close, row)
      bar.count += Number(columns.count[row])
      bar.rows++
      bar.closeUs = this.#rule.kind === 'time' ? this.#endOf(bar) - 1 : Math.max(bar.closeUs, Number(columns.closeTime[row]))
      this.#sums.forEach((sum, i) => sum.add(numberAt(amounts[i] as Float64Array, row)))
      if (this.#isFull(bar)) this.#end()
    }
  }

  /** Nothing comes any more. */
  finish(): void {
    const [hole] = this.#holes
    if (hole !== undefined) this.#cross(hole, this.#range.endUs)
    if (this.#bar === undefined) return
    // by time it has closed where its range goes on behind it
    if (this.#rule.kind !== 'time' || this.#endOf(this.#bar) > this.#range.endUs) this.#bar.isWhole = false
    this.#end()
  }

  /** The bars that ended since they were last taken. */
  take(): ResampledBars {
    const ended = this.#ended
    this.#ended = []
    const columns = createColumns(ended.length)
    ended.forEach((bar, row) => {
      columns.openTime[row] = BigInt(bar.openUs)
      columns.closeTime[row] = BigInt(bar.closeUs)
      columns.count[row] = BigInt(bar.count)
      for (const key of ['open', 'high', 'low', 'close'] as const) columns[key][row] = bar[key]
      SUMMED.forEach((key, i) => (columns[key][row] = bar.sums[i] as number))
    })
    return {
      columns,
      bars: Int32Array.from(ended, ({ rows }) => rows),
      expected: Int32Array.from(ended, ({ rows, isWhole }) => rows + Number(!isWhole)),
      rounded: Uint8Array.from(ended, ({ rounded }) => rounded),
    }
  }

  #isFull({ count }: Bar): boolean {
    if (this.#rule.kind === 'trades') return count >= this.#rule.trades
    return this.#rule.kind === 'amount' && (this.#sums[SUMMED.indexOf(this.#amount)] as DecimalSum).value() >= this.#rule.amount
  }

  #begin(timeUs: number, price: number): Bar {
    const openUs = this.#rule.kind === 'time' ? Math.floor(timeUs / this.#rule.lengthUs) * this.#rule.lengthUs : timeUs
    for (const sum of this.#sums) sum.clear()
    const prices = { open: price, high: price, low: price, close: price }
    // one by time may have begun before the range, or in a hole
    const isWhole = openUs >= this.#range.startUs && (this.#rule.kind !== 'time' || openUs >= this.#holeEndUs)
    return { openUs, closeUs: openUs, ...prices, count: 0, rows: 0, isWhole, sums: [], rounded: 0 }
  }

  /** From here on rows are of another bar: of one by time, since others end with a row. */
  #endOf({ openUs }: Bar): number {
    return this.#rule.kind === 'time' ? openUs + this.#rule.lengthUs : Infinity
  }

  /** The next row lies behind the beginning of a hole, at this time. */
  #cross({ startUs, endUs, reachesRows }: Hole, nextUs: number): void {
    this.#holeEndUs = Math.max(this.#holeEndUs, endUs, reachesRows ? nextUs : -Infinity)
    if (this.#bar === undefined) return
    if (this.#rule.kind !== 'time') {
      this.#bar.isWhole = false
      this.#end()
    } else if (reachesRows || startUs < this.#endOf(this.#bar)) this.#bar.isWhole = false
  }

  #end(): void {
    if (this.#bar === undefined) return
    const sums = this.#sums.map((sum) => sum.value())
    const rounded = this.#sums.reduce((bits, sum, i) => (sum.isExact ? bits : bits | (1 << i)), 0)
    this.#ended.push({ ...this.#bar, sums, rounded })
    this.#bar = undefined
  }
}
