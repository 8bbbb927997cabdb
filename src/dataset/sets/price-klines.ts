import type { Dataset } from '../dataset.ts'
import { KLINES } from './klines.ts'

/*
 * Candlesticks of prices that nobody traded at: of the mark price of a contract, of the index that it follows, and of the premium of the one
 * over the other. Archives and REST have the twelve columns of klines; volumes are 0, and `count` is how many samples a bar was made of.
 */
const PRICE_BARS = {
  ...KLINES,
  markets: ['um', 'cm'],
  // how often a price was looked at is no price: sources may differ in it
  columns: KLINES.columns.map((column) => (column.key === 'count' ? { ...column, loose: true } : column)),
} as const satisfies Dataset

/** Candlesticks of the mark price, by which positions are liquidated. */
export const MARK_PRICE_KLINES: Dataset = { ...PRICE_BARS, name: 'markPriceKlines', folder: 'markPriceKlines' }

/** Candlesticks of the index of spot prices that the contracts of a pair follow. COIN-M has it by pair: `BTCUSD`. */
export const INDEX_PRICE_KLINES: Dataset = { ...PRICE_BARS, name: 'indexPriceKlines', folder: 'indexPriceKlines', pairs: ['cm'] }

/** Candlesticks of the premium index of a contract, a share of its price, which may be below 0. */
export const PREMIUM_INDEX_KLINES: Dataset = {
  ...PRICE_BARS,
  name: 'premiumIndexKlines',
  folder: 'premiumIndexKlines',
  rules: 'signed-bar',
}
