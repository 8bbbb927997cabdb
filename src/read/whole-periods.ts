import { isMonthChunked, nextChunk } from '../dataset/chunk.ts'
import { filePeriod, isPacked } from '../dataset/pack.ts'
import type { DayRange, LedgerReader, WholeDays } from '../lake/ledger.ts'
import { countSlots } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs, US_PER_DAY } from '../model/utc-day.ts'
import type { DayPart } from './day-parts.ts'

/*
 * Most of what is read of packs are months and years of which nothing is to be said but that all bars are there. They are read as one part
 * each: a row of the catalog for every day takes longer than the bars.
 */

/**
 * Ranges of some days, each of one pack, that the lake has whole.
 * @param days in order
 * @param isDoubted days whose range is to be looked at day by day
 */
export function findWholeParts(
  series: Series,
  days: readonly UtcDay[],
  catalog: LedgerReader,
  isDoubted: (day: UtcDay) => boolean,
): { readonly parts: readonly DayPart[]; readonly others: readonly UtcDay[] } {
  if (!isPacked(series) || isMonthChunked(series)) return { parts: [], others: days }
  const ranges = rangesOf(series, days).filter((range) => !range.days.some(isDoubted))
  const whole = catalog.findWhole(series, ranges, countSlots(0, US_PER_DAY, series.interval))
  const wholeFirsts = new Set(whole.map(({ first }) => first))
  const covered = new Set(ranges.flatMap((range) => (wholeFirsts.has(range.first) ? range.days : [])))
  return { parts: whole.map(wholePart), others: covered.size === 0 ? days : days.filter((day) => !covered.has(day)) }
}

/** The days of each pack, as far as they follow each other. */
function rangesOf(series: Series, days: readonly UtcDay[]): (DayRange & { readonly days: UtcDay[] })[] {
  const ranges: { first: UtcDay; end: UtcDay; days: UtcDay[] }[] = []
  let period = ''
  for (const day of days) {
    const own = filePeriod(day, series)
    const last = ranges.at(-1)
    const end = nextChunk(day, series)
    if (last !== undefined && own === period && last.end === day) {
      last.end = end
      last.days.push(day)
    } else ranges.push({ first: day, end, days: [day] })
    period = own
  }
  return ranges
}

function wholePart(whole: WholeDays): DayPart {
  return {
    day: whole.first,
    rows: whole.rows,
    columns: null,
    row: null,
    whole,
    runs: [{ source: 'CACHE', end: whole.rows }],
    range: { startUs: dayStartUs(whole.first), endUs: dayStartUs(whole.end) },
    isFull: true,
    isDisputed: false,
    isUnlisted: false,
    evidence: [],
  }
}
