import type { FundingFacts } from '../../../config/markets.ts'
import { MARKET_FACTS } from '../../../config/markets.ts'
import { decodeRestRates } from '../../codec/rest-rates.ts'
import { createRows } from '../../dataset/registry.ts'
import { slotOnHour, US_PER_HOUR } from '../../dataset/schedule.ts'
import { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import type { RestSeries } from '../../model/series.ts'
import type { HttpAnswer } from '../http/http-exchange.ts'
import { checkPage, isUnlisted } from './klines-answer.ts'
import type { FirstBar } from './rest-first-bar.ts'
import { findFirstRow } from './rest-first-bar.ts'
import type { AskPage, Page } from './rest-pages.ts'
import type { StretchAsk, StretchRows } from './rest-walk.ts'
import { walkRows } from './rest-walk.ts'

/** 1,000 rows of some 100 bytes. */
const MAX_BODY_BYTES = 1 << 20
/** Rates come a few milliseconds off their hour: what is nearer to it than to the next one is of it. */
const HALF_HOUR_US = US_PER_HOUR / 2
/** Most contracts have a rate in each slot of this grid, some several: where one is missing the walk has to look for it. */
const WALK_GRID = '8h'
const WALK_SLOT_US = 8 * US_PER_HOUR

/** REST facts of a market's funding rates. Throws CKVD_BUG for a market that has none. */
export function fundingFacts({ market }: Pick<RestSeries, 'market'>): FundingFacts {
  const { funding } = MARKET_FACTS[market]
  if (funding === null) throw new CkvdError('CKVD_BUG', `Expected a market with funding rates, got ${market}.`)
  return funding
}

/**
 * One page of a contract's funding rates, in order; null when the exchange does not know the contract. Parameters, limits and order of rows:
 * see `FundingFacts`. The hours of a rate are not told: 0.
 * @param fetchAnswer asks, with retries
 * @throws CKVD_REST_BODY, CKVD_REST_RANGE and as `fetchAnswer`
 */
export async function fetchRates(
  series: Pick<RestSeries, 'market' | 'symbol'>,
  page: Page,
  base: string,
  fetchAnswer: (url: string, ask: { readonly weight: number; readonly maxBytes: number }) => Promise<HttpAnswer>,
): Promise<Columns | null> {
  const { path, weight } = fundingFacts(series)
  const query = new URLSearchParams({
    symbol: series.symbol,
    startTime: String(page.startUs / 1000),
    endTime: String(page.endUs / 1000),
    limit: String(page.limit),
  })
  const url = `${base}${path}?${query.toString()}`
  const answer = await fetchAnswer(url, { weight, maxBytes: MAX_BODY_BYTES })
  if (isUnlisted(answer, 'funding rates', url)) return null
  const rates = decodeRestRates(answer.body, url)
  checkPage(rates.openTime, page, url)
  return rates
}

/**
 * Walks through a stretch of funding rates: see `walkStretch`. Witnesses are told by the hour they are of, the rates themselves by their own
 * times.
 */
export async function walkRates(
  send: AskPage<Columns>,
  ask: StretchAsk,
  nowUs: () => number,
  { pageRows, weight }: FundingFacts,
): Promise<StretchRows<Columns> | null> {
  const told = new Map<number, bigint>()
  const onHours = byHours(send, WALK_SLOT_US, told)
  const { beforeUs, afterUs } = ask
  const asked = {
    ...ask,
    beforeUs: beforeUs === null ? null : slotOnHour(beforeUs),
    afterUs: afterUs === null ? null : slotOnHour(afterUs),
  }
  const facts = { pageRows, weightOf: () => weight, nearest: 'start' as const }
  const stretch = await walkRows(onHours, asked, nowUs, WALK_GRID, facts, createRows({ dataset: 'fundingRate' }, 0))
  if (stretch === null) return null
  const openTime = stretch.rows.openTime.map((hour) => told.get(Number(hour)) ?? hour)
  return { ...stretch, rows: { ...stretch.rows, openTime } }
}

/** The hour of a contract's first rate of all: see `findFirstBar`. */
export function findFirstRate(send: AskPage<Columns>, upToUs: number | null, nowUs: number): Promise<FirstBar> {
  return findFirstRow(byHours(send, US_PER_HOUR, new Map()), upToUs === null ? null : slotOnHour(upToUs), nowUs, '1h')
}

/**
 * Asks for whole slots, and gives rates with the hours they are of as their times.
 * @param told their own times, by hour
 */
function byHours(send: AskPage<Columns>, slotUs: number, told: Map<number, bigint>): AskPage<Columns> {
  return async (page) => {
    const startUs = Math.max(0, page.startUs - HALF_HOUR_US)
    const rates = await send({ ...page, startUs, endUs: page.endUs + slotUs - HALF_HOUR_US - 1000 })
    if (rates === null) return null
    const openTime = rates.openTime.map((time) => {
      const hour = slotOnHour(Number(time))
      told.set(hour, time)
      return BigInt(hour)
    })
    return { ...rates, openTime }
  }
}
