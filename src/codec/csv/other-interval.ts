import type { Interval } from '../../model/interval.ts'
import { INTERVALS, maxLengthUs } from '../../model/interval.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { gridOfBars } from '../../model/series.ts'
import { US_PER_DAY } from '../../model/utc-day.ts'
import { doubleAt, wordsOf } from '../../memory/int64.ts'
import { findOddRows } from './odd-rows.ts'

/** What of a set of bars tells whether they are of their interval. */
export interface BarSet {
  readonly columns: KlineColumns
  readonly interval: Interval
  /** slots of the time in which the bars may open */
  readonly slots: number
  /** so many bars at least: one bar with an odd close time is an oddity, not another interval */
  readonly fewest: number
}

/** Bars more than slots that are taken as doubles, which an exchange that restarts within a slot publishes: one, or a tenth of the slots. */
const DOUBLES_RATIO = 0.1
const MIN_MONTH_MS = (28 * US_PER_DAY) / 1000
const LENGTHS_MS = new Map(INTERVALS.filter((name) => name !== '1M').map((name) => [maxLengthUs(name) / 1000, name]))

/**
 * Finds out whether bars are of another interval than their archive or answer says: most of them close at the same other distance from
 * their opening (where that is the length of no interval: of three or more bars, most of which do not close with their slots), or there are more of them than slots, single doubles aside.
 * @returns what was found, in words; undefined where they may be of their interval
 */
export function findOtherInterval(bars: BarSet): string | undefined {
  const rows = bars.columns.openTime.length
  if (rows < bars.fewest) return undefined
  const isCrowded = rows - bars.slots > Math.max(1, bars.slots * DOUBLES_RATIO)
  return findOtherLength(bars) ?? (isCrowded ? `${rows} bars where there is room for ${bars.slots}` : undefined)
}

function findOtherLength({ columns, interval }: BarSet): string | undefined {
  const rows = columns.openTime.length
  const { lengthMs, bars } = mostFrequentLength(columns)
  // a close time cut to the second is a second short
  const name = nameOf(lengthMs) ?? nameOf(lengthMs + 1000)
  if (lengthMs <= 0 || bars * 2 <= rows || name === interval) return undefined
  // bars that open late, all by as much, and close with their slots are as long as no interval is
  if (name === undefined && (rows < 3 || findOddRows(columns, gridOfBars({ interval }, columns.openTime)).oddClose * 2 <= rows))
    return undefined
  return `${bars} of ${rows} bars that close ${name ?? `${lengthMs / 1000} s`} after they open`
}

/** Lengths of bars to the millisecond; where archives are in milliseconds a bar ends one before the next one begins. */
function mostFrequentLength({ openTime, closeTime }: KlineColumns): { readonly lengthMs: number; readonly bars: number } {
  const openTimes = wordsOf(openTime)
  const closeTimes = wordsOf(closeTime)
  const counts = new Map<number, number>()
  let most = { lengthMs: 0, bars: 0 }
  for (let row = 0; row < openTime.length; row++) {
    const ms = Math.round((doubleAt(closeTimes, row) - doubleAt(openTimes, row)) / 1000)
    const lengthMs = ms % 1000 === 999 ? ms + 1 : ms
    const bars = (counts.get(lengthMs) ?? 0) + 1
    counts.set(lengthMs, bars)
    if (bars > most.bars) most = { lengthMs, bars }
  }
  return most
}

function nameOf(lengthMs: number): Interval | undefined {
  return LENGTHS_MS.get(lengthMs) ?? (lengthMs >= MIN_MONTH_MS && lengthMs <= maxLengthUs('1M') / 1000 ? '1M' : undefined)
}
