import type { Interval } from '../../model/interval.ts'
import { nextSlotMs, slotStartMs } from '../grid.ts'
import { numberAt } from '../../model/number-at.ts'

/**
 * Bars as integers: prices in ticks, volumes in units of the last printed decimal, so that sums are exact.
 * Quote volumes pass 2^53 in a day, so they are kept as whole part and fraction (of `quoteDecimals` digits).
 * One flat array, a bar a row of `STRIDE` numbers: cheap to copy, to cut and to sum.
 */
export interface Bars {
  readonly data: Float64Array
  readonly length: number
}

/** Offsets within a row of `Bars.data`. */
export const OPEN_MS = 0
export const OPEN = 1
export const HIGH = 2
export const LOW = 3
export const CLOSE = 4
export const VOLUME = 5
export const QUOTE = 6
const QUOTE_FRACTION = 7
export const COUNT = 8
export const TAKER = 9
export const TAKER_QUOTE = 10
const TAKER_QUOTE_FRACTION = 11
export const STRIDE = 12

/** Bars from rows laid one after the other. */
export function barsOf(data: Float64Array): Bars {
  return { data, length: data.length / STRIDE }
}

export function openMsAt(bars: Bars, index: number): number {
  return numberAt(bars.data, index * STRIDE)
}

/** The bars whose open time passes `keep`; the same object when all do. */
export function filterBars(bars: Bars, keep: (openMs: number) => boolean): Bars {
  const kept: number[] = []
  for (let i = 0; i < bars.length; i++) if (keep(openMsAt(bars, i))) kept.push(i)
  if (kept.length === bars.length) return bars
  const data = new Float64Array(kept.length * STRIDE)
  kept.forEach((from, to) => {
    data.set(bars.data.subarray(from * STRIDE, (from + 1) * STRIDE), to * STRIDE)
  })
  return barsOf(data)
}

export function concatBars(parts: readonly Bars[]): Bars {
  const data = new Float64Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  let offset = 0
  for (const part of parts) {
    data.set(part.data, offset)
    offset += part.data.length
  }
  return barsOf(data)
}

/** A copy in which `change` may edit rows; it gets the array and the offset of each row. */
export function editBars(bars: Bars, change: (data: Float64Array, offset: number, index: number) => void): Bars {
  const data = bars.data.slice()
  for (let i = 0; i < bars.length; i++) change(data, i * STRIDE, i)
  return barsOf(data)
}

/**
 * Longer bars from shorter ones in order: open of the first, close of the last, highest high, lowest low, sums.
 * A slot without any shorter bar has no bar. `quoteBase` is 10^quoteDecimals.
 */
export function aggregateBars(bars: Bars, interval: Interval, quoteBase: number): Bars {
  const source = bars.data
  const target = new Float64Array(source.length)
  let at = -STRIDE
  let slotEnd = -Infinity
  for (let from = 0; from < source.length; from += STRIDE) {
    const openMs = numberAt(source, from)
    if (openMs >= slotEnd) {
      const slotMs = slotStartMs(openMs, interval)
      slotEnd = nextSlotMs(slotMs, interval)
      at += STRIDE
      target.set(source.subarray(from, from + STRIDE), at)
      target[at + OPEN_MS] = slotMs
      continue
    }
    if (numberAt(source, from + HIGH) > numberAt(target, at + HIGH)) target[at + HIGH] = numberAt(source, from + HIGH)
    if (numberAt(source, from + LOW) < numberAt(target, at + LOW)) target[at + LOW] = numberAt(source, from + LOW)
    target[at + CLOSE] = numberAt(source, from + CLOSE)
    for (const column of SUMMED) target[at + column] = numberAt(target, at + column) + numberAt(source, from + column)
    carry(target, at + QUOTE, quoteBase)
    carry(target, at + TAKER_QUOTE, quoteBase)
  }
  return barsOf(target.slice(0, at + STRIDE))
}

const SUMMED = [VOLUME, QUOTE, QUOTE_FRACTION, COUNT, TAKER, TAKER_QUOTE, TAKER_QUOTE_FRACTION] as const

function carry(data: Float64Array, at: number, base: number): void {
  const fraction = numberAt(data, at + 1)
  if (fraction < base) return
  data[at] = numberAt(data, at) + 1
  data[at + 1] = fraction - base
}
