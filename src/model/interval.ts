import type { UtcDay } from './utc-day.ts'
import { dayStartUs, monthStartUs, nextMonth, US_PER_DAY } from './utc-day.ts'

/** A bar length, written as Binance's REST API writes it (`1M` is a month; archives write `1mo`). */
export type Interval = '1s' | '1m' | '3m' | '5m' | '15m' | '30m' | '1h' | '2h' | '4h' | '6h' | '8h' | '12h' | '1d' | '3d' | '1w' | '1M'

const US_PER_SECOND = 1_000_000
const US_PER_MINUTE = 60 * US_PER_SECOND
const US_PER_HOUR = 60 * US_PER_MINUTE

/** Length of a bar in microseconds; `1M` has none of its own. */
const LENGTH_US: Readonly<Record<Exclude<Interval, '1M'>, number>> = {
  '1s': US_PER_SECOND,
  '1m': US_PER_MINUTE,
  '3m': 3 * US_PER_MINUTE,
  '5m': 5 * US_PER_MINUTE,
  '15m': 15 * US_PER_MINUTE,
  '30m': 30 * US_PER_MINUTE,
  '1h': US_PER_HOUR,
  '2h': 2 * US_PER_HOUR,
  '4h': 4 * US_PER_HOUR,
  '6h': 6 * US_PER_HOUR,
  '8h': 8 * US_PER_HOUR,
  '12h': 12 * US_PER_HOUR,
  '1d': US_PER_DAY,
  '3d': 3 * US_PER_DAY,
  '1w': 7 * US_PER_DAY,
}

/**
 * Start of a grid that does not start at the epoch. Weeks open on Monday: 1970-01-05 was one. Bars of three days open on days that are
 * 1 modulo 3 since 1970-01-01: BTCUSDT's archives open on 2017-08-17 first and on 2026-07-01 still.
 */
const OFFSET_US: Partial<Record<Interval, number>> = { '3d': US_PER_DAY, '1w': 4 * US_PER_DAY }

/** All intervals, shortest first. */
export const INTERVALS: readonly Interval[] = [
  '1s',
  '1m',
  '3m',
  '5m',
  '15m',
  '30m',
  '1h',
  '2h',
  '4h',
  '6h',
  '8h',
  '12h',
  '1d',
  '3d',
  '1w',
  '1M',
]

/** Reads an interval; `1mo`, the archives' spelling of `1M`, is accepted. Undefined when unknown. */
export function parseInterval(text: string): Interval | undefined {
  const name = text === '1mo' ? '1M' : text
  return (INTERVALS as readonly string[]).includes(name) ? (name as Interval) : undefined
}

/** The interval as archives and paths write it: `1mo` for `1M`, since `1M` and `1m` are one file on many disks. */
export function intervalPathName(interval: Interval): string {
  return interval === '1M' ? '1mo' : interval
}

/** True for `3d`, `1w` and `1M`, whose chunks are months instead of days. */
export function isMonthChunked(interval: Interval): boolean {
  return interval === '3d' || interval === '1w' || interval === '1M'
}

/** Upper bound of a bar's length in microseconds (31 days for `1M`). */
export function maxLengthUs(interval: Interval): number {
  return interval === '1M' ? 31 * US_PER_DAY : LENGTH_US[interval]
}

/** Start, in microseconds, of the slot that holds `timeUs`: ⌊time / interval⌋ on the exchange's grid. */
export function slotStartUs(timeUs: number, interval: Interval): number {
  if (interval === '1M') return monthStartUs(timeUs)
  const length = LENGTH_US[interval]
  const offset = OFFSET_US[interval] ?? 0
  return Math.floor((timeUs - offset) / length) * length + offset
}

/** Start of the slot after the one that starts at `slotUs` (which must be a slot's start). */
export function nextSlotUs(slotUs: number, interval: Interval): number {
  return interval === '1M' ? nextMonth(slotUs) : slotUs + LENGTH_US[interval]
}

/** First slot start at or after `timeUs`. */
export function firstSlotUs(timeUs: number, interval: Interval): number {
  const slot = slotStartUs(timeUs, interval)
  return slot === timeUs ? slot : nextSlotUs(slot, interval)
}

/**
 * True when bars of `small` make up bars of `large`: each of its slots is made of whole slots of `small`. Three days are no part of a week
 * or a month, weeks none of a month, `4h` none of `6h`.
 */
export function nestsIn(small: Interval, large: Interval): boolean {
  if (small === large || small === '1M') return false
  const length = LENGTH_US[small]
  if (large === '1M') return US_PER_DAY % length === 0
  return LENGTH_US[large] % length === 0
}

/** How many slots start in [startUs, endUs). */
export function countSlots(startUs: number, endUs: number, interval: Interval): number {
  const first = firstSlotUs(startUs, interval)
  if (first >= endUs) return 0
  if (interval !== '1M') return Math.ceil((endUs - first) / LENGTH_US[interval])
  let count = 0
  for (let slot = first; slot < endUs; slot = nextMonth(slot)) count++
  return count
}

/** First microsecond after the chunk named `day`. */
export function chunkEndUs(day: UtcDay, interval: Interval): number {
  const start = dayStartUs(day)
  return isMonthChunked(interval) ? nextMonth(start) : start + US_PER_DAY
}

/** When the last bar of the chunk has closed, in microseconds: a week that opens in January may close in February. */
export function chunkClosedUs(day: UtcDay, interval: Interval): number {
  const end = chunkEndUs(day, interval)
  const lastSlot = slotStartUs(end - 1, interval)
  return nextSlotUs(lastSlot, interval)
}
