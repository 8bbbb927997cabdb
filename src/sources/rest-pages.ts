import type { RestFacts } from '../../config/markets.ts'
import type { Interval } from '../model/interval.ts'
import { countSlots, firstSlotUs, slotStartUs } from '../model/interval.ts'
import { US_PER_DAY } from '../model/utc-day.ts'

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
}

/** What came back for a page: how many rows, and the first and last open time in microseconds. */
export interface PageResult {
  readonly rows: number
  readonly firstUs: number
  readonly lastUs: number
}

/** A page of more rows than this costs more weight on futures. */
const CHEAP_ROWS = 99

/** The grid span that holds every bar opening in [startUs, endUs): from a slot's start to a slot's start, both included. */
export interface Span {
  readonly startUs: number
  readonly endUs: number
}

/** Tiles a span with pages, one after the other; each is planned from the result of the one before. */
export interface PagePlan {
  first(): Page
  /**
   * The page after `page`; null when the span is tiled; 'stuck' when a full page lies in one slot, so that no later
   * page could get past it.
   *
   * A page shorter than its limit is final for its window, also an empty one: the exchange gives the rows nearest to
   * one end of the window, so there are no more in it. Outages are thus crossed by time, in one request a window.
   */
  next(page: Page, result: PageResult): Page | null | 'stuck'
}

/** The way in which a market's pages are asked for: forwards, or backwards where the rows nearest endTime come. */
export function planPages(span: Span, interval: Interval, facts: RestFacts): PagePlan {
  return facts.nearest === 'start' ? forwards(span, interval, facts) : backwards(span, interval, facts)
}

function forwards(span: Span, interval: Interval, facts: RestFacts): PagePlan {
  const page = (startUs: number): Page => ({ startUs, endUs: span.endUs, limit: limitFor(startUs, span.endUs, interval, facts) })
  return {
    first: () => page(span.startUs),
    next: (previous, { rows, lastUs }) => {
      if (rows < previous.limit || lastUs >= span.endUs) return null
      // from the start of the last row's slot, not from behind the row: another bar may open later in that slot
      const startUs = slotStartUs(lastUs, interval)
      return startUs > previous.startUs ? page(startUs) : 'stuck'
    },
  }
}

function backwards(span: Span, interval: Interval, facts: RestFacts): PagePlan {
  const page = (endUs: number): Page => {
    const startUs = Math.max(span.startUs, windowStartUs(endUs, interval, facts))
    return { startUs, endUs, limit: limitFor(startUs, endUs, interval, facts) }
  }
  return {
    first: () => page(span.endUs),
    next: (previous, { rows, firstUs }) => {
      if (rows === previous.limit && firstUs > previous.startUs) {
        const endUs = firstSlotUs(firstUs, interval)
        return endUs < previous.endUs ? page(endUs) : 'stuck'
      }
      return previous.startUs > span.startUs ? page(previous.startUs) : null
    },
  }
}

/** Earliest start of a window that ends at `endUs`, on the grid and within the market's longest range. */
export function windowStartUs(endUs: number, interval: Interval, facts: RestFacts): number {
  if (facts.maxRangeDays === undefined) return 0
  // a millisecond inside the bound: documents say both "up to" and "less than" 200 days
  return firstSlotUs(endUs - facts.maxRangeDays * US_PER_DAY + 1000, interval)
}

/** The smaller limit where it holds all slots and leaves one row over, so that a whole answer is a short page. */
function limitFor(startUs: number, endUs: number, interval: Interval, facts: RestFacts): number {
  const slots = countSlots(startUs, endUs + 1, interval)
  const cheaper = facts.weightOf(CHEAP_ROWS) < facts.weightOf(facts.pageRows)
  return cheaper && slots < CHEAP_ROWS ? CHEAP_ROWS : facts.pageRows
}
