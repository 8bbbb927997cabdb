import type { FundingRow } from '../codec/funding.ts'
import type { TimeRange } from '../model/series.ts'

const US_PER_HOUR = 3_600_000_000
/** Rates are settled a few milliseconds after the hour; a minute is far from the next hour. */
const SLACK_US = 60_000_000

/** A stretch in which a rate was due and none is there; `bars` is how many. */
export interface FundingGap {
  readonly startUs: number
  readonly endUs: number
  readonly bars: number
}

/**
 * Stretches of a range in which rates are missing: each row tells for how many hours it is, so the one before must be that old. What
 * precedes the first row and follows the last one is due by their hours, 8 where there is no row at all.
 * @param rows in order, before the end of the range; one from before its start tells when the first one in it is due
 */
export function findFundingGaps(rows: readonly FundingRow[], range: TimeRange): FundingGap[] {
  const gaps: FundingGap[] = []
  const add = (startUs: number, endUs: number, bars: number): void => {
    if (bars > 0) gaps.push({ startUs, endUs, bars })
  }
  const hoursOf = (row: FundingRow | undefined): number => (row === undefined || row[1] === 0 ? 8 : row[1])
  // how many rates are due at `fromUs` and every so many hours after it, before `toUs`; one that is due right then may not be there yet
  const countDue = (fromUs: number, toUs: number, hours: number): number => Math.ceil((toUs - SLACK_US - fromUs) / (hours * US_PER_HOUR))
  const first = rows[0]
  if (first === undefined) add(range.startUs, range.endUs, countDue(range.startUs, range.endUs, 8))
  else add(range.startUs, first[0], Math.floor((first[0] - range.startUs) / (hoursOf(first) * US_PER_HOUR)))
  rows.forEach((row, i) => {
    const next = rows[i + 1]
    const hours = hoursOf(next ?? row)
    const lengthUs = hours * US_PER_HOUR
    const endUs = next?.[0] ?? range.endUs
    // times are a few milliseconds late: one that was due right before the range is not due in it
    const before = Math.max(0, Math.ceil((range.startUs - row[0] - lengthUs) / lengthUs))
    const dueUs = row[0] + lengthUs * (before + 1)
    add(dueUs, endUs, countDue(dueUs, endUs, hours))
  })
  return gaps
}

/** Two sets of rows in order as one; a rate that both have (their times may differ by milliseconds) is taken from `base`. */
export function mergeFunding(base: readonly FundingRow[], extra: readonly FundingRow[]): FundingRow[] {
  const minute = (row: FundingRow): number => Math.round(row[0] / SLACK_US)
  const there = new Set(base.map(minute))
  return [...base, ...extra.filter((row) => !there.has(minute(row)))].sort((a, b) => a[0] - b[0])
}

/** Rows of REST, which does not tell the hours: the distance to the row before, or of the first one to the row after. */
export function fillHours(rows: readonly FundingRow[]): FundingRow[] {
  return rows.map((row, i) => {
    if (row[1] !== 0) return row
    const [from, to] = i === 0 ? [row, rows[1]] : [rows[i - 1], row]
    const hours = from === undefined || to === undefined ? 0 : Math.round((to[0] - from[0]) / US_PER_HOUR)
    return [row[0], hours >= 1 && hours <= 24 ? hours : 0, row[2]]
  })
}
