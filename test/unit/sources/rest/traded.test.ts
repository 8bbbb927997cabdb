import { expect, it } from 'vitest'
import { isTraded } from '../../../../src/sources/rest/exchange-info.ts'

const info = { serverTimeMs: 0, trading: new Set(['BTCUSD_PERP', 'ETHUSD_240628', 'BTCUSDT']) }

it.each([
  [{ market: 'cm', symbol: 'BTCUSD_PERP' }, true],
  [{ market: 'cm', symbol: 'BTCUSD' }, false],
  [{ market: 'cm', symbol: 'BTCUSD', dataset: 'indexPriceKlines' }, true],
  [{ market: 'cm', symbol: 'ETHUSD', dataset: 'indexPriceKlines' }, true],
  [{ market: 'cm', symbol: 'BTC', dataset: 'indexPriceKlines' }, false],
  [{ market: 'cm', symbol: 'BTCUSD_PERP', dataset: 'markPriceKlines' }, true],
  [{ market: 'um', symbol: 'BTCUSDT', dataset: 'indexPriceKlines' }, true],
  [{ market: 'um', symbol: 'ETHUSDT', dataset: 'indexPriceKlines' }, false],
] as const)('%j trades: %j; of a pair one of its contracts does', (series, trades) => {
  expect(isTraded(info, series)).toBe(trades)
})
