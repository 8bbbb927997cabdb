import type { Interval } from '../model/interval.ts'

/**
 * When bars open, as the exchange has it; times in milliseconds. Written apart from the program's own grid: an exchange that took
 * its bars from there could never show that it is wrong.
 */

export const MS_PER_DAY = 86_400_000

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: MS_PER_DAY, w: 7 * MS_PER_DAY }

/** Weeks open on Monday (1970-01-05), three days on days that are 1 modulo 3 (1970-01-02, 2017-08-17), all else at the epoch. */
const PHASE_MS: Readonly<Partial<Record<Interval, number>>> = { '1w': 4 * MS_PER_DAY, '3d': MS_PER_DAY }

/** Longest a bar of the interval can be: 31 days for `1M`. */
export function maxLengthMs(interval: Interval): number {
  return interval === '1M' ? 31 * MS_PER_DAY : Number(interval.slice(0, -1)) * (UNIT_MS[interval.slice(-1)] as number)
}

/** When the bar opens in which `ms` falls. */
export function slotStartMs(ms: number, interval: Interval): number {
  if (interval === '1M') {
    const date = new Date(ms)
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
  }
  const length = maxLengthMs(interval)
  const phase = PHASE_MS[interval] ?? 0
  return Math.floor((ms - phase) / length) * length + phase
}

/** When the bar after the one that opens at `slotMs` opens. */
export function nextSlotMs(slotMs: number, interval: Interval): number {
  if (interval !== '1M') return slotMs + maxLengthMs(interval)
  const date = new Date(slotMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}
