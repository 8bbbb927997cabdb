import type { RestFacts } from '../../config/markets.ts'
import type { Interval } from '../model/interval.ts'
import { countSlots, firstSlotUs, slotStartUs } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { Page } from './rest-pages.ts'
import { windowStartUs } from './rest-pages.ts'

/** Asks for one page; null when the exchange does not know the symbol. */
export type AskPage = (page: Page) => Promise<KlineColumns | null>

/** Binance opened in July 2017: no market of it has an older bar. */
const EXCHANGE_OPENED_US = Date.UTC(2017, 6, 1) * 1000
/** The largest page of weight 1 on futures. */
const SEARCH_ROWS = 99

/** Where pages begin at startTime: the first row of all is one request away. */
export async function findFirstBarForwards(ask: AskPage, nowUs: number, interval: Interval): Promise<number | null> {
  const rows = await ask({ startUs: 0, endUs: slotStartUs(nowUs, interval), limit: 1 })
  const first = rows?.openTime[0]
  return first === undefined ? null : Number(first)
}

/**
 * Where the rows nearest endTime come, and of 200 days at most, the first bar has to be searched: forwards over windows
 * of 200 days since the exchange opened (one row each) to the first window that has bars, then by halves inside it.
 * Holes do not mislead it: only an empty answer for everything up to a time moves the search behind that time.
 * Some 30 requests of weight 1 in 2026.
 */
export async function findFirstBarBackwards(ask: AskPage, nowUs: number, interval: Interval, facts: RestFacts): Promise<number | null> {
  const lastUs = slotStartUs(nowUs, interval)
  let startUs = firstSlotUs(EXCHANGE_OPENED_US, interval)
  while (startUs <= lastUs) {
    const endUs = Math.min(lastUs, windowEndUs(startUs, interval, facts))
    const rows = await ask({ startUs, endUs, limit: 1 })
    if (rows === null) return null
    if (rows.openTime.length > 0) return searchWindow(ask, startUs, endUs, interval)
    if (endUs >= lastUs) return null
    startUs = endUs
  }
  return null
}

/** The last slot start that a window from `startUs` may include. */
function windowEndUs(startUs: number, interval: Interval, facts: RestFacts): number {
  const reachUs = startUs - windowStartUs(startUs, interval, facts)
  return slotStartUs(startUs + reachUs, interval)
}

/** The first bar of [startUs, endUs], which has at least one. */
async function searchWindow(ask: AskPage, startUs: number, endUs: number, interval: Interval): Promise<number | null> {
  let lowUs = startUs // no bar opens before
  let highUs = endUs // a bar opens at or before
  for (;;) {
    const narrow = countSlots(lowUs, highUs + 1, interval) < SEARCH_ROWS
    const middleUs = narrow ? highUs : slotStartUs(lowUs + (highUs - lowUs) / 2, interval)
    const rows = await ask({ startUs: lowUs, endUs: middleUs, limit: SEARCH_ROWS })
    const first = rows?.openTime[0]
    if (rows === null || (first === undefined && narrow)) return null // what was there a moment ago is gone
    if (first === undefined) lowUs = middleUs
    else if (rows.openTime.length < SEARCH_ROWS || highUs <= lowUs) return Number(first)
    else highUs = firstSlotUs(Number(first), interval)
  }
}
