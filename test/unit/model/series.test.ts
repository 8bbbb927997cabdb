import { describe, expect, it } from 'vitest'
import { CONDITIONS, isExplained } from '../../../src/model/condition.ts'
import { isMarket, isSymbol } from '../../../src/model/market.ts'

describe('names from outside', () => {
  it.each(['BTCUSDT', '币安人生USDT', '1000SATSUSDT', 'BTCUSD_210625', 'x', 'A'.repeat(64)])('%s is a symbol', (text) =>
    expect(isSymbol(text)).toBe(true),
  )

  it.each(['', '..', '../x', 'a/b', 'a\\b', 'a.b', 'a b', 'a\n', '\u0000', 'a%2fb', 'A'.repeat(65)])('%j is none', (text) =>
    expect(isSymbol(text)).toBe(false),
  )

  it('knows three markets', () => {
    expect(['spot', 'um', 'cm', 'okx', 'SPOT', '', 'constructor'].map((text) => isMarket(text))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
  })
})

it('five conditions explain nothing', () => {
  expect(CONDITIONS.filter((condition) => !isExplained(condition))).toEqual([
    'partial',
    'disputed',
    'unexplainable',
    'quarantined',
    'failed',
  ])
})
