import type { Interval } from '../model/interval.ts'
import { INTERVALS } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { addMonths, firstDayOf, monthOf, parseUtcDay, parseUtcMonth } from '../model/utc-day.ts'
import { chunkPeriod } from './chunk.ts'
import { datasetOf } from './registry.ts'

/*
 * Which chunks of a series share a file. A day of bars of some minutes is a file of its own; coarser ones would be more description than
 * bars, so that theirs stand together by month or year. What is planned, proved and told stays the chunk.
 */

type Packed = Pick<Series, 'dataset' | 'interval'>

const LAST_ALONE: Interval = '5m'
const LAST_OF_MONTH: Interval = '1h'

/** What of a series a file holds: of klines a chunk of `1s` to `5m`, a month of `15m` to `1h`, a year of anything longer. */
export function fileSpan(series: Packed): 'chunk' | 'month' | 'year' {
  const { pack } = datasetOf(series)
  if (pack !== 'interval') return pack ?? 'chunk'
  const place = INTERVALS.indexOf(series.interval)
  if (place <= INTERVALS.indexOf(LAST_ALONE)) return 'chunk'
  return place <= INTERVALS.indexOf(LAST_OF_MONTH) ? 'month' : 'year'
}

/** True when the chunks of a series stand with others in a file. */
export function isPacked(series: Packed): boolean {
  return fileSpan(series) !== 'chunk'
}

/** The period whose file holds a chunk: `2024-01-01`, `2024-01` or `2024`. A bar belongs to the period in which it opens. @param span of many days of a series, found once */
export function filePeriod(day: UtcDay, series: Packed, span = fileSpan(series)): string {
  return span === 'chunk' ? chunkPeriod(day, series) : span === 'month' ? monthOf(day) : day.slice(0, 4)
}

/** First day of a pack's period and the day after its last one; undefined for another text. */
export function parseFilePeriod(period: string, series: Packed): { readonly first: UtcDay; readonly end: UtcDay } | undefined {
  const isYear = fileSpan(series) === 'year'
  const month = isYear ? undefined : parseUtcMonth(period)
  const first = isYear && /^\d{4}$/.test(period) ? parseUtcDay(`${period}-01-01`) : month === undefined ? undefined : firstDayOf(month)
  return first === undefined ? undefined : { first, end: firstDayOf(addMonths(monthOf(first), isYear ? 12 : 1)) }
}
