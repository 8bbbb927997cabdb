import { CkvdError } from '../errors.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { addDays, addMonths, firstDayOf, monthOf, parseUtcDay, parseUtcMonth } from '../model/utc-day.ts'
import type { EndNames } from './range-order.ts'

/** What a caller calls the parts of a range of days: flags, or options. */
export interface DayRangeNames extends EndNames {
  readonly month: string
}

/** The flags of a range of days. */
export const DAY_FLAGS: DayRangeNames = { start: '--start', end: '--end', month: '--month' }

/** The day that a range begins with: a day, or a month for its first day; undefined for what is neither. */
export function parseStartDay(text: string): UtcDay | undefined {
  const month = parseUtcMonth(text)
  return month === undefined ? parseUtcDay(text) : firstDayOf(month)
}

/** Throws CKVD_USAGE for a month in the place of the end, which could mean either of its borders. */
export function checkEndIsNoMonth(text: string, { end }: Pick<EndNames, 'end'>): void {
  const month = parseUtcMonth(text)
  if (month === undefined) return
  const [first, next] = [firstDayOf(month), firstDayOf(addMonths(month, 1))]
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected \`${end}\` to be a day, got "${month}": ${end} ${first} leaves that month out, ${end} ${next} takes it in (the end is excluded).`,
    { details: { option: end, expected: 'a day of the calendar as YYYY-MM-DD', found: month } },
  )
}

/**
 * The days of a month, as far as they are over (`isOver`: all of them): the end is excluded, and at most `today`.
 * Throws CKVD_USAGE for what is no month, for one that has not begun, and where the range is given by its ends, too.
 */
export function parseMonthRange(
  { month: text, start, end }: { readonly month: string; readonly start?: unknown; readonly end?: unknown },
  today: UtcDay,
  names: DayRangeNames,
): { readonly start: UtcDay; readonly end: UtcDay; readonly isOver: boolean } {
  if (start !== undefined || end !== undefined)
    throw usage(names, `Expected \`${names.month}\` or \`${names.start}\` and \`${names.end}\`, got both. Leave one out.`)
  const month = parseUtcMonth(text)
  if (month === undefined) throw usage(names, `Expected \`${names.month}\` to be a month as YYYY-MM, got ${JSON.stringify(text)}.`)
  const first = firstDayOf(month)
  if (first >= today)
    throw usage(names, `Expected \`${names.month}\` to have begun, with a day that is over (today is ${today}), got ${month}.`)
  const next = firstDayOf(addMonths(month, 1))
  return { start: first, end: next < today ? next : today, isOver: next <= today }
}

function usage(names: DayRangeNames, message: string): CkvdError {
  return new CkvdError('CKVD_USAGE', message, { details: { option: names.month } })
}

/**
 * What a plan says where the end, which is excluded, is the last day of a month: others include it. Undefined where it is not, or where the
 * day after it has not come yet.
 */
export function describeLeftOutDay(range: { readonly start: UtcDay | null; readonly end: UtcDay }, today: UtcDay): string | undefined {
  const { start, end } = range
  const next = addDays(end, 1)
  if (monthOf(next) === monthOf(end) || next > today) return undefined
  const isWholeMonth = start === null || start <= firstDayOf(monthOf(end))
  const more = isWholeMonth ? `One day more, --end ${next}, takes the whole month in one archive.` : `--end ${next} takes it in.`
  return `${end} itself is left out (the end is excluded). ${more}`
}
