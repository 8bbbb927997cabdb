import type { FundingRate } from '../bucket.ts'
import { MS_PER_DAY } from '../grid.ts'
import type { ListedSymbol } from './listed-symbol.ts'
import { hashText, hashWith } from './random.ts'

/*
 * Funding rates: one each eight hours while a perpetual contract lives, the same over REST and in archives of months.
 */

export const FUNDING = 'fundingRate'
const HOURS = 8
const FUNDING_MS = HOURS * 3_600_000
const HEADER = 'calc_time,funding_interval_hours,last_funding_rate\n'

/** Delivery contracts have none, nor has spot. */
export function hasFunding({ market, symbol }: Pick<ListedSymbol, 'market' | 'symbol'>): boolean {
  return (market === 'um' || market === 'cm') && !/_\d{6}$/.test(symbol)
}

/** The rates of a contract in [fromMs, toMs), in order. */
export function fundingRatesOf(
  { market, symbol, firstMs, endMs }: ListedSymbol,
  seed: number,
  fromMs: number,
  toMs: number,
): FundingRate[] {
  const hash = hashText(`${seed}/${market}/${symbol}/funding`)
  const rates: FundingRate[] = []
  const end = Math.min(toMs, endMs)
  for (let ms = Math.ceil(Math.max(firstMs, fromMs) / FUNDING_MS) * FUNDING_MS; ms < end; ms += FUNDING_MS)
    rates.push([ms, (((hashWith(hash, ms / FUNDING_MS) % 4001) - 2000) / 1e7).toFixed(8)])
  return rates
}

/** The CSV of days since 1970, [from, to). */
export function encodeFunding(listed: ListedSymbol, seed: number, [from, to]: readonly [number, number]): string {
  const rates = fundingRatesOf(listed, seed, from * MS_PER_DAY, to * MS_PER_DAY)
  return HEADER + rates.map(([ms, rate]) => `${ms},${HOURS},${rate}\n`).join('')
}

/** Rows of days, [from, to), at most. */
export function maxFunding([from, to]: readonly [number, number]): number {
  return ((to - from) * MS_PER_DAY) / FUNDING_MS
}
