import type { Market } from '../../model/market.ts'
import type { Profile } from '../synthetic/profile.ts'
import { hashWith } from '../synthetic/random.ts'

/*
 * What is decided of trades without making them: how many aggregates a minute's trades are, which ids are not published, how many rows
 * an archive has at most. Ids follow from it for any day, by sums of what the bars count.
 */

/** Data sets of single trades, and of such that one order made at one price. */
export const TICK_DATASETS = ['aggTrades', 'trades'] as const
export type TickDataset = (typeof TICK_DATASETS)[number]

export function isTickDataset(name: string | undefined): name is TickDataset {
  return TICK_DATASETS.some((known) => known === name)
}

/** Up to so many trades of a minute are an aggregate each. */
export const SINGLE_TRADES = 8

/** How many aggregates the trades of a minute are. */
export function aggregatesOf(trades: number): number {
  return trades <= SINGLE_TRADES ? trades : SINGLE_TRADES + Math.ceil((trades - SINGLE_TRADES) / 2)
}

/** Ids of a minute that are not published: so many before its trade of index `before`. */
export interface Unpublished {
  readonly before: number
  readonly ids: number
}

const ALL_PUBLISHED: Unpublished = { before: 0, ids: 0 }
/** One minute in so many lacks ids. */
const UNPUBLISHED_EVERY = 53

/** Futures keep some ids for trades that are not published, of the insurance fund and the like; spot has none. */
export function unpublishedOf({ market, flowSeed }: Profile, openMs: number, trades: number): Unpublished {
  if (market === 'spot' || trades === 0) return ALL_PUBLISHED
  const hash = hashWith(flowSeed ^ 0x1d5, openMs / 60_000)
  if (hash % UNPUBLISHED_EVERY !== 0) return ALL_PUBLISHED
  const rest = Math.floor(hash / UNPUBLISHED_EVERY)
  return { before: Math.floor(rest / 3) % trades, ids: 1 + (rest % 3) }
}

/** Most trades of a minute, their mean and eight times their deviation, for a turnover of `PER_TRADE`, beside the one that each minute has. */
const PER_TRADE = 900
const MOST = 6.51
const MEAN = 1.434
const EIGHT_DEVIATIONS = 10

/** How many rows so many minutes of a symbol have at most, were all of them traded in. */
export function maxTicks(dataset: TickDataset, { turnover }: Profile, minutes: number): number {
  const trades = minutes + (turnover / PER_TRADE) * Math.min(MOST * minutes, MEAN * minutes + EIGHT_DEVIATIONS * Math.sqrt(minutes))
  // no number of trades has more aggregates than half of it and this
  const aggregates = minutes * (SINGLE_TRADES / 2 + 0.5) + trades / 2
  return Math.ceil(dataset === 'trades' ? trades : Math.min(trades, aggregates))
}

/** Header rows by market; COIN-M tells what a trade is worth in coins. */
export function tickHeader(dataset: TickDataset, market: Market): string {
  if (dataset === 'aggTrades') return 'agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n'
  return `id,price,qty,${market === 'cm' ? 'base_qty' : 'quote_qty'},time,is_buyer_maker\n`
}
