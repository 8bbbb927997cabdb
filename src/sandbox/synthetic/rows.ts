import type { Interval } from '../../model/interval.ts'
import type { Bars } from './bars.ts'
import { CLOSE, COUNT, HIGH, LOW, OPEN, OPEN_MS, QUOTE, STRIDE, TAKER, TAKER_QUOTE, VOLUME } from './bars.ts'
import { nextSlotMs } from '../grid.ts'
import type { Profile } from './profile.ts'
import { numberAt } from '../../model/number-at.ts'

/** More bytes than any row takes: 12 cells of at most 17 digits, their separators and quotes. */
const MAX_ROW_BYTES = 288

const COMMA = 44
const DOT = 46
const ZERO = 48
const LINE_FEED = 10

export const CSV_HEADER =
  'open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n'

/** The unit of the times of an archive. */
export type TimeUnit = 'ms' | 'us'

/** The CSV lines of bars, as an archive holds them (without header). */
export function encodeCsvRows(bars: Bars, profile: Profile, interval: Interval, unit: TimeUnit): Buffer {
  const writer = new DigitWriter(bars.length * MAX_ROW_BYTES)
  const { priceDecimals, volumeDecimals, quoteDecimals, printed, bareZero } = profile
  const data = bars.data
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    writer.time(openMs, unit, 0)
    writer.byte(COMMA)
    for (const column of [OPEN, HIGH, LOW, CLOSE]) {
      writer.decimal(numberAt(data, at + column), priceDecimals, printed.price, false)
      writer.byte(COMMA)
    }
    writer.decimal(numberAt(data, at + VOLUME), volumeDecimals, printed.volume, bareZero)
    writer.byte(COMMA)
    writer.time(closeMsOf(openMs, interval), unit, 999)
    writer.byte(COMMA)
    writer.parts(numberAt(data, at + QUOTE), numberAt(data, at + QUOTE + 1), quoteDecimals, printed.quote, bareZero)
    writer.byte(COMMA)
    writer.integer(numberAt(data, at + COUNT))
    writer.byte(COMMA)
    writer.decimal(numberAt(data, at + TAKER), volumeDecimals, printed.volume, bareZero)
    writer.byte(COMMA)
    writer.parts(numberAt(data, at + TAKER_QUOTE), numberAt(data, at + TAKER_QUOTE + 1), quoteDecimals, printed.quote, bareZero)
    writer.byte(COMMA)
    writer.byte(ZERO)
    writer.byte(LINE_FEED)
  }
  return writer.bytes()
}

/** The body of a REST answer: an array of rows, numbers as strings, times in milliseconds. */
export function encodeRestBody(bars: Bars, profile: Profile, interval: Interval): Buffer {
  const writer = new DigitWriter(bars.length * MAX_ROW_BYTES + 2)
  const { priceDecimals, volumeDecimals, quoteDecimals, printed } = profile
  const data = bars.data
  writer.text('[')
  for (let at = 0; at < data.length; at += STRIDE) {
    const openMs = numberAt(data, at + OPEN_MS)
    writer.text(at === 0 ? '[' : ',[')
    writer.integer(openMs)
    for (const column of [OPEN, HIGH, LOW, CLOSE]) {
      writer.text(column === OPEN ? ',"' : '","')
      writer.decimal(numberAt(data, at + column), priceDecimals, printed.price, false)
    }
    writer.text('","')
    writer.decimal(numberAt(data, at + VOLUME), volumeDecimals, printed.volume, false)
    writer.text('",')
    writer.integer(closeMsOf(openMs, interval))
    writer.text(',"')
    writer.parts(numberAt(data, at + QUOTE), numberAt(data, at + QUOTE + 1), quoteDecimals, printed.quote, false)
    writer.text('",')
    writer.integer(numberAt(data, at + COUNT))
    writer.text(',"')
    writer.decimal(numberAt(data, at + TAKER), volumeDecimals, printed.volume, false)
    writer.text('","')
    writer.parts(numberAt(data, at + TAKER_QUOTE), numberAt(data, at + TAKER_QUOTE + 1), quoteDecimals, printed.quote, false)
    writer.text('","0"]')
  }
  writer.text(']')
  return writer.bytes()
}

/** The last millisecond of a bar. */
function closeMsOf(openMs: number, interval: Interval): number {
  return nextSlotMs(openMs, interval) - 1
}

/** Writes digits straight into a buffer: no string is made for a cell, which is what makes a day cost half a millisecond. */
class DigitWriter {
  readonly #buffer: Buffer
  #at = 0

  constructor(sizeBytes: number) {
    this.#buffer = Buffer.allocUnsafe(sizeBytes)
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }

  byte(code: number): void {
    this.#buffer[this.#at++] = code
  }

  text(ascii: string): void {
    for (let i = 0; i < ascii.length; i++) this.#buffer[this.#at++] = ascii.charCodeAt(i)
  }

  /** Milliseconds, or microseconds that end in `microseconds`. */
  time(ms: number, unit: TimeUnit, microseconds: number): void {
    this.integer(ms)
    if (unit === 'us') this.#padded(microseconds, 3)
  }

  /** An integer from 0 to 2^53. */
  integer(value: number): void {
    if (value < 100_000_000) {
      let width = 1
      for (let limit = 10; value >= limit; limit *= 10) width++
      this.#padded(value, width)
      return
    }
    const head = Math.floor(value / 100_000_000)
    this.integer(head)
    this.#padded(value - head * 100_000_000, 8)
  }

  /** `units` of the last of `decimals` decimals, printed with `printed` of them. */
  decimal(units: number, decimals: number, printed: number, bareZero: boolean): void {
    const base = POWERS[decimals] as number
    const whole = Math.floor(units / base)
    this.parts(whole, units - whole * base, decimals, printed, bareZero)
  }

  /** A whole part and a fraction of `decimals` digits, printed with `printed` of them (zeros added). */
  parts(whole: number, fraction: number, decimals: number, printed: number, bareZero: boolean): void {
    this.integer(whole)
    if (printed === 0 || (bareZero && whole === 0 && fraction === 0)) return
    this.byte(DOT)
    this.#padded(fraction, decimals)
    for (let i = decimals; i < printed; i++) this.byte(ZERO)
  }

  /** Exactly `width` digits, at most 8, of a value below 10^width; two digits a step. */
  #padded(value: number, width: number): void {
    const buffer = this.#buffer
    let rest = value | 0
    let at = this.#at + width
    for (let left = width; left > 1; left -= 2) {
      const next = (rest / 100) | 0
      const pair = (rest - next * 100) << 1
      buffer[--at] = PAIRS[pair + 1] as number
      buffer[--at] = PAIRS[pair] as number
      rest = next
    }
    if ((width & 1) === 1) buffer[at - 1] = ZERO + rest
    this.#at += width
  }
}

/** `000102…99`. */
const PAIRS = Buffer.from(Array.from({ length: 100 }, (_, pair) => String(pair).padStart(2, '0')).join(''))

const POWERS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000] as const
