/**
 * The cells of a row that is read by the description of its columns. Each step writes what stands at `p` and gives where the cell
 * ends, which must be its separator; 0 where it takes nothing.
 */

import { digitsBefore, nonDigits, parseDigits } from './digits'

const DOT: u8 = 46
const MINUS: u8 = 45
/** `true` and `false` in lower case; `LOWER` makes the first letter of a word small. */
const TRUE: u64 = 0x65757274
const FALSE: u64 = 0x65736c6166
const LOWER: u64 = 0x20
const MASK_4: u64 = 0xffffffff
const MASK_5: u64 = 0xffffffffff

const TWO_POW_53: u64 = 1 << 53
/** Digits of which any number fits 64 bits. */
const U64_DIGITS: u64 = 19
const F64_POW10 = memory.data<f64>([1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15])
const U64_POW10 = memory.data<u64>([
  1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
  100000000000000, 1000000000000000,
])

/** A class only because functions outside of one cannot have decorators, and these are to be inlined. */
export class TableCell {
  /** A decimal of 1 to 15 digits before the point and none or 1 to 15 after it; of more than 9 after it a mantissa below 2^53. */
  @inline
  static float64(p: usize, cell: usize): usize {
    const isMinus = load<u8>(p) == MINUS
    p += <usize>isMinus
    let word = load<u64>(p)
    let digits = digitsBefore(nonDigits(word))
    if (digits == 0) return 0
    let whole = parseDigits(word, digits)
    p += <usize>digits
    let wholeDigits = digits
    if (digits == 8) {
      word = load<u64>(p)
      digits = digitsBefore(nonDigits(word))
      if (digits == 8) return 0
      if (digits != 0) {
        whole = whole * load<u64>(U64_POW10 + ((<usize>digits) << 3)) + parseDigits(word, digits)
        p += <usize>digits
        wholeDigits += digits
      }
    }
    let value = <f64>(<i64>whole)
    if (load<u8>(p) == DOT) {
      // ---- digits after the point: on spot always 8
      word = load<u64>(++p)
      digits = digitsBefore(nonDigits(word))
      if (digits == 0) return 0
      let fraction = parseDigits(word, digits)
      p += <usize>digits
      if (digits == 8) {
        word = load<u64>(p)
        const more = digitsBefore(nonDigits(word))
        if (more == 8) return 0
        if (more != 0) {
          fraction = fraction * load<u64>(U64_POW10 + ((<usize>more) << 3)) + parseDigits(word, more)
          p += <usize>more
          digits += more
        }
      }
      const scale = load<f64>(F64_POW10 + ((<usize>digits) << 3))
      if (digits <= 9) {
        // see `csv-scan.ts` for why either is rounded correctly
        const mantissa = value * scale + <f64>(<i64>fraction)
        value = mantissa < <f64>TWO_POW_53 ? mantissa / scale : value + <f64>(<i64>fraction) / scale
      } else {
        if (wholeDigits + digits > U64_DIGITS) return 0
        const mantissa = whole * load<u64>(U64_POW10 + ((<usize>digits) << 3)) + fraction
        if (mantissa > TWO_POW_53) return 0
        value = <f64>(<i64>mantissa) / scale
      }
    }
    value = reinterpret<f64>(reinterpret<u64>(value) | ((<u64>isMinus) << 63))
    store<f64>(cell, value)
    return p
  }

  /**
   * A whole number of 1 to 15 digits. At `usual` stands how many digits the last long one of the column had past its eighth: ids of a day have
   * as many each. The processor predicts that they have, and goes on to the next cell without waiting until the digits are counted.
   */
  @inline
  static int64(p: usize, cell: usize, usual: usize): usize {
    const isMinus = load<u8>(p) == MINUS
    p += <usize>isMinus
    let word = load<u64>(p)
    let digits = digitsBefore(nonDigits(word))
    if (digits == 0) return 0
    let whole: i64 = parseDigits(word, digits)
    if (digits == 8) {
      word = load<u64>(p, 8)
      digits = digitsBefore(nonDigits(word))
      if (digits == 8) return 0
      if (digits != 0) whole = whole * load<i64>(U64_POW10 + ((<usize>digits) << 3)) + parseDigits(word, digits)
      const guess = load<u32>(usual)
      if (digits == <u64>guess) {
        p += 8 + <usize>guess
      } else {
        p += 8 + <usize>digits
        store<u32>(usual, <u32>digits)
      }
    } else {
      p += <usize>digits
    }
    if (isMinus) whole = -whole
    store<i64>(cell, whole)
    return p
  }

  /** `true`, `True`, `false` or `False`. Which of them it is no processor can guess, so nothing branches on it. */
  @inline
  static bool(p: usize, cell: usize): usize {
    const word = load<u64>(p) | LOWER
    const isTrue = (word & MASK_4) == TRUE
    const isFalse = (word & MASK_5) == FALSE
    if (!(isTrue | isFalse)) return 0
    store<u8>(cell, <u8>isTrue)
    return p + 5 - <usize>isTrue
  }
}
