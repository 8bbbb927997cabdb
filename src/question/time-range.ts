import { CkvdError } from '../errors.ts'
import type { TimeRange } from '../model/series.ts'
import { isoOfUs, parseUtcDay } from '../model/utc-day.ts'
import type { EndNames } from './range-order.ts'
import { checkOrder } from './range-order.ts'

/** A point in time: a `Date`, ISO text with a zone (`2024-01-01T00:00:00Z`), or epoch milliseconds. */
export type Time = Date | string | number

/** A range in the seed's three combinations: start and end, start and days, or end (default now) and days. */
export interface TimeRangeOptions {
  /** included: the first bar that opens at or after it */
  readonly startTime?: Time | undefined
  /** excluded; default now */
  readonly endTime?: Time | undefined
  /** length in days of 24 hours; may have a fraction */
  readonly days?: number | undefined
}

/** How a caller knows the parts of a range, and which forms a time may have there. */
export interface RangeWords extends EndNames {
  readonly days: string
  readonly time: string
}

const OPTION_WORDS: RangeWords = {
  start: 'startTime',
  end: 'endTime',
  days: 'days',
  time: 'a Date, an ISO time with a zone such as 2024-01-01T00:00:00Z, or epoch milliseconds',
}

const ISO = /^[+-]?\d{4,6}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,](\d+))?)?(Z|[+-]\d{2}:?\d{2})?$/i
const DAY_US = 86_400_000_000
/** 2009-01-03 and 2100-01-01 in milliseconds: seconds and microseconds since the epoch fall outside. */
const FIRST_MS = 1_230_940_800_000
const LAST_MS = 4_102_444_800_000

/**
 * The half-open range that is meant, as microseconds: start included, end excluded.
 * @param nowMs the time that `endTime` defaults to, and that none may exceed; epoch milliseconds
 * @param words for messages; default: the library's options
 * @throws CkvdError `CKVD_TIME` for a naive, future or unreadable time and for a start that is not before its end, `CKVD_USAGE`
 *   for a combination that says too much or too little
 */
export function parseTimeRange(options: TimeRangeOptions, nowMs: number, words = OPTION_WORDS): TimeRange {
  const { startTime, endTime, days } = options
  if (days !== undefined && !(typeof days === 'number' && Number.isFinite(days) && days > 0)) {
    throw new CkvdError('CKVD_USAGE', `Expected \`${words.days}\` to be a number above 0, got ${String(days)} (option).`, {
      details: { option: words.days },
    })
  }
  if (startTime !== undefined && endTime !== undefined && days !== undefined) {
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected two of \`${words.start}\`, \`${words.end}\` and \`${words.days}\`, got all three. Leave one out.`,
    )
  }
  if (startTime === undefined && days === undefined) {
    throw new CkvdError('CKVD_USAGE', `Expected \`${words.start}\` or \`${words.days}\`, got neither: nothing says where the range begins.`)
  }
  const lengthUs = Math.round((days ?? 0) * DAY_US)
  const start = startTime === undefined ? undefined : parseTimeUs(startTime, words.start, nowMs, words)
  const end = endTime === undefined ? undefined : parseTimeUs(endTime, words.end, nowMs, words)
  const endUs =
    end ??
    (start === undefined || days === undefined ? nowMs * 1000 : checkPast(start + lengthUs, `${words.start} plus ${words.days}`, nowMs))
  const startUs = start ?? endUs - lengthUs
  checkOrder({ start: isoOfUs(startUs), end: isoOfUs(endUs) }, words, 'CKVD_TIME')
  return { startUs, endUs }
}

/**
 * The range that `getData` takes for the same options: `{ startTime, endTime }` as `Date`s, the end excluded. `endTime` defaults to
 * now. Throws as `getData` does: `CKVD_TIME`, `CKVD_USAGE`.
 */
export function calculateTimeRange(
  options: TimeRangeOptions,
  nowMs = Date.now(),
): {
  /** included */
  startTime: Date
  /** excluded */
  endTime: Date
} {
  const { startUs, endUs } = parseTimeRange(options, nowMs)
  return { startTime: new Date(startUs / 1000), endTime: new Date(endUs / 1000) }
}

/** Microseconds of a time that a caller gave. A naive one is refused: its meaning would depend on the machine. */
function parseTimeUs(time: Time, name: string, nowMs: number, words: RangeWords): number {
  return checkPast(readTimeUs(time, name, words), name, nowMs)
}

function readTimeUs(time: Time, name: string, words: RangeWords): number {
  if (time instanceof Date) return checkPlausible(time.getTime(), name, time)
  if (typeof time === 'number') return checkPlausible(time, name, time)
  const text = String(time).trim()
  const [match, fraction = '', zone] = ISO.exec(text) ?? []
  if (match === undefined) throw wrongTime(name, words.time, text)
  if (zone === undefined)
    throw wrongTime(name, 'a time with a zone, such as 2024-01-01T00:00:00Z', `${text}, which has none: add Z for UTC`)
  if (parseUtcDay(text.slice(0, 10)) === undefined) throw wrongTime(name, 'a day of the calendar', text)
  // Date knows milliseconds; the digits after them are added by hand
  const inMs = text.replace(' ', 'T').replace(/[.,]\d+/, `.${fraction.slice(0, 3).padEnd(3, '0')}`)
  return checkPlausible(Date.parse(inMs), name, text) + Number(fraction.slice(3, 6).padEnd(3, '0'))
}

/** Microseconds of milliseconds that lie in a plausible year. */
function checkPlausible(ms: number, name: string, found: Time): number {
  if (ms >= FIRST_MS && ms < LAST_MS) return Math.round(ms * 1000)
  const hint = typeof found === 'number' && (ms < FIRST_MS ? ms * 1000 < LAST_MS && ms > 1e9 : ms / 1000 < LAST_MS)
  const unit = hint ? ` (${ms < FIRST_MS ? 'seconds' : 'microseconds'}? Milliseconds are expected)` : ''
  const text = found instanceof Date ? (Number.isNaN(ms) ? 'an invalid Date' : found.toISOString()) : String(found)
  throw wrongTime(name, 'a time of the years 2009 to 2099', `${text}${unit}`)
}

function checkPast(timeUs: number, name: string, nowMs: number): number {
  if (timeUs <= nowMs * 1000) return timeUs
  throw wrongTime(name, `at most now (${isoOfUs(nowMs * 1000)})`, `${isoOfUs(timeUs)}, which lies in the future`)
}

function wrongTime(name: string, expected: string, found: string): CkvdError {
  return new CkvdError('CKVD_TIME', `Expected \`${name}\` to be ${expected}, got ${found}.`, { details: { option: name } })
}
