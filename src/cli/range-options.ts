import { Option } from '@commander-js/extra-typings'
import { parseUtcDay, dayOfUs } from '../model/utc-day.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { checkEndIsNoMonth, DAY_FLAGS, parseMonthRange, parseStartDay } from '../question/month-words.ts'
import { checkOrder } from '../question/range-order.ts'
import { parseFlag } from './flag-parser.ts'

/** The flags of a range of days, as commander hands them over. */
export interface RangeFlags {
  readonly start?: UtcDay
  readonly end?: UtcDay
  readonly month?: string
}

/** `--start DAY`; a month is its first day. */
export function startOption(text: string) {
  return new Option('--start <DAY>', `${text}; 2024-01 is that month's first day`).argParser(
    parseFlag('--start', 'a day of the calendar as YYYY-MM-DD', parseStartDay),
  )
}

/** `--end DAY`, which is excluded; a month is refused, since it could mean either of its borders. */
export function endOption(text: string) {
  const parse = parseFlag('--end', 'a day of the calendar as YYYY-MM-DD', parseUtcDay)
  return new Option('--end <DAY>', text).argParser((value) => {
    checkEndIsNoMonth(value, DAY_FLAGS)
    return parse(value)
  })
}

/** `--month YYYY-MM`, in place of `--start` and `--end`. */
export function monthOption() {
  return new Option('--month <MONTH>', 'all days of this month, as far as they are over (instead of --start and --end)')
}

/** The range that flags choose; ends that are not given are undefined. Throws CKVD_USAGE for a start that is not before its end. */
export function rangeOf({ start, end, month }: RangeFlags, nowMs: number): { readonly start?: UtcDay; readonly end?: UtcDay } {
  if (month !== undefined) {
    const days = parseMonthRange({ month, start, end }, dayOfUs(nowMs * 1000), DAY_FLAGS)
    return { start: days.start, end: days.end }
  }
  checkOrder({ start, end }, DAY_FLAGS)
  // a day that is not over is nobody's to have
  const today = dayOfUs(nowMs * 1000)
  const isOver = end === undefined || end <= today || (start !== undefined && start >= today)
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end: isOver ? end : today }) }
}
