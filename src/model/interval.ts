import { monthStartUs, nextMonth, US_PER_DAY } from './utc-day.ts'

/** A bar length, written as Binance's REST API writes it (`1M` is a month; archives write `1mo`). */
export type Interval = '1s' | '1m' | '3m' | '5m' | '15m' | '30m' | '1h' | '2h' | '4h' | '6h' | '8h' | '12h' | '1d' | '3d' | '1w' | '1M'

/** Day on which bars of `3d` open, modulo 3 since 1970-01-01. */
export type Phase = 0 | 1 | 2

/** Bars of three days open on days that are 1 modulo 3: BTCUSDT's archives do from 2017-08-17 to 2026-07-01. */
const DEFAULT_PHASE: Phase = 1

/**
 * Where the bars of a series open. An interval has one grid, which has its name; only `3d` has others, of series whose own bars all open
 * on other days than most. Whoever knows the series takes `gridOf` it, whoever knows the interval alone takes that.
 */
export type Grid = Interval | '3d/0' | '3d/2'

const US_PER_SECOND = 1_000_000
const US_PER_MINUTE = 60 * US_PER_SECOND
const US_PER_HOUR = 60 * US_PER_MINUTE

/** Length of a bar in microseconds; `1M` has none of its own. */
const LENGTH_US: Readonly<Record<Exclude<Grid, '1M'>, number>> = {
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
  '3d/0': 3 * US_PER_DAY,
  '3d/2': 3 * US_PER_DAY,
  '1w': 7 * US_PER_DAY,
}

/** Start of a grid that does not start at the epoch. Weeks open on Monday: 1970-01-05 was one. */
const OFFSET_US: Partial<Record<Grid, number>> = { '3d': DEFAULT_PHASE * US_PER_DAY, '3d/2': 2 * US_PER_DAY, '1w': 4 * US_PER_DAY }

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

/** True for `3d`, `1w` and `1M`. */
export function isLongerThanDay(grid: Grid): boolean {
  return grid === '1M' || LENGTH_US[grid] > US_PER_DAY
}

/** The grid of a series: `phase` is that of its own bars, null or absent where they do not tell. */
export function gridOf({ interval, phase }: { readonly interval: Interval; readonly phase?: Phase | null | undefined }): Grid {
  if (interval !== '3d') return interval
  return phase === 0 ? '3d/0' : phase === 2 ? '3d/2' : '3d'
}

/** The phase of bars of `3d`: the one on which all agree, the usual one where they do not; null without a bar. Times are microseconds. */
export function phaseOf(openTimes: BigInt64Array): Phase | null {
  let phase: Phase | null = null
  for (const time of openTimes) phase = joinPhases(phase, (Math.floor(Number(time) / US_PER_DAY) % 3) as Phase)
  return phase
}

/** The phase of a series of which two parts have these. Whatever the order of the parts, the whole has the same. */
export function joinPhases(a: Phase | null, b: Phase | null): Phase | null {
  return a === null ? b : b === null || a === b ? a : DEFAULT_PHASE
}

/** Upper bound of a bar's length in microseconds (31 days for `1M`). */
export function maxLengthUs(grid: Grid): number {
  return grid === '1M' ? 31 * US_PER_DAY : LENGTH_US[grid]
}

/** Start, in microseconds, of the slot that holds `timeUs`: ⌊time / interval⌋ on the exchange's grid. */
export function slotStartUs(timeUs: number, grid: Grid): number {
  if (grid === '1M') return monthStartUs(timeUs)
  const length = LENGTH_US[grid]
  const offset = OFFSET_US[grid] ?? 0
  return Math.floor((timeUs - offset) / length) * length + offset
}

/** Start of the slot after the one that starts at `slotUs` (which must be a slot's start). */
export function nextSlotUs(slotUs: number, grid: Grid): number {
  return grid === '1M' ? nextMonth(slotUs) : slotUs + LENGTH_US[grid]
}

/** First slot start at or after `timeUs`. */
export function firstSlotUs(timeUs: number, grid: Grid): number {
  const slot = slotStartUs(timeUs, grid)
  return slot === timeUs ? slot : nextSlotUs(slot, grid)
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
export function countSlots(startUs: number, endUs: number, grid: Grid): number {
  const first = firstSlotUs(startUs, grid)
  if (first >= endUs) return 0
  if (grid !== '1M') return Math.ceil((endUs - first) / LENGTH_US[grid])
  let count = 0
  for (let slot = first; slot < endUs; slot = nextMonth(slot)) count++
  return count
}
