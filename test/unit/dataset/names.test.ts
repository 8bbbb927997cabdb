import { describe, expect, it } from 'vitest'
import { periodStem, seriesFolder, seriesLabel } from '../../../src/dataset/names.ts'
import { REST_MARKETS } from '../../../src/model/market.ts'

describe('names of a series', () => {
  it('are those of Vision, a folder for each market', () => {
    const folder = (market: 'spot' | 'um' | 'cm') => seriesFolder({ market, symbol: 'BTCUSD_PERP', interval: '1M' }, 'monthly')
    expect(REST_MARKETS.map(folder)).toEqual([
      'data/spot/monthly/klines/BTCUSD_PERP/1mo/',
      'data/futures/um/monthly/klines/BTCUSD_PERP/1mo/',
      'data/futures/cm/monthly/klines/BTCUSD_PERP/1mo/',
    ])
    expect(periodStem({ market: 'spot', symbol: 'BTCUSDT', interval: '1m' }, '2024-01-01')).toBe('BTCUSDT-1m-2024-01-01')
    expect(seriesLabel({ market: 'um', symbol: 'BTCUSDT', interval: '1M' })).toBe('um BTCUSDT 1M')
    const index = { dataset: 'BVOLIndex', market: 'option', symbol: 'BTCBVOLUSDT', interval: '1s' } as const
    expect(seriesFolder(index, 'daily') + periodStem(index, '2023-06-20')).toBe(
      'data/option/daily/BVOLIndex/BTCBVOLUSDT/BTCBVOLUSDT-BVOLIndex-2023-06-20',
    )
    expect(seriesLabel(index)).toBe('option BTCBVOLUSDT BVOLIndex')
  })
})
