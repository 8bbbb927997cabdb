import { expect, test } from 'vitest'
import { parseBarRule } from '../../../src/model/bar-rule.ts'
import { amountColumnOf } from '../../../src/resample/amount-column.ts'

test.each([
  ['spot', 'BTCUSDT', 'BTC', 'volume'],
  ['spot', 'BTCUSDT', 'USDT', 'quoteVolume'],
  ['spot', 'USDTTRY', 'USDT', 'volume'],
  ['spot', 'USDTTRY', 'TRY', 'quoteVolume'],
  ['spot', '1000SATSUSDT', '1000SATS', 'volume'],
  ['spot', 'ETHBTC', 'BTC', 'quoteVolume'],
  ['spot', 'BTCAEUR', 'BTC', 'volume'],
  ['spot', 'BTCUSD1', 'USD1', 'quoteVolume'],
  ['um', 'BTCUSDT_240628', 'BTC', 'volume'],
  ['um', 'BTCUSDT_240628', 'USDT', 'quoteVolume'],
  ['cm', 'BTCUSD_PERP', 'BTC', 'quoteVolume'],
  ['cm', 'ETHUSD_240628', 'ETH', 'quoteVolume'],
] as const)('%s %s counts %s as %s', (market, symbol, asset, column) => {
  expect(amountColumnOf({ market, symbol }, asset)).toBe(column)
})

test.each([
  ['spot', 'BTCUSDT', 'SDT'],
  ['spot', 'BTCUSDT', 'BTCU'],
  ['spot', 'BTCUSDT', 'ETH'],
  ['cm', 'BTCUSD_PERP', 'USD'],
  ['um', 'BTCUSDT', 'BTCUSDT'],
] as const)('%s %s does not trade in %s', (market, symbol, asset) => {
  expect(() => amountColumnOf({ market, symbol }, asset)).toThrow(new RegExp(`an asset that ${symbol} trades in .*, got ${asset}`))
})

test.each([
  ['1000trades', { kind: 'trades', trades: 1000 }],
  ['0.5BTC', { kind: 'amount', amount: 0.5, asset: 'BTC' }],
  ['10001000SATS', { kind: 'amount', amount: 10001000, asset: 'SATS' }],
  ['10USD1', { kind: 'amount', amount: 10, asset: 'USD1' }],
  ['10_S', { kind: 'amount', amount: 10, asset: 'S' }],
  ['5_1000SATS', { kind: 'amount', amount: 5, asset: '1000SATS' }],
  ['90s', { kind: 'time', lengthUs: 90_000_000 }],
  ['7m', { kind: 'time', lengthUs: 420_000_000 }],
  ['366d', { kind: 'time', lengthUs: 366 * 86_400_000_000 }],
])('%s is a size', (text, rule) => {
  expect(parseBarRule(text)).toEqual(rule)
})

test.each(['', '7', 'm', '-7m', '7 m', '0BTC', '1.5m', '1.5trades', '367d', '10btc', '1e3trades', '7M', '10S', '5_', 'NaNBTC'])(
  '"%s" is none',
  (text) => {
    expect(parseBarRule(text)).toBeUndefined()
  },
)
