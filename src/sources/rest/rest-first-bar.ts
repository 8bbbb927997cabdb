import type { Grid } from '../../model/interval.ts'
import { firstSlotUs, slotStartUs, nextSlotUs } from '../../model/interval.ts'
import type { Columns } from '../../model/columns.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { US_PER_DAY } from '../../model/utc-day.ts'
import type { AskPage, Page, PageFacts } from './rest-pages.ts'
import { CHEAP_ROWS } from './rest-pages.ts'
import { EXCHANGE_OPENED_US, firstInWindow } from './rest-walk.ts'

/**
 * What REST says of a series' first bar: its open time (microseconds), proved by an answer that holds it and nothing before it;
 * `unlisted`: it does not know the symbol; `unproved`: what came proves nothing.
 */
export type FirstBar = number | 'unlisted' | 'unproved'

/** Steps of the search that bring an earlier bar: each halves what is left, or is a page further back. */
const MAX_STEPS = 64
/** Windows without an earlier bar, where a range has a bound, that are looked at. */
const EMPTY_WINDOWS = 2

/**
 * Asks for the first bar of all. A page of two rows that ends with a bar and holds it alone shows it to be the first, whichever end of a
 * window a server begins at; one more shows that nothing opens before it to a server that gives one row a page. An empty answer proves
 * nothing.
 * @param sendMonths the same for bars of months; null: the latest ones, however far back they reach
 * @param upToUs a bar is known to open then or before, perhaps as part of a longer bar; null: none is known
 */
export async function findFirstBar(
  send: AskPage,
  sendMonths: AskMonths,
  upToUs: number | null,
  nowUs: number,
  interval: Grid,
  facts: PageFacts,
): Promise<FirstBar> {
  const ask = timesOf(send)
  if (facts.maxRangeDays === undefined) return firstOfAll(ask, upToUs, nowUs, interval)
  // a day inside the bound: documents say both "up to" and "less than"
  const reachUs = (facts.maxRangeDays - 1) * US_PER_DAY
  return firstBounded({ ask, months: timesOf(sendMonths), interval, nowSlot: slotStartUs(nowUs, interval), reachUs }, upToUs)
}

/** As `AskPage`, of bars of months; null: the latest ones. */
export type AskMonths = (page: Page | null) => Promise<KlineColumns | null>

type AskTimes<T> = (page: T) => Promise<readonly number[] | null>
type Ask = AskTimes<Page>

function timesOf<T>(send: (page: T) => Promise<Columns | null>): AskTimes<T> {
  return async (page) => {
    const rows = await send(page)
    return rows === null ? null : Array.from(rows.openTime, Number)
  }
}

/** As `findFirstBar`, where a range has no bound, of rows of any kind. */
export function findFirstRow(send: AskPage<Columns>, upToUs: number | null, nowUs: number, interval: Grid): Promise<FirstBar> {
  return firstOfAll(timesOf(send), upToUs, nowUs, interval)
}

async function firstOfAll(ask: Ask, upToUs: number | null, nowUs: number, interval: Grid): Promise<FirstBar> {
  let endUs = upToUs === null ? slotStartUs(nowUs, interval) : firstSlotUs(upToUs, interval)
  for (let step = 0; step < MAX_STEPS; step++) {
    const rows = await ask({ startUs: 0, endUs, limit: 2 })
    if (rows === null) return 'unlisted'
    const first = rows[0]
    if (first === undefined) return upToUs === null || step > 0 ? 'unproved' : laterOrNothing(ask, nowUs, interval)
    // a window has a bar that opens late in its slot when it ends with the next one
    const reachUs = firstSlotUs(first, interval)
    if (reachUs === endUs) {
      const before = await ask({ startUs: 0, endUs: slotStartUs(first - 1, interval), limit: 1 })
      const earlier = before?.at(-1)
      if (earlier === undefined) return first
      endUs = firstSlotUs(earlier, interval)
    } else endUs = reachUs
  }
  return 'unproved'
}

/** REST has nothing up to a bar that is held: its first bar may be a later one, of a symbol's second life. */
async function laterOrNothing(ask: Ask, nowUs: number, interval: Grid): Promise<FirstBar> {
  const rows = await ask({ startUs: 0, endUs: slotStartUs(nowUs, interval), limit: 2 })
  const first = rows?.[0]
  if (first === undefined) return 'unproved'
  const reachUs = firstSlotUs(first, interval)
  const alone = await ask({ startUs: 0, endUs: reachUs, limit: 2 })
  // of a bar that opens late the next one may stand in the same window
  return alone?.[0] === first && (alone.length === 1 || first !== reachUs) ? first : 'unproved'
}

/** What the search back in time needs, where a range has a bound. */
interface Bounded {
  readonly ask: Ask
  readonly months: AskTimes<Page | null>
  readonly interval: Grid
  readonly nowSlot: number
  /** longest window */
  readonly reachUs: number
}

/**
 * Where a range has a bound: the bars of months, which the exchange gives without one, tell in which month to look, so that no hole is too
 * long. Where that answer does not reach as far back as a bar that is known, months are asked for in windows.
 */
async function firstBounded(o: Bounded, upToUs: number | null): Promise<FirstBar> {
  let months = await o.months(null)
  if (months === null) return 'unlisted'
  for (let step = 0; step < MAX_STEPS; step++) {
    const [oldest] = months
    const isEarlier = oldest !== undefined && (upToUs === null || lastSlotOf(oldest, o) < upToUs)
    const first = await firstBackwards(o, isEarlier ? lastSlotOf(oldest, o) : upToUs, months, !isEarlier)
    if (typeof first !== 'object') return first
    if (oldest !== undefined && slotStartUs(oldest, o.interval) <= first.atUs)
      return first.atUs <= lastSlotOf(oldest, o) ? first.atUs : 'unproved'
    const earlier = await monthBefore(o, first.atUs)
    if (typeof earlier !== 'number') return earlier === 'none' ? first.atUs : earlier
    months = [earlier]
    upToUs = first.atUs
  }
  return 'unproved'
}

/** The last slot that opens in a month, or now. */
function lastSlotOf(month: number, { interval, nowSlot }: Bounded): number {
  return Math.min(slotStartUs(nextSlotUs(slotStartUs(month, '1M'), '1M') - 1, interval), nowSlot)
}

/** The earliest month with a bar before the one of the first bar so far, in windows back in time; `none`: there is none. */
async function monthBefore({ months, interval, reachUs }: Bounded, firstUs: number): Promise<number | 'none' | 'unlisted' | 'unproved'> {
  const own = slotStartUs(nextSlotUs(slotStartUs(firstUs, interval), interval) - 1, '1M')
  let earliest: number | null = null
  for (let endUs = own; endUs >= EXCHANGE_OPENED_US;) {
    const startUs = firstSlotUs(Math.max(EXCHANGE_OPENED_US, endUs - reachUs), '1M')
    const rows = await months({ startUs, endUs, limit: CHEAP_ROWS })
    if (rows === null) return 'unlisted'
    // an exchange that does not know the month that we know tells nothing of others
    if (endUs === own && !rows.some((time) => slotStartUs(time, '1M') === own)) return 'unproved'
    const found = rows.find((time) => time < slotStartUs(firstUs, interval))
    if (found !== undefined && slotStartUs(found, '1M') < slotStartUs(firstUs, '1M')) earliest = found
    endUs = slotStartUs(startUs - 1, '1M')
  }
  return earliest ?? 'none'
}

/**
 * Windows back in time from where a bar is known, to the first ones without a bar.
 * @param months open times of the bars of months, as far as they are known: nothing opens before the first one
 * @param isHeld the bar at `upToUs` may be the first one of all
 */
async function firstBackwards(
  { ask, interval, nowSlot, reachUs }: Bounded,
  upToUs: number | null,
  months: readonly number[],
  isHeld: boolean,
): Promise<{ readonly atUs: number } | 'unlisted' | 'unproved'> {
  const floorUs = months[0] === undefined ? EXCHANGE_OPENED_US : slotStartUs(months[0], interval)
  let first: number | null = null
  let endUs = upToUs === null ? nowSlot : firstSlotUs(upToUs, interval)
  let empty = 0
  let isProved = false
  if (isHeld && upToUs !== null && floorUs <= endUs) {
    // with the two slots behind it: a server that gives so many rows at most would give no more months
    const behindUs = nextSlotUs(nextSlotUs(endUs, interval), interval)
    const startUs = firstSlotUs(Math.max(EXCHANGE_OPENED_US, behindUs - reachUs), interval)
    const rows = behindUs > nowSlot || startUs > floorUs ? [] : await ask({ startUs, endUs: behindUs, limit: CHEAP_ROWS })
    if (rows === null) return 'unlisted'
    const [found] = rows
    if (found !== undefined && slotStartUs(found, interval) === endUs) {
      if (rows.length > 1 && rows.length < months.length) return { atUs: found }
      // it is in an answer that has nothing before it: and in one that ends there?
      first = found
      isProved = true
      empty = 1
      endUs = slotStartUs(found - 1, interval)
    }
  }
  while (endUs >= EXCHANGE_OPENED_US && ((first === null && upToUs === null) || empty < EMPTY_WINDOWS)) {
    const lowUs =
      first === null && !isHeld && floorUs <= endUs && endUs - reachUs < floorUs ? floorUs : Math.max(EXCHANGE_OPENED_US, endUs - reachUs)
    const startUs = firstSlotUs(lowUs, interval)
    const rows = await ask({ startUs, endUs, limit: CHEAP_ROWS })
    if (rows === null) return 'unlisted'
    const found = rows[0]
    // the last slot alone has a bar, whichever end of a window the server begins at
    if (first === null && found !== undefined && slotStartUs(found, interval) === endUs) first = found
    if (found === undefined || found === first) {
      isProved ||= found !== undefined
      // the first bar so far, or nothing: and before it?
      empty++
      endUs = found === undefined ? slotStartUs(startUs - 1, interval) : slotStartUs(found - 1, interval)
      continue
    }
    empty = 0
    isProved = false
    first = await firstInWindow(ask, startUs, firstSlotUs(found, interval), interval)
    if (first === null) return 'unproved'
    endUs = slotStartUs(first, interval)
  }
  if (first === null) return 'unproved'
  if (isProved) return { atUs: first }
  // the proof: the bar alone in an answer that begins before it
  const lastUs = firstSlotUs(first, interval)
  const alone = await ask({ startUs: firstSlotUs(lastUs - reachUs, interval), endUs: lastUs, limit: CHEAP_ROWS })
  return alone?.[0] === first ? { atUs: first } : 'unproved'
}
