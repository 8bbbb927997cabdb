import { CkvdError } from '../../errors.ts'
import { numberAt } from '../../model/number-at.ts'
import { CLOSE, COUNT, HIGH, LOW, OPEN, OPEN_MS, QUOTE, TAKER, TAKER_QUOTE, VOLUME } from '../synthetic/bars.ts'
import type { Profile } from '../synthetic/profile.ts'
import { hashWith, Random } from '../synthetic/random.ts'
import type { SideDemand, SideFit, Worth } from './side-fit.ts'
import { fitSide } from './side-fit.ts'
import { aggregatesOf, SINGLE_TRADES } from './ticks.ts'

/*
 * The trades of one minute, made of its bar: first and last price, highest and lowest one, number, volume, quote volume and those of takers
 * are the bar's. Aggregates come first; their trades are parts of them. Of eight trades each side has two that balance it; six and seven
 * are searched for. Fewer trades cannot have all prices and sums of a bar: number, volume and close are met always, from two trades on open
 * and taker volume, from four on high and low, and what is left misses the quote volume by some ten-thousandths; one trade has one taker.
 * Where the quote volume is coins (COIN-M) it is missed by a part of what a contract is worth less one tick higher.
 */

/** Aggregates of a minute, in order. Prices in ticks, quantities in units. */
export interface MinuteTrades {
  readonly prices: readonly number[]
  readonly units: readonly number[]
  readonly isTakerBuyer: readonly boolean[]
  /** how many trades each is */
  readonly trades: readonly number[]
  readonly timesUs: readonly number[]
  /** seed of what is at random in its trades */
  readonly seed: number
}

interface Item {
  readonly price: number
  readonly units: number
  readonly isBuy: boolean
}

/** The trades of the bar that begins at `at`. */
export function createMinuteTrades(profile: Profile, data: Float64Array, at: number): MinuteTrades {
  const openMs = numberAt(data, at + OPEN_MS)
  const count = numberAt(data, at + COUNT)
  const seed = hashWith(profile.flowSeed ^ 0x71c5, openMs / 60_000)
  if (count === 0) return { prices: [], units: [], isTakerBuyer: [], trades: [], timesUs: [], seed }
  const random = new Random(seed)
  const items = orderItems(fitBar(profile, data, at, random), random)
  return {
    prices: items.map(({ price }) => price),
    units: items.map(({ units }) => units),
    isTakerBuyer: items.map(({ isBuy }) => isBuy),
    trades: shareOut(count, items),
    timesUs: items.map((_, i) => openMs * 1000 + Math.floor(((i + random.next()) / items.length) * 60_000_000)),
    seed,
  }
}

/** The quantities of the trades of an aggregate, a unit at least each. */
export function splitUnits(units: number, trades: number, random: Random): number[] {
  const parts: number[] = []
  let left = units
  for (let rest = trades; rest > 1; rest--) {
    const part = Math.min(1 + Math.floor(random.next() * 2 * (left / rest - 1)), left - rest + 1)
    parts.push(part)
    left -= part
  }
  parts.push(left)
  return parts
}

/** What a unit is worth in units of the last decimal of the quote volume: its price; of COIN-M dollars through the price. */
function worthOf(profile: Profile, low: number): Worth {
  if (profile.market !== 'cm') return { of: (price) => price, priceOf: (worth) => worth, tolerance: 0 }
  const dollars = profile.contractUsd * 10 ** profile.priceDecimals * profile.quoteBase
  const of = (price: number): number => dollars / price
  // half of what a contract is worth less when its price is a tick higher
  return { of, priceOf: of, tolerance: (of(low) - of(low + 1)) / 2 + 1 }
}

/** What a bar asks of its trades, both sides apart. */
interface BarDemand {
  readonly buy: Omit<SideDemand, 'trades' | 'prices'>
  readonly sell: Omit<SideDemand, 'trades' | 'prices'>
  readonly aggregates: number
  /** open, close, and what of high and low neither of them is */
  readonly prices: readonly number[]
}

/** Aggregates of a bar: the first one, the last one, and those between in no order yet. */
interface FittedBar {
  readonly first: Item
  readonly last: Item | undefined
  readonly between: readonly Item[]
}

function fitBar(profile: Profile, data: Float64Array, at: number, random: Random): FittedBar {
  const aggregates = aggregatesOf(numberAt(data, at + COUNT))
  const [open, high, low, close] = [OPEN, HIGH, LOW, CLOSE].map((column) => numberAt(data, at + column)) as [number, number, number, number]
  const [volume, taker] = [numberAt(data, at + VOLUME), numberAt(data, at + TAKER)]
  if (aggregates === 1) return { first: { price: close, units: volume, isBuy: taker * 2 > volume }, last: undefined, between: [] }
  const quoteAt = (column: number): number => numberAt(data, column) * profile.quoteBase + numberAt(data, column + 1)
  const [quote, takerQuote] = [quoteAt(at + QUOTE), quoteAt(at + TAKER_QUOTE)]
  const prices = [open, close, ...[high, low].filter((price) => price !== open && price !== close)].slice(0, aggregates)
  const demand: BarDemand = {
    buy: { units: taker, worth: takerQuote, low, high },
    sell: { units: volume - taker, worth: quote - takerQuote, low, high },
    aggregates,
    prices,
  }
  const { places, rest } = fitSides(demand, worthOf(profile, low), random)
  const [first, last, ...others] = places
  if (first === undefined) throw new CkvdError('CKVD_BUG', `Expected trades for a bar of ${aggregates} aggregates, found none.`)
  return { first, last, between: [...others, ...rest] }
}

/** The trades of both sides: at the demanded prices, in their order, and the rest. */
function fitSides(demand: BarDemand, worth: Worth, random: Random): { readonly places: readonly Item[]; readonly rest: readonly Item[] } {
  let best: { readonly isBuy: readonly boolean[]; readonly buy: SideFit; readonly sell: SideFit } | undefined
  let miss = Infinity
  for (const { buys, isBuy } of divisions(demand, random)) {
    const pricesOf = (side: boolean): number[] => demand.prices.filter((_, i) => isBuy[i] === side)
    const buy = fitSide({ ...demand.buy, trades: buys, prices: pricesOf(true) }, worth, random)
    if (buy.miss >= miss) continue
    const sell = fitSide({ ...demand.sell, trades: demand.aggregates - buys, prices: pricesOf(false) }, worth, random)
    if (buy.miss + sell.miss >= miss) continue
    miss = buy.miss + sell.miss
    best = { isBuy, buy, sell }
    if (buy.miss <= worth.tolerance && sell.miss <= worth.tolerance) break
  }
  if (best === undefined) throw new CkvdError('CKVD_BUG', `Expected sides for ${demand.aggregates} aggregates, found none.`)
  const { isBuy, buy, sell } = best
  const itemsOf = (fit: SideFit, side: boolean): Item[] =>
    fit.prices.map((price, i) => ({ price, units: fit.units[i] as number, isBuy: side }))
  const [bought, sold] = [itemsOf(buy, true), itemsOf(sell, false)]
  const places = isBuy.map((side) => (side ? bought : sold).shift() as Item)
  return { places, rest: [...bought, ...sold] }
}

/** Ways to give each demanded price a side, and each side a number of trades; many trades need no search. */
function* divisions(demand: BarDemand, random: Random): Generator<{ readonly buys: number; readonly isBuy: readonly boolean[] }> {
  const { aggregates, prices, buy, sell } = demand
  if (buy.units === 0 || sell.units === 0) {
    yield { buys: sell.units === 0 ? aggregates : 0, isBuy: prices.map(() => sell.units === 0) }
    return
  }
  const share = Math.round((aggregates * buy.units) / (buy.units + sell.units))
  const fewest = Math.max(1, aggregates - sell.units)
  const most = Math.min(aggregates - 1, buy.units)
  const isMany = aggregates >= SINGLE_TRADES
  // of many trades each side has four at least: two prices, and two trades that balance
  const likely = Math.max(fewest, Math.min(isMany ? Math.max(4, Math.min(share, aggregates - 4)) : share, most))
  const crossing = random.next() < 0.5 ? [5, 10] : [10, 5]
  const masks = [...crossing, ...Array.from({ length: 2 ** prices.length }, (_, mask) => mask)]
  const counts = isMany ? [likely] : [likely, ...Array.from({ length: most - fewest + 1 }, (_, i) => fewest + i)]
  for (const buys of counts) {
    for (const mask of masks) {
      const isBuy = prices.map((_, i) => ((mask >> i) & 1) === 1)
      const bought = isBuy.filter(Boolean).length
      if (bought <= buys && prices.length - bought <= aggregates - buys) yield { buys, isBuy }
    }
  }
}

/** The first one, those between in any order, the last one. */
function orderItems({ first, last, between }: FittedBar, random: Random): Item[] {
  const items = [...between]
  for (let i = items.length - 1; i > 0; i--) {
    const other = Math.floor(random.next() * (i + 1))
    const moved = items[i] as Item
    items[i] = items[other] as Item
    items[other] = moved
  }
  return last === undefined ? [first, ...items] : [first, ...items, last]
}

/** How many trades each aggregate is: one, and a share of the others by its units, of which it has one for each. */
function shareOut(count: number, items: readonly Item[]): number[] {
  const others = count - items.length
  const total = items.reduce((sum, { units }) => sum + units - 1, 0)
  let seen = 0
  let given = 0
  return items.map(({ units }) => {
    seen += units - 1
    const upTo = total === 0 ? 0 : Math.floor((others * seen) / total)
    const trades = 1 + upTo - given
    given = upTo
    return trades
  })
}
