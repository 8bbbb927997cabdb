import { digitsBefore, nonDigits, parseDigits, parseEight } from './digits'

/** Eight digits that most times of a day begin with, and what they write. */
let knownHead: u64 = 0
let knownTime: i64 = 0

/** A class only because functions outside of one cannot have decorators, and this is to be inlined. */
export class TimeCell {
  /** Writes a time of 13 digits (milliseconds) or 16 (microseconds) that is in range, and gives where its cell ends; 0 where it takes nothing. */
  @inline
  static read(p: usize, cell: usize, minTimeUs: i64, maxTimeUs: i64): usize {
    const head = load<u64>(p)
    const tail = load<u64>(p, 8)
    if (head != knownHead) {
      if (nonDigits(head) != 0) return 0
      knownHead = head
      knownTime = parseEight(head)
    }
    let timeUs: i64 = knownTime
    const others = nonDigits(tail)
    if (others == 0) {
      timeUs = timeUs * 100000000 + parseEight(tail)
      p += 16
    } else {
      if (digitsBefore(others) != 5) return 0
      timeUs = (timeUs * 100000 + parseDigits(tail, 5)) * 1000
      p += 13
    }
    if (timeUs < minTimeUs || timeUs >= maxTimeUs) return 0
    store<i64>(cell, timeUs)
    return p
  }
}
