/**
 * The scanner of `src/codec/csv-scan.ts` in AssemblyScript (https://www.assemblyscript.org), compiled to WebAssembly by
 * `npm run build`. It takes the rows that look as rows do, eight bytes at a time in 64-bit integers, and leaves every other
 * row to JavaScript. Which rows it may take, and why its decimals are correctly rounded, is told there; both give the same.
 *
 * Memory: the constants below `inputOffset()`, then what JavaScript puts there: a window of the CSV, followed by at least
 * 32 zero bytes (no read of a row that is taken goes further, and a zero is neither digit nor separator), and the columns.
 */

const LF: u8 = 10
const CR: u8 = 13
const COMMA: u8 = 44
const DOT: u8 = 46

const OPEN_TIME = 0
const VOLUME = 5
const CLOSE_TIME = 6
const COUNT = 8
const IGNORE = 11

const TWO_POW_53: f64 = 9007199254740992
const F64_POW10 = memory.data<f64>([1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9])
const U64_POW10 = memory.data<u64>([1, 10, 100, 1000, 10000, 100000, 1000000, 10000000])

/** Where the row begins at which the last scan stopped. */
export let stoppedAt: u32 = 0

/** First byte of memory that JavaScript may use. */
export function inputOffset(): u32 {
  return <u32>((__heap_base + 15) & ~15)
}

/**
 * Scans the rows of [start, end) into columns of `capacity` cells of eight bytes each, one column after the other in the
 * shard's order, from `row` on. Stops at the end, at the first row that it does not take, or when the columns are full.
 * Gives the number of rows that the columns then hold. Times of rows that it takes are in [minTimeUs, maxTimeUs).
 */
export function scanRows(start: u32, end: u32, columns: u32, capacity: u32, row: u32, minTimeUs: i64, maxTimeUs: i64): u32 {
  const stride: usize = (<usize>capacity) << 3
  let at: usize = start
  let usual: u64 = 1
  while (at < <usize>end && row < capacity) {
    let p = at
    const first: usize = <usize>columns + ((<usize>row) << 3)
    let cell = first
    let earliestUs = minTimeUs
    let column = OPEN_TIME
    for (; column < IGNORE; column++) {
      if (column == OPEN_TIME || column == CLOSE_TIME) {
        // ---- a time: 13 digits (milliseconds) or 16 (microseconds)
        const head = load<u64>(p)
        const tail = load<u64>(p, 8)
        if (nonDigits(head) != 0) break
        let timeUs: i64 = parseEight(head)
        const others = nonDigits(tail)
        if (others == 0) {
          timeUs = timeUs * 100000000 + parseEight(tail)
          p += 16
        } else {
          if (digitsBefore(others) != 5) break
          timeUs = (timeUs * 100000 + parseDigits(tail, 5)) * 1000
          p += 13
        }
        if (timeUs < earliestUs || timeUs >= maxTimeUs) break
        earliestUs = timeUs
        store<i64>(cell, timeUs)
      } else {
        // ---- digits before the point: 1 to 15
        let word = load<u64>(p)
        let digits = digitsBefore(nonDigits(word))
        if (digits == 0) break
        let whole = parseDigits(word, digits)
        if (digits == usual) {
          // The four prices of a row have as many digits each. The processor predicts this branch, and goes on to the next
          // cell without waiting until the digits are counted.
          p += <usize>usual
        } else {
          if (column < VOLUME) usual = digits
          p += <usize>digits
          if (digits == 8) {
            word = load<u64>(p)
            digits = digitsBefore(nonDigits(word))
            if (digits == 8) break
            if (digits != 0) {
              whole = whole * load<u64>(U64_POW10 + ((<usize>digits) << 3)) + parseDigits(word, digits)
              p += <usize>digits
            }
            usual = 1
          }
        }
        if (column == COUNT) {
          store<u64>(cell, whole)
        } else {
          let value = <f64>(<i64>whole)
          if (load<u8>(p) == DOT) {
            // ---- digits after the point: 1 to 9, on spot always 8
            p++
            word = load<u64>(p)
            const others = nonDigits(word)
            let fraction: u64
            if (others == 0) {
              fraction = parseEight(word)
              p += 8
              digits = 8
              const ninth = (<u32>load<u8>(p)) ^ 48
              if (ninth < 10) {
                fraction = fraction * 10 + ninth
                p++
                digits = 9
              }
            } else {
              digits = digitsBefore(others)
              if (digits == 0) break
              fraction = parseDigits(word, digits)
              p += <usize>digits
            }
            const scale = load<f64>(F64_POW10 + ((<usize>digits) << 3))
            const mantissa = value * scale + <f64>(<i64>fraction)
            value = mantissa < TWO_POW_53 ? mantissa / scale : value + <f64>(<i64>fraction) / scale
          }
          store<f64>(cell, value)
        }
      }
      if (load<u8>(p) != COMMA) break
      p++
      cell += stride
    }
    if (column != IGNORE) break
    // ---- the last column, whose value nobody needs, and the line's end
    p = skipDecimal(p)
    if (p == 0) break
    if (load<u8>(p) == CR) p++
    if (load<u8>(p) != LF) break
    p++
    // ---- a bar that does not contradict itself
    const open = load<f64>(first + stride)
    const high = load<f64>(first + 2 * stride)
    const low = load<f64>(first + 3 * stride)
    const close = load<f64>(first + 4 * stride)
    if (high < open || high < close || low > open || low > close) break
    row++
    at = p
  }
  stoppedAt = <u32>at
  return row
}

/** Past the decimal at `p` of at most 15 digits before and 9 after the point; 0 where there is none. */
function skipDecimal(p: usize): usize {
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

/**
 * The top bit of each byte that is no digit, up to the first such byte; 0 when all eight are digits. After the xor a digit is
 * at most 9; adding 0x76 to anything larger sets the top bit of its byte, or carries into the next byte, which then no longer
 * matters.
 */
function nonDigits(word: u64): u64 {
  const bytes = word ^ 0x3030303030303030
  return ((bytes + 0x7676767676767676) | bytes) & 0x8080808080808080
}

/** How many of eight bytes are digits, up to the first that is none (its top bit is the lowest one set). */
function digitsBefore(others: u64): u64 {
  return ctz(others) >> 3
}

/** The number that the first `digits` (1 to 8) bytes write: shifting the others out puts zeros before it. */
function parseDigits(word: u64, digits: u64): u64 {
  return joinDigits((word ^ 0x3030303030303030) << (64 - (digits << 3)))
}

function parseEight(word: u64): u64 {
  return joinDigits(word ^ 0x3030303030303030)
}

/** Joins neighbours three times, to pairs, fours and eight (https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/). */
function joinDigits(bytes: u64): u64 {
  const pairs = bytes * 10 + (bytes >> 8)
  const high = (pairs & 0x000000ff000000ff) * 0x000f424000000064
  const low = ((pairs >> 16) & 0x000000ff000000ff) * 0x0000271000000001
  return (high + low) >> 32
}
