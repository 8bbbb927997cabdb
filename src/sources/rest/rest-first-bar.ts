import type { RestFacts } from '../../../config/markets.ts'
import type { Grid } from '../../model/interval.ts'
import { firstSlotUs, slotStartUs } from '../../model/interval.ts'
import type { AskPage, Page } from './rest-pages.ts'
import { CHEAP_ROWS } from './rest-pages.ts'
import { EXCHANGE_OPENED_US, firstInWindow } from './rest-walk.ts'

/**
 * What REST says of a series' first bar: its open time (microseconds), proved by an answer that holds it and nothing before it;
 * `unlisted`: it does not know the symbol; `unproved`: what came proves nothing.
 */
export type FirstBar = number | 'unlisted' | 'unproved'

/** Steps of the search that bring an earlier bar: each halves what is left, or is a page further back. */
const MAX_STEPS = 64
/**
 * Windows without an earlier bar, where a range has a bound, that are looked at. They overlap: a bar behind a hole longer than one of them
 * is not found.
 */
const EMPTY_WINDOWS = 2

/**
 * Asks for the first bar of all. A page of two rows that ends with a bar and holds it alone shows it to be the first, whichever end of a
 * window a server begins at; one more shows that nothing opens before it to a server that gives one row a page. An empty answer proves
 * nothing.
 * @param upToUs a bar is known to open then or before, perhaps as part of a longer bar; null: none is known
 */
export async function findFirstBar(
  send: AskPage,
  upToUs: number | null,
  nowUs: number,
  interval: Grid,
  facts: RestFacts,
): Promise<FirstBar> {
  const ask = async (page: Page): Promise<readonly number[] | null> => {
    const rows = await send(page)
    return rows === null ? null : Array.from(rows.openTime, Number)
  }
  return facts.maxRangeDays === undefined
    ? firstOfAll(ask, upToUs, nowUs, interval)
    : firstBackwards(ask, upToUs, nowUs, interval, facts.maxRangeDays)
}

type Ask = (page: Page) => Promise<readonly number[] | null>

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

/** Where a range has a bound: windows back in time from where a bar is known, to the first ones without a bar. */
async function firstBackwards(ask: Ask, upToUs: number | null, nowUs: number, interval: Grid, maxDays: number): Promise<FirstBar> {
  // a day inside the bound: documents say both "up to" and "less than"
  const reachUs = (maxDays - 1) * 86_400_000_000
  let first: number | null = null
  let endUs = upToUs === null ? slotStartUs(nowUs, interval) : firstSlotUs(upToUs, interval)
  let empty = 0
  let isProved = false
  while (endUs >= EXCHANGE_OPENED_US && ((first === null && upToUs === null) || empty < EMPTY_WINDOWS)) {
    const startUs = firstSlotUs(Math.max(EXCHANGE_OPENED_US, endUs - reachUs), interval)
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
  if (isProved) return first
  // the proof: the bar alone in an answer that begins before it
  const lastUs = firstSlotUs(first, interval)
  const alone = await ask({ startUs: firstSlotUs(lastUs - reachUs, interval), endUs: lastUs, limit: CHEAP_ROWS })
  return alone?.[0] === first ? first : 'unproved'
}
