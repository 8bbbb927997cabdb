import { describe, expect, test } from 'vitest'
import { decodeRestStatistics } from '../../../src/codec/rest-statistics.ts'

const URL = 'https://example.test/futures/data/openInterestHist'
const T = 1_782_259_200_000
const decode = (body: string, fields = ['sumOpenInterest', 'sumOpenInterestValue']) => [
  ...decodeRestStatistics(new TextEncoder().encode(body), fields, URL),
]
const row = (ms: number | string, more: object = {}) => ({ symbol: 'BTCUSDT', sumOpenInterest: '20403.637', timestamp: ms, ...more })

describe('an answer about the statistics of futures', () => {
  test('has its values by their times, in order; what a row does not tell is no value', () => {
    const body = JSON.stringify([
      row(String(T + 300_000), { sumOpenInterestValue: '150570784.07809979' }),
      row(T, { sumOpenInterestValue: '', CMCCirculatingSupply: '165880.538' }),
      row(T + 600_000),
    ])
    expect(decode(body)).toEqual([
      [T * 1000, [20403.637, NaN]],
      [T * 1000 + 300_000_000, [20403.637, 150570784.07809979]],
      [T * 1000 + 600_000_000, [20403.637, NaN]],
    ])
    expect(decode('[]')).toEqual([])
  })

  test.each([
    ['no JSON', 'oops'],
    ['no list', '{}'],
    ['a row without a time', JSON.stringify([{ sumOpenInterest: '1' }])],
    ['a time of seconds', JSON.stringify([row(T / 1000)])],
    ['a word for a value', JSON.stringify([row(T, { sumOpenInterest: 'NaN' })])],
    ['a value below 0', JSON.stringify([row(T, { sumOpenInterest: '-1' })])],
    ['a number that is no text', JSON.stringify([row(T, { sumOpenInterest: 1 })])],
    ['a time twice', JSON.stringify([row(T), row(T)])],
  ])('%s is refused', (_name, body) => {
    expect(() => decode(body)).toThrow(expect.objectContaining({ code: 'CKVD_REST_BODY', details: { url: URL } }) as Error)
  })
})
