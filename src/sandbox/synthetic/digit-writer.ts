const DOT = 46
const ZERO = 48

/** The unit of the times of an archive. */
export type TimeUnit = 'ms' | 'us'

/** Writes digits straight into a buffer: no string is made for a cell, which is what makes a day cost half a millisecond. */
export class DigitWriter {
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
