import type { Interval } from '../../model/interval.ts'
import { numberAt } from '../../model/number-at.ts'
import { nextSlotMs } from '../grid.ts'
import type { Bars } from './bars.ts'
import { CLOSE, HIGH, LOW, OPEN, OPEN_MS, STRIDE } from './bars.ts'
import type { Profile } from './profile.ts'

/*
 * Bars of mark price, index and premium, made of the traded ones. Each is a price that rises with the traded price, so that bars of all
 * intervals agree: the highest traded price is the highest of each. The index is the traded price; the premium is below 0 while that is below
 * the level around which the symbol moves; the mark price is the index with the premium.
 */

/** Data sets of bars that nobody traded at. */
export const PRICE_DATASETS = ['markPriceKlines', 'indexPriceKlines', 'premiumIndexKlines'] as const
export type PriceDataset = (typeof PRICE_DATASETS)[number]

export function isPriceDataset(name: string | undefined): name is PriceDataset {
  return PRICE_DATASETS.some((known) => known === name)
}

/** The premium at a price that is twice the symbol's level. */
const STEEPNESS = 0.001
const DECIMALS = 8
/** How often a price is looked at: by what REST tells as count, prices each second, premiums each five seconds. */
const SAMPLE_MS: Readonly<Record<PriceDataset, number>> = { markPriceKlines: 1000, indexPriceKlines: 1000, premiumIndexKlines: 5000 }

/** The price that a data set has where another one was traded; a text of eight decimals. */
function priceText(dataset: PriceDataset, ticks: number, { priceDecimals, basePrice }: Profile): string {
  const traded = ticks / 10 ** priceDecimals
  const premium = ((traded - basePrice) / basePrice) * STEEPNESS
  const prices = { indexPriceKlines: traded, premiumIndexKlines: premium, markPriceKlines: traded * (1 + premium) }
  // what rounds to 0 has no sign
  return (Math.round(prices[dataset] * 10 ** DECIMALS) === 0 ? 0 : prices[dataset]).toFixed(DECIMALS)
}

/** The twelve cells of each bar, as archives and REST have them: volumes of 0, and the number of samples as count. */
function* cellsOf(bars: Bars, dataset: PriceDataset, profile: Profile, interval: Interval): Generator<readonly (string | number)[]> {
  for (let at = 0; at < bars.data.length; at += STRIDE) {
    const openMs = numberAt(bars.data, at + OPEN_MS)
    const endMs = nextSlotMs(openMs, interval)
    const prices = [OPEN, HIGH, LOW, CLOSE].map((column) => priceText(dataset, numberAt(bars.data, at + column), profile))
    yield [openMs, ...prices, '0', endMs - 1, '0', (endMs - openMs) / SAMPLE_MS[dataset], '0', '0', '0']
  }
}

/** The CSV lines of bars, as an archive holds them (without header). */
export function encodePriceCsv(bars: Bars, dataset: PriceDataset, profile: Profile, interval: Interval): Buffer {
  let text = ''
  for (const cells of cellsOf(bars, dataset, profile, interval)) text += `${cells.join(',')}\n`
  return Buffer.from(text, 'latin1')
}

/** The body of a REST answer. */
export function encodePriceBody(bars: Bars, dataset: PriceDataset, profile: Profile, interval: Interval): Buffer {
  return Buffer.from(JSON.stringify([...cellsOf(bars, dataset, profile, interval)]), 'latin1')
}
