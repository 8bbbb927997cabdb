/** A UTC day, `YYYY-MM-DD`. Strings of this shape sort by time. */
export type UtcDay = string & { readonly __brand: 'UtcDay' }

/** A UTC month, `YYYY-MM`. */
export type UtcMonth = string & { readonly __brand: 'UtcMonth' }

export const US_PER_DAY = 86_400_000_000

const DAY = /^\d{4}-\d{2}-\d{2}$/
const MONTH = /^(\d{4})-(\d{2})$/

/** Reads a day; undefined when the text is not a day of the calendar (`2023-02-29`). */
export function parseUtcDay(text: string): UtcDay | undefined {
  // a day that is not of the calendar has the number of another one
  return DAY.test(text) && dayOfNumber(dayNumber(text)) === text ? (text as UtcDay) : undefined
}

/** Reads a month; undefined when there is no such month. */
export function parseUtcMonth(text: string): UtcMonth | undefined {
  return MONTH.test(text) && parseUtcDay(`${text}-01`) !== undefined ? (text as UtcMonth) : undefined
}

/** First microsecond of a day. */
export function dayStartUs(day: UtcDay): number {
  return dayNumber(day) * US_PER_DAY
}

/** The day that holds a time in microseconds, of the years 0 to 9999. */
export function dayOfUs(timeUs: number): UtcDay {
  return dayOfNumber(Math.floor(timeUs / US_PER_DAY)) as UtcDay
}

/** The day `count` days later (earlier when negative). */
export function addDays(day: UtcDay, count: number): UtcDay {
  return dayOfNumber(dayNumber(day) + count) as UtcDay
}

/** Days from `start` to `end`, `end` excluded. */
export function countDays(start: UtcDay, end: UtcDay): number {
  return Math.max(0, dayNumber(end) - dayNumber(start))
}

/** Days of 400 years, after which the calendar repeats itself. */
const ERA_DAYS = 146_097
/** From 0000-03-01, where the eras begin, to 1970-01-01. */
const EPOCH_DAYS = 719_468

/**
 * Days since 1970-01-01 of `YYYY-MM-DD`. Years begin in March, so that the leap day is their last. JavaScript's `Date` tells the same, but
 * takes ten times as long, and the plan of a universe asks for millions of days.
 */
export function dayNumber(text: string): number {
  const digit = (at: number): number => text.charCodeAt(at) - 48
  const month = digit(5) * 10 + digit(6)
  const year = digit(0) * 1000 + digit(1) * 100 + digit(2) * 10 + digit(3) - (month <= 2 ? 1 : 0)
  const era = Math.floor(year / 400)
  const yearOfEra = year - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + digit(8) * 10 + digit(9) - 1
  return era * ERA_DAYS + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - EPOCH_DAYS
}

/** Days whose names are kept, 2010-01-01 to 2059-12-31: those of a plan are the same some thousands for each series. */
const FIRST_KEPT = 14_610
const keptNames = new Array<string | undefined>(18_262)

/** The inverse of `dayNumber`. */
export function dayOfNumber(number: number): string {
  const place = number - FIRST_KEPT
  if (!(place >= 0 && place < keptNames.length)) return nameOfNumber(number)
  return (keptNames[place] ??= nameOfNumber(number))
}

function nameOfNumber(number: number): string {
  const sinceEras = number + EPOCH_DAYS
  const era = Math.floor(sinceEras / ERA_DAYS)
  const dayOfEra = sinceEras - era * ERA_DAYS
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / (ERA_DAYS - 1))) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1
  return `${year < 1000 ? String(year).padStart(4, '0') : year}-${month < 10 ? '0' : ''}${month}-${day < 10 ? '0' : ''}${day}`
}

export function monthOf(day: UtcDay): UtcMonth {
  return day.slice(0, 7) as UtcMonth
}

export function firstDayOf(month: UtcMonth): UtcDay {
  return `${month}-01` as UtcDay
}

/** The first day of the month that holds a day. */
export function firstOfMonth(day: UtcDay): UtcDay {
  return addDays(day, 1 - Number(day.slice(8)))
}

export function addMonths(month: UtcMonth, count: number): UtcMonth {
  const index = Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1 + count
  return `${String(Math.floor(index / 12)).padStart(4, '0')}-${String((index % 12) + 1).padStart(2, '0')}` as UtcMonth
}

/** First microsecond of the month that holds `timeUs`. */
export function monthStartUs(timeUs: number): number {
  const date = new Date(Math.floor(timeUs / 1000))
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) * 1000
}

/** First microsecond of the month after the one that holds `timeUs`. */
export function nextMonth(timeUs: number): number {
  const date = new Date(Math.floor(timeUs / 1000))
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) * 1000
}

/** A time in microseconds as ISO text with microseconds, `2024-01-01T00:00:00.000000Z`. */
export function isoOfUs(timeUs: number): string {
  const ms = Math.floor(timeUs / 1000)
  return `${new Date(ms).toISOString().slice(0, -1)}${String(timeUs - ms * 1000).padStart(3, '0')}Z`
}

/** The earlier of two days; null: not known. */
export function earliestDay(a: UtcDay | null, b: UtcDay | null): UtcDay | null {
  return a === null ? b : b === null ? a : a < b ? a : b
}

/** The later of two days; null: not known. */
export function latestDay(a: UtcDay | null, b: UtcDay | null): UtcDay | null {
  return a === null ? b : b === null ? a : a > b ? a : b
}
