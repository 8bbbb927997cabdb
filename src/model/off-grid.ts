import type { Grid } from './interval.ts'
import { slotStartUs } from './interval.ts'

/** How many bars do not open on the exchange's grid. */
export function countOffGrid(openTimes: BigInt64Array, grid: Grid): number {
  let count = 0
  for (const time of openTimes) if (slotStartUs(Number(time), grid) !== Number(time)) count++
  return count
}
