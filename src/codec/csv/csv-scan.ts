import { MAX_TIME_US, MIN_TIME_US } from './csv-row.ts'
import type { RowTable } from './row-table.ts'

const LF = 10
const CR = 13
const COMMA = 44
/** `byte ^ 48` is 0 to 9 exactly for the digits, so one comparison tells them; a missing byte (undefined) gives 48, no digit. */
const ZERO = 48
const DOT = 46 ^ ZERO

const OPEN_TIME = 0
const CLOSE_TIME = 6
const COUNT = 8
const IGNORE = 11

const TWO_POW_32 = 4_294_967_296
const TWO_POW_53 = 9_007_199_254_740_992
const POW10 = new Float64Array([1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9])

/** Digits that fit an int32 with certainty. */
const INT32_DIGITS = 9
/** Digits that fit a double exactly with certainty. */
const DOUBLE_DIGITS = 15
/** A cell of a row that is taken has at most 15 + 1 + 9 digits and a separator; with this many bytes left no read is past the end. */
const MARGIN_BYTES = 12 * 28

/**
 * Scans rows from `start` into the table until a row is not one that it knows, and returns the offset where that row begins
 * (at the latest a few rows before the end). It writes a row only when the whole of it was fine. What it leaves to `parseRow`:
 * more than 15 digits before or 9 after the point, the last rows before the end, and every error.
 *
 * How a decimal is rounded correctly without its text:
 * - With w digits before and f after the point, mantissa = whole × 10^k + fraction. Below 2^53 it is exact, and so the one
 *   division mantissa / 10^k rounds correctly (10^k is exact up to k = 22).
 * - Above, whole + fraction / 10^k rounds correctly too, although it rounds twice. The quotient is off by at most 2^-54, so the
 *   sum could only go wrong with a midpoint of two doubles closer than that. Midpoints lie at multiples of 2^-m, and with
 *   mantissa >= 2^53 and k <= 9, m <= 30. A midpoint that the decimal meets has an exact quotient; any other one is at least
 *   gcd(2^m, 10^k) / (2^m × 10^k) away, which is never below 4 × 10^-16, seven times 2^-54.
 */
export function scanRows(bytes: Uint8Array, start: number, table: RowTable): number {
  let { floats, words, capacity } = table
  let row = table.rows
  let at = start // of the row
  let p = start

  const last = bytes.length - MARGIN_BYTES
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  rows: while (at <= last) {
    if (row === capacity) {
      table.rows = row
      table.grow()
      ;({ floats, words, capacity } = table)
    }
    let openTimeUs = 0
    for (let column = OPEN_TIME; column <= IGNORE; column++) {
      const cell = column * capacity + row
      if (column === OPEN_TIME || column === CLOSE_TIME) {
        // ---- a time: 13 digits (milliseconds) or 16 (microseconds); the first eight mean the same in both
        const a = fourDigits(view.getInt32(p, true))
        const b = fourDigits(view.getInt32(p + 4, true))
        const c = fourDigits(view.getInt32(p + 8, true))
        const digit = (bytes[p + 12] as number) ^ ZERO
        if ((a | b | c) < 0 || digit > 9) break rows
        let timeUs = (a * 10_000 + b) * 1e8
        if (bytes[p + 13] === COMMA) {
          timeUs += (c * 10 + digit) * 1000
          p += 13
        } else {
          const d = fourDigits(view.getInt32(p + 12, true))
          if (d < 0) break rows
          timeUs += c * 10_000 + d
          p += 16
        }
        if (timeUs < MIN_TIME_US || timeUs >= MAX_TIME_US) break rows
        if (column === OPEN_TIME) openTimeUs = timeUs
        else if (timeUs < openTimeUs) break rows
        words[2 * cell] = timeUs
        words[2 * cell + 1] = timeUs / TWO_POW_32
      } else {
        // ---- digits before the point
        const first = p
        let digit = (bytes[p] as number) ^ ZERO
        let int = 0
        for (; digit <= 9; digit = (bytes[++p] as number) ^ ZERO) int = (Math.imul(int, 10) + digit) | 0
        const wholeDigits = p - first
        if (wholeDigits === 0) break rows
        let whole = int
        if (wholeDigits > INT32_DIGITS) {
          if (wholeDigits > DOUBLE_DIGITS) break rows
          whole = 0
          for (let i = first; i < p; i++) whole = whole * 10 + ((bytes[i] as number) ^ ZERO)
        }
        if (column === COUNT) {
          words[2 * cell] = whole
          words[2 * cell + 1] = whole / TWO_POW_32
        } else {
          let value = whole
          if (digit === DOT) {
            // ---- digits after the point
            let fraction = 0
            const point = p + 1
            digit = (bytes[++p] as number) ^ ZERO
            const a = fourDigits(view.getInt32(p, true))
            if (a >= 0) {
              const b = fourDigits(view.getInt32(p + 4, true))
              if (b >= 0) {
                fraction = Math.imul(a, 10_000) + b
                p += 8
              } else {
                fraction = a
                p += 4
              }
              digit = (bytes[p] as number) ^ ZERO
            }
            for (; digit <= 9; digit = (bytes[++p] as number) ^ ZERO) fraction = (Math.imul(fraction, 10) + digit) | 0
            const k = p - point
            if (k === 0 || k > INT32_DIGITS) break rows
            const scale = POW10[k] as number
            const mantissa = whole * scale + fraction
            value = mantissa < TWO_POW_53 ? mantissa / scale : whole + fraction / scale
          }
          if (column !== IGNORE) floats[cell] = value
        }
      }
      // ---- the separator
      if (column !== IGNORE) {
        if (bytes[p] !== COMMA) break rows
        p++
      } else {
        if (bytes[p] === CR) p++
        if (bytes[p] !== LF) break rows
        p++
      }
    }
    const open = floats[capacity + row] as number
    const high = floats[2 * capacity + row] as number
    const low = floats[3 * capacity + row] as number
    const close = floats[4 * capacity + row] as number
    if (high < open || high < close || low > open || low > close) break
    row++
    at = p
  }
  table.rows = row
  return at
}

/**
 * Four digits at once: `word` is four bytes, the first in the lowest. Negative when one of them is no digit.
 * After the xor a digit is at most 9; adding 0x76 to anything larger sets the top bit of its byte.
 */
function fourDigits(word: number): number {
  const digits = word ^ 0x30303030
  if (((digits | (digits + 0x76767676)) & 0x80808080) !== 0) return -1
  const pairs = Math.imul(digits, 10) + (digits >>> 8)
  return Math.imul(pairs & 0xff, 100) + ((pairs >>> 16) & 0xff)
}
