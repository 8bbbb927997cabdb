/** The numbers of a row. Each step gives what comes after its cell and the comma behind it; 0 where it takes nothing. */

import { digitsBefore, nonDigits, parseDigits, parseEight } from './digits'

const COMMA: u8 = 44
const DOT: u8 = 46
/** `0` and a line feed: how nearly all rows end. */
export const ZERO_LF: u16 = 0x0a30

/** What a number is, which decides how it is read. */
export const PRICE = 0
export const AMOUNT = 1
export const COUNT = 2
const TWO_POW_53: f64 = 9007199254740992
const F64_POW10 = memory.data<f64>([1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9])
const U64_POW10 = memory.data<u64>([1, 10, 100, 1000, 10000, 100000, 1000000, 10000000])

/** How many digits the prices have before the point. */
let usual: u64 = 1

/** The steps of a row. A class only because functions outside of one cannot have decorators, and these are to be inlined. */
export class Cell {
  /** A number of 1 to 15 digits before the point and, unless it is a count, 0 to 9 after it, and its comma. `kind` is constant where this is inlined. */
  @inline
  static number(p: usize, cell: usize, kind: i32): usize {
    let word = load<u64>(p)
    let digits = digitsBefore(nonDigits(word))
    if (digits == 0) return 0
    let whole = parseDigits(word, digits)
    if (kind == PRICE && digits == usual) {
      // The four prices of a row have as many digits each. The processor predicts this branch, and goes on to the next
      // cell without waiting until the digits are counted.
      p += <usize>usual
    } else {
      if (kind == PRICE) usual = digits == 8 ? 1 : digits
      p += <usize>digits
      if (digits == 8) {
        word = load<u64>(p)
        digits = digitsBefore(nonDigits(word))
        if (digits == 8) return 0
        if (digits != 0) {
          whole = whole * load<u64>(U64_POW10 + ((<usize>digits) << 3)) + parseDigits(word, digits)
          p += <usize>digits
        }
      }
    }
    if (kind == COUNT) {
      store<u64>(cell, whole)
      return load<u8>(p) == COMMA ? p + 1 : 0
    }
    const value = <f64>(<i64>whole)
    if (load<u8>(p) != DOT) {
      store<f64>(cell, value)
      return load<u8>(p) == COMMA ? p + 1 : 0
    }
    // ---- digits after the point: 1 to 9, on spot always 8
    word = load<u64>(p, 1)
    const others = nonDigits(word)
    if (others == 0 && load<u8>(p, 9) == COMMA) {
      Cell.store(cell, value, <f64>(<i64>parseEight(word)), 100000000)
      return p + 10
    }
    p++
    let fraction: u64
    if (others == 0) {
      const ninth = (<u32>load<u8>(p, 8)) ^ 48
      if (ninth > 9) return 0
      fraction = parseEight(word) * 10 + ninth
      digits = 9
    } else {
      digits = digitsBefore(others)
      if (digits == 0) return 0
      fraction = parseDigits(word, digits)
    }
    p += <usize>digits
    Cell.store(cell, value, <f64>(<i64>fraction), load<f64>(F64_POW10 + ((<usize>digits) << 3)))
    return load<u8>(p) == COMMA ? p + 1 : 0
  }

  @inline
  static store(cell: usize, whole: f64, fraction: f64, scale: f64): void {
    const mantissa = whole * scale + fraction
    store<f64>(cell, mantissa < TWO_POW_53 ? mantissa / scale : whole + fraction / scale)
  }
}

/** Past the decimal at `p` of at most 15 digits before and 9 after the point; 0 where there is none. */
export function skipDecimal(p: usize): usize {
  const whole = skipDigits(p, 15)
  if (whole == p) return 0
  if (load<u8>(whole) != DOT) return whole
  const fraction = skipDigits(whole + 1, 9)
  return fraction == whole + 1 ? 0 : fraction
}

function skipDigits(start: usize, max: usize): usize {
  let p = start
  while (p < start + max && ((<u32>load<u8>(p)) ^ 48) < 10) p++
  return p
}
