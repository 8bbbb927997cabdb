/**
 * Rows as nearly all are, sixteen bytes at a time: prices with as many digits before and after the point as those of the row
 * before, amounts with as many after it; other amounts are left to `csv-cells.ts`. Such a decimal is loaded so that its point is always
 * the same byte, however long it is: then one subtraction checks all of its bytes, and multiplications of neighbours join its
 * digits. Nothing waits for a check: what is wrong in a row is gathered, and looked at once, at its end.
 *
 * A decimal is an integer below 2^53 divided by 10^8 or 10^7, which rounds once: the nearest double, as in `csv-cells.ts`.
 */

import { AMOUNT, Cell, COMMA, digitsBefore, DOT, joinDigits, nonDigits, skipDecimal, skipDigits, ZERO_LF, ZEROS } from './csv-cells'

const TWO_POW_52: f64 = 4503599627370496
/** The bits of 2^52 as a double: below them stands whatever integer is added to it. */
const TWO_POW_52_BITS: i64 = 0x4330000000000000

/** From `8 - n` on sixteen zeros, with a point behind `n` of them, and how much more each byte may be. */
const POINT_ZEROS = memory.data<u8>([48, 48, 48, 48, 48, 48, 48, 48, 46, 48, 48, 48, 48, 48, 48, 48, 48], 16)
const POINT_LIMITS = memory.data<u8>([9, 9, 9, 9, 9, 9, 9, 9, 0, 9, 9, 9, 9, 9, 9, 9, 9], 16)
/** From `n` on a mask of the last `n` of sixteen bytes, from `32 - n` on of the first `n`. */
const MASKS = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
])
/**
 * Masks of 0 to 8 digits before a point that is the eighth byte, then of a point that is the ninth, each with all that is behind
 * them. That of no digit has the byte before the point as well: a comma, which is found to be no digit.
 */
const WHOLE_MASKS = memory.data(2 * 9 * 16, 16)
for (let digits: usize = 0; digits <= 8; digits++) {
  const kept = max<usize>(digits, 1)
  v128.store(WHOLE_MASKS + (digits << 4), v128.load(MASKS + 9 + min<usize>(kept, 7)))
  v128.store(WHOLE_MASKS + ((9 + digits) << 4), v128.load(MASKS + 8 + kept))
}

/** The form of rows: digits of a time (0: no form is known) and what makes microseconds of it; digits before and after the points. */
let timeDigits: usize = 0
let timeScale: f64 = 0
let priceWhole: usize = 0
let priceFraction: usize = 0
let volumeFraction: usize = 0
let quoteFraction: usize = 0
/** Rows that are looked at for long amounts, which takes a fifth more time. */
let longRows: u32 = 0
const MAX_LONG_ROWS: u32 = 16

/** Learns the form of rows from one that was taken. */
export function learnForm(at: usize): void {
  timeDigits = load<u8>(at, 13) == COMMA ? 13 : 16
  timeScale = timeDigits == 13 ? 1000 : 1
  let p = at + timeDigits + 1
  const point = skipDigits(p, 9)
  priceWhole = point - p
  priceFraction = fractionAt(point)
  for (let price = 0; price < 4; price++) p = skipDecimal(p) + 1
  volumeFraction = fractionAt(skipDigits(p, 15))
  p = skipDigits(skipDecimal(p) + 1, 16) + 1
  quoteFraction = fractionAt(skipDigits(p, 15))
  if (priceWhole > Decimal.pointAt(priceFraction)) timeDigits = 0
}

/** How many digits, at most eight, are behind a point; 0 where there is none, or more: then no number is of this form. */
function fractionAt(point: usize): usize {
  if (load<u8>(point) != DOT) return 0
  const digits = skipDigits(point + 1, 9) - point - 1
  return digits > 8 ? 0 : digits
}

/**
 * Takes the row at `at` into the cells that begin with `first`; gives where the next row begins. 0: it is not of the usual form,
 * and its cells hold anything. It reads from 16 bytes before `at` to 255 after it, whatever is there. `maxTimeUs` is at most 2^52.
 */
export function usualRow(at: usize, first: usize, stride: usize, minTimeUs: i64, maxTimeUs: i64): usize {
  if (timeDigits == 0) return 0
  const isSpot = (priceFraction & volumeFraction & quoteFraction) == 8
  if (isSpot && longRows == 0) return Row.take(at, first, stride, minTimeUs, maxTimeUs, 8, 8, 8, false)
  return isSpot
    ? Row.take(at, first, stride, minTimeUs, maxTimeUs, 8, 8, 8, true)
    : Row.take(at, first, stride, minTimeUs, maxTimeUs, priceFraction, volumeFraction, quoteFraction, true)
}

/** An amount that has more digits before its point than there is room for, or no point. */
function longAmount(p: usize, cell: usize): usize {
  return Cell.number(p, cell, AMOUNT)
}

/** A class, as those below, only because functions outside of one cannot have decorators, and these are to be inlined. */
class Row {
  /**
   * The row, with so many digits after the points of prices, volumes and quote volumes. Spot has eight everywhere: as constants they
   * spare a tenth. Without `mayBeLong` a row with a long amount is not taken, but the next ones will be.
   */
  @inline
  static take(
    at: usize,
    first: usize,
    stride: usize,
    minTimeUs: i64,
    maxTimeUs: i64,
    priceFraction: usize,
    volumeFraction: usize,
    quoteFraction: usize,
    mayBeLong: bool,
  ): usize {
    let wrong: u64 = 0 // what is no zero in here, or in `excess`, is no usual row
    let cell = first
    let p = at
    const openTime = Digits.time(p)
    p += timeDigits
    wrong |= load<u8>(p) ^ COMMA
    p++
    // ---- open, high, low, close: all of one length
    const width = priceWhole + priceFraction + 2
    const priceMask = Decimal.mask(priceWhole, priceFraction)
    p += priceWhole
    const open = Decimal.values(p, priceMask, priceFraction)
    p += width
    const high = Decimal.values(p, priceMask, priceFraction)
    p += width
    const low = Decimal.values(p, priceMask, priceFraction)
    p += width
    const close = Decimal.values(p, priceMask, priceFraction)
    p += priceFraction + 1
    wrong |= load<u8>(p) ^ COMMA
    wrong |= load<u8>(p - width) ^ COMMA
    wrong |= load<u8>(p - 2 * width) ^ COMMA
    wrong |= load<u8>(p - 3 * width) ^ COMMA
    p++
    let excess = v128.or(
      v128.or(Decimal.excess(open, priceFraction), Decimal.excess(high, priceFraction)),
      v128.or(Decimal.excess(low, priceFraction), Decimal.excess(close, priceFraction)),
    )
    const openClose = Decimal.two(open, close, priceFraction, priceFraction)
    const highLow = Decimal.two(high, low, priceFraction, priceFraction)
    v128.store_lane<u64>((cell += stride), openClose, 0)
    v128.store_lane<u64>((cell += stride), highLow, 0)
    v128.store_lane<u64>((cell += stride), highLow, 1)
    v128.store_lane<u64>((cell += stride), openClose, 1)
    // a bar that contradicts itself
    excess = v128.or(excess, f64x2.gt(openClose, v128.shuffle<u64>(highLow, highLow, 0, 0)))
    excess = v128.or(excess, f64x2.lt(openClose, v128.shuffle<u64>(highLow, highLow, 1, 1)))
    // ---- volume, close time, quote volume
    const volumeCell = (cell += stride)
    let volume = i8x16.splat(0)
    let digits = Decimal.digits(p)
    let most = digits
    const longVolume = mayBeLong && Decimal.isLong(p, digits, volumeFraction)
    if (longVolume) {
      p = longAmount(p, volumeCell)
      if (p == 0) return 0
    } else {
      p += digits
      volume = Decimal.values(p, Decimal.mask(digits, volumeFraction), volumeFraction)
      p += volumeFraction + 1
      wrong |= load<u8>(p) ^ COMMA
      p++
    }
    const closeTimeCell = (cell += stride)
    const closeTime = Digits.time(p)
    p += timeDigits
    wrong |= load<u8>(p) ^ COMMA
    p++
    const quoteCell = (cell += stride)
    let quote = i8x16.splat(0)
    digits = Decimal.digits(p)
    most |= digits
    const longQuote = mayBeLong && Decimal.isLong(p, digits, quoteFraction)
    if (longQuote) {
      p = longAmount(p, quoteCell)
      if (p == 0) return 0
    } else {
      p += digits
      quote = Decimal.values(p, Decimal.mask(digits, quoteFraction), quoteFraction)
      p += quoteFraction + 1
      wrong |= load<u8>(p) ^ COMMA
      p++
    }
    excess = v128.or(excess, v128.or(Decimal.excess(volume, volumeFraction), Decimal.excess(quote, quoteFraction)))
    const amounts = Decimal.two(volume, quote, volumeFraction, quoteFraction)
    if (!longVolume) v128.store_lane<u64>(volumeCell, amounts, 0)
    if (!longQuote) v128.store_lane<u64>(quoteCell, amounts, 1)
    excess = v128.or(excess, v128.or(Digits.excess(openTime), Digits.excess(closeTime)))
    const times = Digits.times(openTime, closeTime)
    v128.store_lane<u64>(first, times, 0)
    v128.store_lane<u64>(closeTimeCell, times, 1)
    const earliest = i64x2.replace_lane(i64x2.splat(minTimeUs), 1, i64x2.extract_lane(times, 0))
    excess = v128.or(excess, v128.or(i64x2.lt_s(times, earliest), i64x2.ge_s(times, i64x2.splat(maxTimeUs))))
    // ---- count: one to eight digits
    const word = load<u64>(p)
    digits = Decimal.digits(p)
    wrong |= (<u64>(digits == 0)) | (digitsBefore(nonDigits(word)) ^ digits)
    store<u64>((cell += stride), joinDigits((word ^ ZEROS) << (64 - ((<u64>digits) << 3))))
    p += digits
    wrong |= load<u8>(p) ^ COMMA
    p++
    // ---- the taker's amounts, and the last column
    const takerVolumeCell = (cell += stride)
    let takerVolume = i8x16.splat(0)
    digits = Decimal.digits(p)
    most |= digits
    const longTakerVolume = mayBeLong && Decimal.isLong(p, digits, volumeFraction)
    if (longTakerVolume) {
      p = longAmount(p, takerVolumeCell)
      if (p == 0) return 0
    } else {
      p += digits
      takerVolume = Decimal.values(p, Decimal.mask(digits, volumeFraction), volumeFraction)
      p += volumeFraction + 1
      wrong |= load<u8>(p) ^ COMMA
      p++
    }
    const takerQuoteCell = (cell += stride)
    let takerQuote = i8x16.splat(0)
    digits = Decimal.digits(p)
    most |= digits
    const longTakerQuote = mayBeLong && Decimal.isLong(p, digits, quoteFraction)
    if (longTakerQuote) {
      p = longAmount(p, takerQuoteCell)
      if (p == 0) return 0
    } else {
      p += digits
      takerQuote = Decimal.values(p, Decimal.mask(digits, quoteFraction), quoteFraction)
      p += quoteFraction + 1
      wrong |= load<u8>(p) ^ COMMA
      p++
    }
    wrong |= load<u16>(p) ^ ZERO_LF
    excess = v128.or(excess, v128.or(Decimal.excess(takerVolume, volumeFraction), Decimal.excess(takerQuote, quoteFraction)))
    const takerAmounts = Decimal.two(takerVolume, takerQuote, volumeFraction, quoteFraction)
    if (!longTakerVolume) v128.store_lane<u64>(takerVolumeCell, takerAmounts, 0)
    if (!longTakerQuote) v128.store_lane<u64>(takerQuoteCell, takerAmounts, 1)
    if (mayBeLong) {
      if (longVolume || longQuote || longTakerVolume || longTakerQuote) longRows = MAX_LONG_ROWS
      else if (longRows != 0) longRows--
    } else if ((most & 8) != 0) {
      longRows = MAX_LONG_ROWS
      return 0
    }
    return wrong != 0 || v128.any_true(excess) ? 0 : p + 2
  }
}

/** Sixteen digits, a byte each, the first one highest. */
class Digits {
  /** Those of the time at `p`, behind zeros. */
  @inline
  static time(p: usize): v128 {
    return v128.and(v128.xor(v128.load(p + timeDigits - 16), i8x16.splat(48)), v128.load(MASKS + timeDigits))
  }

  /** Not zero where a byte is no digit. */
  @inline
  static excess(digits: v128): v128 {
    return i8x16.sub_sat_u(digits, i8x16.splat(9))
  }

  /** Of two times the microseconds; anything where one is 2^52 or more, but not less than that. */
  @inline
  static times(a: v128, b: v128): v128 {
    const times = f64x2.mul(Digits.joined(Digits.eights(a, b), 1e8), f64x2.splat(timeScale))
    return i64x2.sub(f64x2.add(times, f64x2.splat(TWO_POW_52)), i64x2.splat(TWO_POW_52_BITS))
  }

  /** Two doubles of four numbers: the first times `weight` plus the second, and the third and the fourth likewise. */
  @inline
  static joined(eights: v128, weight: f64): v128 {
    const heads = f64x2.convert_low_i32x4_s(v128.shuffle<i32>(eights, eights, 0, 2, 0, 2))
    const tails = f64x2.convert_low_i32x4_s(v128.shuffle<i32>(eights, eights, 1, 3, 1, 3))
    return f64x2.add(f64x2.mul(heads, f64x2.splat(weight)), tails)
  }

  /** Four numbers of eight digits: the first and last eight of one, and of another. The constant is 10,000 and 1 in turn. */
  @inline
  static eights(a: v128, b: v128): v128 {
    return i32x4.dot_i16x8_s(i16x8.narrow_i32x4_u(Digits.fours(a), Digits.fours(b)), i32x4.splat(0x00012710))
  }

  /** Four numbers of four digits. First to pairs: 2561 x is 256 times ten times the low byte and the high one. Then by 100 and 1 in turn. */
  @inline
  static fours(digits: v128): v128 {
    return i32x4.dot_i16x8_s(i16x8.shr_u(i16x8.mul(digits, i16x8.splat(2561)), 8), i32x4.splat(0x00010064))
  }
}

/** Decimals, which are told apart by how many digits they have after the point. */
class Decimal {
  /** Bytes before the point in sixteen: with eight digits after it there is room for seven. */
  @inline
  static pointAt(fraction: usize): usize {
    return fraction == 8 ? 7 : 8
  }

  /** How many bytes, at most eight, are not below a zero, as points and commas are. */
  @inline
  static digits(p: usize): usize {
    return <usize>digitsBefore((load<u64>(p) - ZEROS) & 0x8080808080808080)
  }

  /** Whether the number at `p`, of so many digits and perhaps more, is none that fits around a point. */
  @inline
  static isLong(p: usize, digits: usize, fraction: usize): bool {
    return fraction == 0 || (digits == 8 && (fraction == 8 || load<u8>(p, 8) != DOT))
  }

  /** A mask of the digits around a point, and the point. */
  @inline
  static mask(digits: usize, fraction: usize): v128 {
    if (fraction == 8) return v128.load(WHOLE_MASKS + (digits << 4))
    return v128.and(v128.load(WHOLE_MASKS + ((9 + digits) << 4)), v128.load(MASKS + 31 - Decimal.pointAt(fraction) - fraction))
  }

  /** The values of the digits around a point, which is a zero, and zeros around them. */
  @inline
  static values(point: usize, mask: v128, fraction: usize): v128 {
    const pointAt = Decimal.pointAt(fraction)
    return v128.and(v128.xor(v128.load(point - pointAt), v128.load(POINT_ZEROS + 8 - pointAt)), mask)
  }

  /** Not zero where a byte is no digit, or the point no point. */
  @inline
  static excess(values: v128, fraction: usize): v128 {
    return i8x16.sub_sat_u(values, v128.load(POINT_LIMITS + 8 - Decimal.pointAt(fraction)))
  }

  /** Two decimals. With eight digits after it the point is a zero behind the whole, with fewer one before the rest. */
  @inline
  static two(a: v128, b: v128, fractionA: usize, fractionB: usize): v128 {
    let scales = f64x2.splat(fractionA == 8 ? 1e8 : 1e7)
    if (fractionA != fractionB) scales = f64x2.replace_lane(scales, 1, fractionB == 8 ? 1e8 : 1e7)
    return f64x2.div(Digits.joined(Digits.eights(a, b), 1e7), scales)
  }
}
