import { digitsBefore, nonDigits, parseDigits, parseEight } from './digits'

/** What stands between the digits of `2024-01-01 00:05:00`, and zeros in the place of its digits. */
const FRAME_1: u64 = 0x2d30302d30303030 // 0000-00-
const FRAME_2: u64 = 0x30303a3030203030 // 00 00:00
const FRAME_3: u32 = 0x30303a // :00
const US_PER_DAY: i64 = 86400000000
/** Days of the months before each one, of a year that begins in March. */
const DAYS_BEFORE = memory.data<u32>([0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337, 366])

/** The day that most times of a file are of, as its ten characters, and when it begins. */
let knownYear: u64 = 0
let knownDay: u16 = 0
let knownDayUs: i64 = 0

/** When a day begins, us; 0 for one that no calendar has. Years begin in March here: what is irregular stands at their end. */
function dayUs(year: u32, month: u32, day: u32): i64 {
  if (month < 1 || month > 12 || day < 1) return 0
  const isLate = month < 3
  const y = year - <u32>isLate
  const m: u32 = isLate ? month + 9 : month - 3
  const isLeap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
  const before = load<u32>(DAYS_BEFORE + ((<usize>m) << 2))
  const length: u32 = month == 2 ? 28 + <u32>isLeap : load<u32>(DAYS_BEFORE + ((<usize>m + 1) << 2)) - before
  if (day > length) return 0
  const days = <i64>y * 365 + y / 4 - y / 100 + y / 400 + before + day - 1
  // 0000-03-01 lies so many days before 1970-01-01
  return (days - 719468) * US_PER_DAY
}

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

  /** The same of a time that is written as `2024-01-01 00:05:00`. */
  @inline
  static readText(p: usize, cell: usize, minTimeUs: i64, maxTimeUs: i64): usize {
    const date = load<u64>(p)
    const day = load<u16>(p, 8)
    if (date != knownYear || day != knownDay) {
      // a digit gives at most 9, what is none gives more, and what stands between them gives 0
      const own = date ^ FRAME_1
      const dd = (<u32>day) ^ 0x3030
      if ((((own + 0x7676767676767676) | own) & 0x8080808080808080) != 0 || (((dd + 0x7676) | dd) & 0x8080) != 0) return 0
      if ((own & 0xff0000ff00000000) != 0) return 0
      const year = <u32>(own & 0xff) * 1000 + <u32>((own >> 8) & 0xff) * 100 + <u32>((own >> 16) & 0xff) * 10 + <u32>((own >> 24) & 0xff)
      const month = <u32>((own >> 40) & 0xff) * 10 + <u32>((own >> 48) & 0xff)
      const startUs = dayUs(year, month, (dd & 0xff) * 10 + (dd >> 8))
      if (startUs <= 0) return 0
      knownYear = date
      knownDay = day
      knownDayUs = startUs
    }
    // `00 00:00`, of which the first two are the day's, then `:00`
    const clock = load<u64>(p, 8) ^ FRAME_2
    const seconds = (load<u32>(p, 16) & 0xffffff) ^ FRAME_3
    if ((((clock + 0x7676767676767676) | clock) & 0x8080808080808080) != 0) return 0
    if ((((seconds + 0x767676) | seconds) & 0x808080) != 0) return 0
    if ((clock & 0x0000ff0000ff0000) != 0 || (seconds & 0xff) != 0) return 0
    const hour = ((clock >> 24) & 0xff) * 10 + ((clock >> 32) & 0xff)
    const minute = ((clock >> 48) & 0xff) * 10 + (clock >> 56)
    const second = <u64>(((seconds >> 8) & 0xff) * 10 + (seconds >> 16))
    if (hour > 23 || minute > 59 || second > 59) return 0
    const timeUs = knownDayUs + <i64>((hour * 60 + minute) * 60 + second) * 1000000
    if (timeUs < minTimeUs || timeUs >= maxTimeUs) return 0
    store<i64>(cell, timeUs)
    return p + 19
  }
}
