import { describe, expect, test } from 'vitest'
import { isForgetful, restReachUs } from '../../../src/dataset/reach.ts'
import type { Market } from '../../../src/model/market.ts'

const NOW_US = Date.parse('2026-07-31T00:00Z') * 1000
const reachOf = (dataset: string | undefined, market: Market, symbol: string) =>
  restReachUs({ ...(dataset === undefined ? {} : { dataset }), market, symbol, interval: '5m' }, NOW_US)

describe('how far back REST can be asked', () => {
  test('of klines and funding rates as far as they reach', () => {
    expect(reachOf(undefined, 'spot', 'BTCUSDT')).toBe(-Infinity)
    expect(reachOf('fundingRate', 'um', 'BTCUSDT')).toBe(-Infinity)
    expect(isForgetful({})).toBe(false)
  })

  test('of statistics for thirty days but an hour, and of COIN-M of its perpetual contracts alone', () => {
    const edgeUs = Date.parse('2026-07-01T01:00Z') * 1000
    expect(reachOf('metrics', 'um', 'BTCUSDT')).toBe(edgeUs)
    expect(reachOf('metrics', 'um', 'BTCUSDT_260925')).toBe(edgeUs)
    expect(reachOf('metrics', 'cm', 'BTCUSD_PERP')).toBe(edgeUs)
    expect(reachOf('metrics', 'cm', 'BTCUSD_260925')).toBe(Infinity)
    expect(isForgetful({ dataset: 'metrics' })).toBe(true)
  })
})
