import { expect, test } from 'vitest'
import { claimedOrigin } from '../../../src/lake/origin.ts'

test.each([
  ['https://data.binance.vision', 'binance'],
  ['https://data.binance.vision.', 'binance'],
  ['https://API.Binance.COM.:443', 'binance'],
  ['https://s3-ap-northeast-1.amazonaws.com./data.binance.vision', 'binance'],
  ['https://binance.com.example', undefined],
  ['http://127.0.0.1:4000/spot', undefined],
])('a run that may ask %s has data of: %s', (url, origin) => {
  expect(claimedOrigin({ sandbox: false, urls: [url] })).toBe(origin)
})
