import { CkvdError } from '../errors.ts'
import { DecimalSum } from './decimal-sum.ts'
import type { Grid, Interval, Phase } from './interval.ts'
import { countSlots, gridOf, nestsIn, nextSlotUs, slotStartUs } from './interval.ts'
import type { KlineColumns } from './kline.ts'
import { pickRows } from './columns.ts'
import { concatColumns, createColumns } from './kline.ts'
import { isoOfUs } from './utc-day.ts'
import { numberAt } from './number-at.ts'

export interface ResampleOptions {
  /** length of the bars that are given */
  readonly from: Interval
  /** length of the bars that are made */
  readonly to: Interval
  /** open time of the series' first bar in microseconds, where it is known: slots before it are not expected */
  readonly firstUs?: number | undefined
  /** phase of the exchange's own bars of `3d`, where they have one of their own: larger bars of `3d` open on those days */
  readonly phase?: Phase | null | undefined
}

/** Larger bars, complete ones and others, in order. */
export interface ResampledBars {
  readonly columns: KlineColumns
  /** smaller slots that have a bar */
  readonly bars: Int32Array
  /** smaller slots of the larger bar; it is complete when all of them have a bar */
  readonly expected: Int32Array
  /**
   * Sums that may be the double beside the right one, because addends had more digits than float64 keeps (see `DecimalSum`): a bit each,
   * the lowest for the first of `SUM_COLUMNS`
   */
  readonly rounded: Uint8Array
}

/** The columns that are summed as decimals. */
export const SUM_COLUMNS = ['volume', 'quoteVolume', 'takerBuyVolume', 'takerBuyQuoteVolume'] as const

/**
 * Larger bars out of smaller ones, on the exchange's own grid (weeks open on Monday, three days on days that are 1 modulo 3 since
 * 1970-01-01, months are the calendar's), given piece by piece so that a year need not be in memory at once.
 *
 * A bar is the first open, the last close, the highest high, the lowest low and the sums of the rest, exact as `DecimalSum` says. On
 * COIN-M futures the sum of `quoteVolume` is base volume, as it is published.
 * - `openTime` is the slot's start and `closeTime` its last millisecond, or its last microsecond where the smaller bars have those.
 * - A bar belongs to the slot in which it opens, on the grid or off it, and fills one smaller slot; two bars in one smaller slot (spot,
 *   2017-12-04 06:00) are both real and both counted in, but fill it once.
 * - A slot without any smaller bar gets no bar.
 */
export class Resampler {
  readonly #options: ResampleOptions
  readonly #grid: Grid
  readonly #sums = [new DecimalSum(), new DecimalSum(), new DecimalSum(), new DecimalSum()] as const
  #open = 0
  #high = 0
  #low = 0
  #close = 0
  #count = 0
  /** unit of the last close time in microseconds */
  #unitUs = 1
  #bars = 0
  #slotUs = Number.NaN
  #nextUs = -Infinity
  #nextSmallUs = -Infinity
  #lastUs = -Infinity

  /** Throws CKVD_USAGE when bars of `from` do not make up bars of `to`. */
  constructor(options: ResampleOptions) {
    checkNesting(options.from, options.to)
    this.#options = options
    this.#grid = gridOf({ interval: options.to, phase: options.phase })
  }

  /** Takes more bars, later than all before; gives the larger bars after which one of a later slot has come. Throws CKVD_USAGE. */
  push(columns: KlineColumns): ResampledBars {
    const { from } = this.#options
    const target = createResampled(this.#countEnded(columns.openTime))
    const [volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume] = this.#sums
    let ended = 0
    for (let row = 0; row < columns.openTime.length; row++) {
      // every column has as many rows as the open times
      const timeUs = Number(columns.openTime[row])
      if (timeUs < this.#lastUs) throw outOfOrder(timeUs, this.#lastUs)
      this.#lastUs = timeUs
      const high = numberAt(columns.high, row)
      const low = numberAt(columns.low, row)
      if (timeUs >= this.#nextUs) {
        if (this.#bars > 0) this.#end(target, ended++)
        this.#begin(slotStartUs(timeUs, this.#grid))
        this.#open = numberAt(columns.open, row)
        this.#high = high
        this.#low = low
      }
      if (timeUs >= this.#nextSmallUs) {
        this.#nextSmallUs = nextSlotUs(slotStartUs(timeUs, from), from)
        this.#bars++
      }
      if (high > this.#high) this.#high = high
      if (low < this.#low) this.#low = low
      this.#close = numberAt(columns.close, row)
      this.#unitUs = Number(columns.closeTime[row]) % 1000 === 0 ? 1000 : 1
      this.#count += Number(columns.count[row])
      volume.add(numberAt(columns.volume, row))
      quoteVolume.add(numberAt(columns.quoteVolume, row))
      takerBuyVolume.add(numberAt(columns.takerBuyVolume, row))
      takerBuyQuoteVolume.add(numberAt(columns.takerBuyQuoteVolume, row))
    }
    return target
  }

  /** The last bar, if there is one; the next `push` begins anew. */
  finish(): ResampledBars {
    const target = createResampled(this.#bars > 0 ? 1 : 0)
    if (this.#bars > 0) this.#end(target, 0)
    this.#bars = 0
    this.#nextUs = -Infinity
    this.#nextSmallUs = -Infinity
    this.#lastUs = -Infinity
    return target
  }

  /** How many larger bars `push` will give. */
  #countEnded(openTimes: BigInt64Array): number {
    let nextUs = this.#nextUs
    let slots = this.#bars > 0 ? 1 : 0
    for (const time of openTimes) {
      if (Number(time) < nextUs) continue
      nextUs = nextSlotUs(slotStartUs(Number(time), this.#grid), this.#grid)
      slots++
    }
    return Math.max(0, slots - 1)
  }

  #begin(slotUs: number): void {
    this.#slotUs = slotUs
    this.#nextUs = nextSlotUs(slotUs, this.#grid)
    this.#bars = 0
    this.#count = 0
    for (const sum of this.#sums) sum.clear()
  }

  #end({ columns, bars, expected, rounded }: ResampledBars, at: number): void {
    const [volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume] = this.#sums
    columns.openTime[at] = BigInt(this.#slotUs)
    columns.open[at] = this.#open
    columns.high[at] = this.#high
    columns.low[at] = this.#low
    columns.close[at] = this.#close
    columns.volume[at] = volume.value()
    columns.closeTime[at] = BigInt(this.#nextUs - this.#unitUs)
    columns.quoteVolume[at] = quoteVolume.value()
    columns.count[at] = BigInt(this.#count)
    columns.takerBuyVolume[at] = takerBuyVolume.value()
    columns.takerBuyQuoteVolume[at] = takerBuyQuoteVolume.value()
    bars[at] = this.#bars
    expected[at] = countSlots(Math.max(this.#slotUs, this.#firstSmallUs()), this.#nextUs, this.#options.from)
    rounded[at] = this.#sums.reduce((bits, sum, i) => (sum.isExact ? bits : bits | (1 << i)), 0)
  }

  #firstSmallUs(): number {
    const { firstUs, from } = this.#options
    return firstUs === undefined ? -Infinity : slotStartUs(firstUs, from)
  }
}

/** Larger bars of all rows at once. Throws CKVD_USAGE as `Resampler` does. */
export function resampleColumns(columns: KlineColumns, options: ResampleOptions): ResampledBars {
  const resampler = new Resampler(options)
  return concatResampled([resampler.push(columns), resampler.finish()])
}

/** Throws CKVD_USAGE when bars of `from` do not make up bars of `to`. */
export function checkNesting(from: Interval, to: Interval): void {
  if (nestsIn(from, to)) return
  throw new CkvdError('CKVD_USAGE', `Expected an interval that is made of whole bars of ${from}, got ${to}.`, {
    details: { from, to },
  })
}

/** True when no smaller bar is missing in the larger one. */
export function isComplete({ bars, expected }: Pick<ResampledBars, 'bars' | 'expected'>, row: number): boolean {
  return (bars[row] as number) >= (expected[row] as number)
}

/** The rows that `keep` lets through; the same object when it is all of them. */
export function filterResampled(source: ResampledBars, keep: (row: number) => boolean): ResampledBars {
  const rows: number[] = []
  for (let row = 0; row < source.bars.length; row++) if (keep(row)) rows.push(row)
  if (rows.length === source.bars.length) return source
  return {
    columns: pickRows(source.columns, rows),
    bars: Int32Array.from(rows, (row) => source.bars[row] as number),
    expected: Int32Array.from(rows, (row) => source.expected[row] as number),
    rounded: Uint8Array.from(rows, (row) => source.rounded[row] as number),
  }
}

/** Several sets of larger bars, one after the other. */
export function concatResampled(parts: readonly ResampledBars[]): ResampledBars {
  return {
    columns: concatColumns(parts.map(({ columns }) => columns)),
    bars: Int32Array.from(parts.flatMap(({ bars }) => [...bars])),
    expected: Int32Array.from(parts.flatMap(({ expected }) => [...expected])),
    rounded: Uint8Array.from(parts.flatMap(({ rounded }) => [...rounded])),
  }
}

function createResampled(length: number): ResampledBars {
  return {
    columns: createColumns(length),
    bars: new Int32Array(length),
    expected: new Int32Array(length),
    rounded: new Uint8Array(length),
  }
}

function outOfOrder(timeUs: number, lastUs: number): CkvdError {
  return new CkvdError('CKVD_USAGE', `Expected bars in the order of their open times, got ${isoOfUs(timeUs)} after ${isoOfUs(lastUs)}.`)
}
