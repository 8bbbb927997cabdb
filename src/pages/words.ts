import { dayOfUs, dayStartUs, US_PER_DAY } from '../model/utc-day.ts'
import type { UtcDay } from '../model/utc-day.ts'

/** `toLocaleString` makes one each time: 2 s for 2,000 rows. */
const NUMBERS = new Intl.NumberFormat('en-US')

/** A number as text; a dash where it is not known. */
export function count(number: number | null): string {
  return number === null ? '\u2013' : NUMBERS.format(number)
}

export function plural(number: number, word: string): string {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`
}

export const MS_PER_DAY = US_PER_DAY / 1000

export const MONTH_NAMES = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** Days since 1970. */
export function dayNumber(day: UtcDay): number {
  return dayStartUs(day) / US_PER_DAY
}

export function dayName(number: number): UtcDay {
  return dayOfUs(number * US_PER_DAY)
}

export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export function sum<Item>(items: readonly Item[], pick: (item: Item) => number): number {
  return items.reduce((total, item) => total + pick(item), 0)
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

export function bytes(size: number): string {
  const power = UNITS.findLastIndex((_, i) => i === 0 || size >= 1000 ** i)
  return `${(size / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power] ?? ''}`
}
