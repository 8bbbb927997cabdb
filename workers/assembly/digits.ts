/** Digits, eight at a time. */

const ZEROS: u64 = 0x3030303030303030

/**
 * The top bit of each byte that is no digit, up to the first such byte; 0 when all eight are digits. After the xor a digit is
 * at most 9; adding 0x76 to anything larger sets the top bit of its byte, or carries into the next byte, which then no longer
 * matters.
 */
export function nonDigits(word: u64): u64 {
  const bytes = word ^ ZEROS
  return ((bytes + 0x7676767676767676) | bytes) & 0x8080808080808080
}

/** How many of eight bytes are digits, up to the first that is none (its top bit is the lowest one set). */
export function digitsBefore(others: u64): u64 {
  return ctz(others) >> 3
}

/** The number that the first `digits` (1 to 8) bytes write: shifting the others out puts zeros before it. */
export function parseDigits(word: u64, digits: u64): u64 {
  return joinDigits((word ^ ZEROS) << (64 - (digits << 3)))
}

export function parseEight(word: u64): u64 {
  return joinDigits(word ^ ZEROS)
}

/** Joins neighbours three times, to pairs, fours and eight (https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/). */
function joinDigits(bytes: u64): u64 {
  const pairs = bytes * 10 + (bytes >> 8)
  const high = (pairs & 0x000000ff000000ff) * 0x000f424000000064
  const low = ((pairs >> 16) & 0x000000ff000000ff) * 0x0000271000000001
  return (high + low) >> 32
}
