import { describe, expect, it } from 'vitest'
import { CONDITIONS, isExplained } from '../../../src/model/condition.ts'
import { isMarket, isSymbol, MARKETS } from '../../../src/model/market.ts'
import { chunkOfUs, chunkPeriod, chunkRange, nextChunk, periodStem, seriesFolder, seriesLabel } from '../../../src/model/series.ts'
import type { UtcDay } from '../../../src/model/utc-day.ts'

const us = (iso: string): number => Date.parse(iso) * 1000

describe('names of a series', () => {
  it('are those of Vision, a folder for each market', () => {
    const folder = (market: 'spot' | 'um' | 'cm') => seriesFolder({ market, symbol: 'BTCUSD_PERP', interval: '1M' }, 'monthly')
    expect(MARKETS.map(folder)).toEqual([
      'data/spot/monthly/klines/BTCUSD_PERP/1mo/',
      'data/futures/um/monthly/klines/BTCUSD_PERP/1mo/',
      'data/futures/cm/monthly/klines/BTCUSD_PERP/1mo/',
    ])
    expect(periodStem({ market: 'spot', symbol: 'BTCUSDT', interval: '1m' }, '2024-01-01')).toBe('BTCUSDT-1m-2024-01-01')
    expect(seriesLabel({ market: 'um', symbol: 'BTCUSDT', interval: '1M' })).toBe('um BTCUSDT 1M')
  })
})

describe('the chunk of a time', () => {
  it('is its day, or the first day of its month for 3d, 1w and 1M', () => {
    const time = us('2024-12-31T23:59:59Z')
    expect((['1h', '3d', '1w', '1M'] as const).map((interval) => chunkOfUs(time, interval))).toEqual([
      '2024-12-31',
      '2024-12-01',
      '2024-12-01',
      '2024-12-01',
    ])
  })

  it('is followed by the next day, or the next month', () => {
    expect([nextChunk('2024-12-31' as UtcDay, '1h'), nextChunk('2024-12-01' as UtcDay, '1w')]).toEqual(['2025-01-01', '2025-01-01'])
    expect([chunkPeriod('2024-12-01' as UtcDay, '1h'), chunkPeriod('2024-12-01' as UtcDay, '1w')]).toEqual(['2024-12-01', '2024-12'])
  })

  it('holds the times from its start to the start of the next one', () => {
    expect(chunkRange('2024-02-28' as UtcDay, '1h')).toEqual({ startUs: us('2024-02-28T00:00:00Z'), endUs: us('2024-02-29T00:00:00Z') })
    expect(chunkRange('2024-02-01' as UtcDay, '1M')).toEqual({ startUs: us('2024-02-01T00:00:00Z'), endUs: us('2024-03-01T00:00:00Z') })
  })
})

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
