import { datasetOf } from '../../dataset/registry.ts'
import type { Chunked } from '../../dataset/chunk.ts'
import { isMonthChunked } from '../../dataset/chunk.ts'
import { archiveStem } from '../../dataset/names.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addMonths, firstDayOf, parseUtcDay, parseUtcMonth } from '../../model/utc-day.ts'

/** An object key as a URL below `base`: each segment percent-encoded, since symbols may hold any letters. */
export function objectUrl(base: string, key: string): string {
  return `${base}/${key.split('/').map(encodeURIComponent).join('/')}`
}

/** Where the listing of a series starts when days before `from` are of no interest: markers are exclusive. */
export function markerBefore(series: Series, packaging: Packaging, from: UtcDay): string {
  const period = packaging === 'daily' ? from : from.slice(0, 7)
  return archiveStem(series, packaging) + period
}

/** First day that an archive covers, and the first day after it; undefined when the key is not one of the series' archives. */
export interface ArchivePeriod {
  /** as the key spells it; some old keys are not padded: `2020-8` */
  readonly period: string
  readonly firstDay: UtcDay
}

const PERIOD: Readonly<Record<Packaging, RegExp>> = {
  daily: /^(\d{4})-(\d{1,2})-(\d{1,2})$/,
  monthly: /^(\d{4})-(\d{1,2})$/,
}

/** Reads the period out of an archive's key, for many keys of one series. */
export function archiveKeyParser(series: Series, packaging: Packaging): (key: string) => ArchivePeriod | undefined {
  const head = archiveStem(series, packaging)
  return (key) =>
    key.startsWith(head) && key.endsWith('.zip') ? parsePeriod(packaging, key.slice(head.length, -'.zip'.length)) : undefined
}

/** Reads a period as a key spells it. */
export function parsePeriod(packaging: Packaging, period: string): ArchivePeriod | undefined {
  const padded = packaging === 'daily' ? parseUtcDay(period) : monthStart(period)
  if (padded !== undefined) return { period, firstDay: padded }
  const match = PERIOD[packaging].exec(period)
  if (match === null) return undefined
  const text = match
    .slice(1)
    .map((part) => part.padStart(2, '0'))
    .join('-')
  const firstDay = packaging === 'daily' ? parseUtcDay(text) : monthStart(text)
  return firstDay === undefined ? undefined : { period, firstDay }
}

function monthStart(text: string): UtcDay | undefined {
  const month = parseUtcMonth(text)
  return month === undefined ? undefined : firstDayOf(month)
}

/**
 * The packagings in which archives of a series are looked for, that which is read first before the other. Archives of `3d`, `1w` and
 * `1M` are monthly; some futures have them by day as well, or by day alone.
 */
export function packagingsOf(series: Chunked): readonly Packaging[] {
  return datasetOf(series).packagings ?? (isMonthChunked(series) ? ['monthly', 'daily'] : ['daily', 'monthly'])
}

/** The first day after a monthly archive that starts at `firstDay`. */
export function monthEnd(firstDay: UtcDay): UtcDay {
  const month = parseUtcMonth(firstDay.slice(0, 7))
  if (month === undefined) throw new RangeError(`not a day: ${firstDay}`)
  return firstDayOf(addMonths(month, 1))
}
