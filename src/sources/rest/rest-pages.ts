import type { RestFacts } from '../../../config/markets.ts'
import type { Grid } from '../../model/interval.ts'
import { firstSlotUs } from '../../model/interval.ts'
import type { Columns } from '../../model/columns.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { US_PER_DAY } from '../../model/utc-day.ts'

/**
 * One request for klines. Both times are microseconds on the interval's grid and both are included.
 *
 * Why always on the grid: startTime rounds up to the next bar and endTime down. A bar that opens late in its slot would
 * be lost if the request began behind the slot's start, or ended before the start of the next one.
 */
export interface Page {
  readonly startUs: number
  readonly endUs: number
  readonly limit: number
  /** no time is sent: the latest rows, which may reach back further than a range may */
  readonly isLatest?: boolean
}

/** Asks for one page; null when the exchange does not know the symbol. */
export type AskPage<T extends Columns = KlineColumns> = (page: Page) => Promise<T | null>

/** What decides how pages are asked for. */
export type PageFacts = Pick<RestFacts, 'pageRows' | 'weightOf' | 'maxRangeDays' | 'nearest'>

/** The largest page of weight 1 on futures. */
export const CHEAP_ROWS = 99

/** Latest end of a window that begins at `startUs`, on the grid and within the market's longest range. */
export function latestEndUs(startUs: number, interval: Grid, facts: PageFacts): number {
  if (facts.maxRangeDays === undefined) return Infinity
  // a slot inside the bound: documents say both "up to" and "less than" 200 days
  return firstSlotUs(startUs + facts.maxRangeDays * US_PER_DAY, interval) - 1
}

/** The limit that a page of so many slots needs: the smaller one where it leaves a row over, so that a whole answer is a short page. */
export function limitFor(slots: number, facts: PageFacts): number {
  const cheaper = facts.weightOf(CHEAP_ROWS) < facts.weightOf(facts.pageRows)
  return cheaper && slots < CHEAP_ROWS ? CHEAP_ROWS : facts.pageRows
}
