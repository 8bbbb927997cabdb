import type { Random } from '../synthetic/random.ts'

/*
 * Trades of one side of a minute: those in which the taker bought, or those in which he sold. Their units and what they are worth together
 * are given, and some of their prices, such as the minute's highest one. Sums of spot and USDⓈ-M are met to the last digit, wherever
 * there are two trades whose price is free: R units that shall be worth W are R − x at one price and x one tick higher.
 */

/** What a unit is worth at a price, and at which price it is worth so much. */
export interface Worth {
  of(price: number): number
  priceOf(worth: number): number
  /** a sum may miss what was asked for by so much */
  readonly tolerance: number
}

/** What is asked of the trades of a side. Prices in ticks. */
export interface SideDemand {
  readonly units: number
  readonly worth: number
  readonly trades: number
  /** prices that must be among theirs; not more than `trades` */
  readonly prices: readonly number[]
  readonly low: number
  readonly high: number
}

/** Trades of a side, those of the demanded prices first, and by how much their worth misses the one that was asked for. */
export interface SideFit {
  readonly prices: readonly number[]
  readonly units: readonly number[]
  readonly miss: number
}

const NOTHING: SideFit = { prices: [], units: [], miss: 0 }
/** Bounds of a search where few trades must meet many prices; wide enough for each of 18,000 bars of six and seven trades to be met. */
const MOST_PRICES = 128
const MOST_UNITS = 128

/** Each trade has a unit at least, so there must be as many units as trades. */
export function fitSide(demand: SideDemand, worth: Worth, random: Random): SideFit {
  const { trades, prices, units } = demand
  if (trades === 0) return NOTHING
  if (trades < prices.length + 2) return searchFit(demand, worth)
  const fit = spreadFit(demand, worth, (mean) => 1 + Math.floor(random.next() * 2 * (mean - 1)), random)
  // single units leave nearly all to the two trades that balance
  return fit.miss <= worth.tolerance || units === trades ? fit : spreadFit(demand, worth, () => 1, random)
}

/** Prices and units at random, the error held small on the way; the last two trades make up for it. */
function spreadFit(demand: SideDemand, worth: Worth, pick: (mean: number) => number, random: Random): SideFit {
  const { trades, low, high } = demand
  const target = demand.worth / demand.units
  const middle = clamp(Math.floor(worth.priceOf(target)), low, high)
  const isRising = worth.of(high + 1) > worth.of(low)
  const prices: number[] = []
  const units: number[] = []
  let left = trades - 2
  let pool = demand.units - clamp(Math.floor((3 * demand.units) / trades), 2, demand.units - left)
  let error = 0
  let restUnits = demand.units
  let restWorth = demand.worth
  for (; left > 0; left--) {
    const amount = Math.min(pick(pool / left), pool - left + 1)
    const isDear = isRising ? error > 0 : error < 0
    const [from, to] = isDear ? [low, middle] : [middle, high]
    const price = demand.prices[prices.length] ?? from + Math.floor(random.next() * (to - from + 1))
    const value = worth.of(price)
    prices.push(price)
    units.push(amount)
    pool -= amount
    error += amount * (value - target)
    restUnits -= amount
    restWorth -= amount * value
  }
  const price = clamp(Math.floor(worth.priceOf(restWorth / restUnits)), low, high)
  const value = worth.of(price)
  const next = worth.of(price + 1)
  const dearer = price === high ? 0 : clamp(Math.round((restWorth - restUnits * value) / (next - value)), 0, restUnits)
  const isSplit = dearer > 0 && dearer < restUnits
  const half = isSplit ? restUnits - dearer : Math.floor(restUnits / 2)
  prices.push(dearer === restUnits ? price + 1 : price, dearer === 0 ? price : price + 1)
  units.push(half, restUnits - half)
  return { prices, units, miss: Math.abs(restWorth - (restUnits - dearer) * value - dearer * next) }
}

/** The best of the prices that one trade may have, where all others are given. */
function searchFit(demand: SideDemand, worth: Worth): SideFit {
  const { trades, prices, low, high } = demand
  if (trades === prices.length) return allotUnits(demand, prices, worth)
  const step = Math.ceil((high - low + 1) / MOST_PRICES)
  const middle = clamp(Math.round(worth.priceOf(demand.worth / demand.units)), low, high)
  let best = allotUnits(demand, [...prices, middle], worth)
  for (let price = low; price <= high && best.miss > worth.tolerance; price += step) {
    const fit = allotUnits(demand, [...prices, price], worth)
    if (fit.miss < best.miss) best = fit
  }
  return best
}

/** Units for given prices: the lowest and the highest one balance, a third one has what makes that come out best, others one unit. */
function allotUnits(demand: SideDemand, prices: readonly number[], worth: Worth): SideFit {
  const lowest = prices.indexOf(Math.min(...prices))
  const highest = prices.lastIndexOf(Math.max(...prices))
  const values = prices.map((price) => worth.of(price))
  if (prices.length === 1) return { prices, units: [demand.units], miss: Math.abs(demand.units * (values[0] ?? 0) - demand.worth) }
  const [low = 0, high = 0] = [values[lowest], values[highest]]
  const others = values.filter((_, i) => i !== lowest && i !== highest)
  const [third, ...rest] = others
  const restWorth = demand.worth - rest.reduce((sum, value) => sum + value, 0)
  const most = third === undefined ? 0 : Math.min(MOST_UNITS, demand.units - prices.length + 1)
  let best = { third: 0, highest: 0, miss: Infinity }
  for (let amount = Math.min(1, most); amount <= most && best.miss > worth.tolerance; amount++) {
    const units = demand.units - rest.length - amount
    const wanted = restWorth - amount * (third ?? 0)
    const upper = high === low ? Math.floor(units / 2) : clamp(Math.round((wanted - units * low) / (high - low)), 1, units - 1)
    const miss = Math.abs(wanted - (units - upper) * low - upper * high)
    if (miss < best.miss) best = { third: amount, highest: upper, miss }
  }
  const firstOther = prices.findIndex((_, i) => i !== lowest && i !== highest)
  const units = prices.map((_, i) => {
    if (i === lowest) return demand.units - rest.length - best.third - best.highest
    return i === highest ? best.highest : i === firstOther ? best.third : 1
  })
  return { prices, units, miss: best.miss }
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(value, most))
}
