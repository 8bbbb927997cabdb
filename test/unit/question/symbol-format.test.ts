import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Market } from '../../../src/model/market.ts'
import { parseSymbol } from '../../../src/question/symbol-format.ts'
import { SHARED } from '../../support/shared.ts'

describe('parseSymbol', () => {
  test.each([
    ['BTCUSDT', 'cm', 'BTCUSD_PERP'],
    ['ETHBUSD', 'cm', 'ETHUSD_PERP'],
    ['BTC', 'cm', 'BTCUSD_PERP'],
    ['BTCUSDT_250627', 'cm', 'BTCUSD_PERP'],
    ['BTCUSD_PERP', 'spot', 'BTCUSDT'],
    ['BTCUSD_PERP', 'um', 'BTCUSDT'],
    ['BTCUSD_250627', 'um', 'BTCUSDT_250627'],
    ['BTCUSDT_250627', 'spot', 'BTCUSDT'],
  ] as const)('%s in %s: %s is suggested', (symbol, market, suggestion) => {
    expect(() => parseSymbol(symbol, market)).toThrow(
      expect.objectContaining({ code: 'CKVD_SYMBOL_FORMAT', details: { market, symbol, suggestion } }) as Error,
    )
  })

  test.each([
    ['btcusdt', 'BTCUSDT'],
    [' BTCUSDT ', 'BTCUSDT'],
    ['币安人生USDT', '币安人生USDT'],
  ])('%j is read as %s', (text, symbol) => {
    expect(parseSymbol(text, 'um')).toBe(symbol)
  })

  test.each(['', '../BTCUSDT', 'BTC USDT', undefined, 7])('%j is no symbol', (text) => {
    expect(() => parseSymbol(text, 'spot')).toThrow(expect.objectContaining({ code: 'CKVD_USAGE' }) as Error)
  })

  test.skipIf(SHARED === undefined)('no symbol that a market really had is refused', () => {
    for (const market of ['spot', 'um', 'cm'] as const satisfies Market[]) {
      const lines = readFileSync(join(SHARED ?? '', `seed/${market}_earliest_dates.csv`), 'utf8')
        .trim()
        .split(/\r?\n/)
        .slice(1)
      expect(lines.length).toBeGreaterThan(30)
      for (const line of lines) expect(parseSymbol(line.split(',')[1], market)).toBe(line.split(',')[1])
    }
  })
})

test.each([
  ['BTC/USDT', 'spot', 'BTCUSDT'],
  [' eth/usdt ', 'um', 'ETHUSDT'],
  ['BTC/USDT:USDT', 'um', 'BTCUSDT'],
  ['BTC/USD:BTC', 'cm', 'BTCUSD_PERP'],
] as const)('%j of %s is the pair %s', (text, market, symbol) => {
  expect(parseSymbol(text, market)).toBe(symbol)
})

describe('a series that is named by its pair', () => {
  test.each([
    ['btcusd', 'BTCUSD'],
    ['BTC/USD', 'BTCUSD'],
  ])('%s is %s', (text, pair) => {
    expect(parseSymbol(text, 'cm', 'indexPriceKlines')).toBe(pair)
  })

  test.each([
    ['BTCUSD_PERP', 'BTCUSD'],
    ['ETHUSD_240628', 'ETHUSD'],
    ['SOLUSDT', 'SOLUSD'],
    ['BTC', 'BTCUSD'],
  ])('%s is refused, %s suggested', (text, suggestion) => {
    expect(() => parseSymbol(text, 'cm', 'indexPriceKlines')).toThrow(
      expect.objectContaining({ code: 'CKVD_SYMBOL_FORMAT', details: expect.objectContaining({ suggestion }) as object }) as Error,
    )
  })

  test('is so in no other market, and of no other data set', () => {
    expect(parseSymbol('BTCUSDT_240628', 'um', 'indexPriceKlines')).toBe('BTCUSDT_240628')
    expect(parseSymbol('BTCUSD_PERP', 'cm', 'markPriceKlines')).toBe('BTCUSD_PERP')
  })
})
