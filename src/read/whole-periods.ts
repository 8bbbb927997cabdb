import { isMonthChunked, nextChunk } from '../dataset/chunk.ts'
import { isOnGrid } from '../dataset/expected.ts'
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
 * @param days one after the other
 * @param isDoubted days whose range is to be looked at day by day
 */
export function findWholeParts(
  series: Series,
  days: readonly UtcDay[],
  catalog: LedgerReader,
  isDoubted: (day: UtcDay) => boolean,
): { readonly parts: readonly DayPart[]; readonly others: readonly UtcDay[] } {
  if (!isPacked(series) || isMonthChunked(series) || !isOnGrid(series)) return { parts: [], others: days }
  const ranges = rangesOf(series, days)
  const sure = ranges.filter((range) => !range.days.some(isDoubted))
  const whole = catalog.findWhole(series, sure, countSlots(0, US_PER_DAY, series.interval))
  const firsts = new Set(whole.map(({ first }) => first))
  return { parts: whole.map(wholePart), others: ranges.flatMap((range) => (firsts.has(range.first) ? [] : range.days)) }
}

/** The days of each pack. */
function rangesOf(series: Series, days: readonly UtcDay[]): (DayRange & { readonly days: readonly UtcDay[] })[] {
  const ranges: (DayRange & { readonly days: readonly UtcDay[] })[] = []
  for (let from = 0; from < days.length;) {
    const first = days[from] as UtcDay
    const period = filePeriod(first, series)
    let to = from + 1
    while (days[to]?.startsWith(period) === true) to++
    const own = days.slice(from, to)
    ranges.push({ first, end: nextChunk(own.at(-1) ?? first, series), days: own })
    from = to
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
