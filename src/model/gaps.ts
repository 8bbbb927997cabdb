import type { Grid } from './interval.ts'
import { countSlots, firstSlotUs, nextSlotUs, slotStartUs } from './interval.ts'
import type { TimeRange } from './series.ts'

/** A stretch of empty slots, [startUs, endUs), both slot starts; `bars` is how many slots it has, or how many rows are missing in it. */
export interface Gap {
  readonly startUs: number
  readonly endUs: number
  readonly bars: number
  /** which rows are missing, where their times do not tell it */
  readonly ids?: readonly IdRange[]
}

/** Ids that follow each other, both ends included. */
export interface IdRange {
  readonly first: number
  readonly last: number
}

/**
 * The only gap finder: the empty slots of `range`, as maximal stretches, in order.
 * `openTimes` are microseconds in ascending order (times outside the range are ignored). A bar fills the slot into
 * which its open time falls, on the grid or off it; two bars in one slot fill it once.
 */
export function findGaps(openTimes: BigInt64Array, range: TimeRange, grid: Grid): Gap[] {
  const gaps: Gap[] = []
  let expected = firstSlotUs(range.startUs, grid)
  for (const time of openTimes) {
    const slot = slotStartUs(Number(time), grid)
    if (slot < expected) continue
    if (slot >= range.endUs) break
    if (slot > expected) gaps.push({ startUs: expected, endUs: slot, bars: countSlots(expected, slot, grid) })
    expected = nextSlotUs(slot, grid)
  }
  if (expected < range.endUs) {
    const bars = countSlots(expected, range.endUs, grid)
    if (bars > 0) gaps.push({ startUs: expected, endUs: lastSlotEnd(expected, range.endUs, bars, grid), bars })
  }
  return gaps
}

function lastSlotEnd(startUs: number, endUs: number, bars: number, grid: Grid): number {
  if (grid !== '1M' && bars > 0) return startUs + bars * (nextSlotUs(startUs, grid) - startUs)
  let end = startUs
  while (end < endUs) end = nextSlotUs(end, grid)
  return end
}
