/** A UTC day, `YYYY-MM-DD`. Strings of this shape sort by time. */
export type UtcDay = string & { readonly __brand: 'UtcDay' }

/** A UTC month, `YYYY-MM`. */
export type UtcMonth = string & { readonly __brand: 'UtcMonth' }

export const US_PER_DAY = 86_400_000_000
const MS_PER_DAY = 86_400_000

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/
const MONTH = /^(\d{4})-(\d{2})$/

/** Reads a day; undefined when the text is not a day of the calendar (`2023-02-29`). */
export function parseUtcDay(text: string): UtcDay | undefined {
  if (!DAY.test(text)) return undefined
  const ms = Date.parse(`${text}T00:00:00Z`)
  return Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text ? undefined : (text as UtcDay)
}

/** Reads a month; undefined when there is no such month. */
export function parseUtcMonth(text: string): UtcMonth | undefined {
  return MONTH.test(text) && parseUtcDay(`${text}-01`) !== undefined ? (text as UtcMonth) : undefined
}

/** First microsecond of a day. */
export function dayStartUs(day: UtcDay): number {
  return Date.parse(`${day}T00:00:00Z`) * 1000
}

/** The day that holds a time in microseconds. */
export function dayOfUs(timeUs: number): UtcDay {
  return new Date(Math.floor(timeUs / US_PER_DAY) * MS_PER_DAY).toISOString().slice(0, 10) as UtcDay
}

/** The day `count` days later (earlier when negative). */
export function addDays(day: UtcDay, count: number): UtcDay {
  return dayOfUs(dayStartUs(day) + count * US_PER_DAY)
}

/** Days from `start` to `end`, `end` excluded. */
export function countDays(start: UtcDay, end: UtcDay): number {
  return Math.max(0, Math.round((dayStartUs(end) - dayStartUs(start)) / US_PER_DAY))
}

export function monthOf(day: UtcDay): UtcMonth {
  return day.slice(0, 7) as UtcMonth
}

export function firstDayOf(month: UtcMonth): UtcDay {
  return `${month}-01` as UtcDay
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
