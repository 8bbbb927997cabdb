import { expect, test } from 'vitest'
import { restLanes } from '../../../../src/sources/rest/rest-lanes.ts'

test('the exchange: um and cm are one account, spot is another', () => {
  const lanes = restLanes({ spot: 'https://data-api.binance.vision', um: 'https://fapi.binance.com', cm: 'https://dapi.binance.com' })
  expect(lanes.um).toBe(lanes.cm)
  expect(lanes.spot).not.toBe(lanes.um)
})

test('the hosts of one API are one account', () => {
  const of = (spot: string): string => restLanes({ spot, um: 'https://fapi.binance.com', cm: 'https://dapi.binance.com' }).spot
  expect(of('https://api3.binance.com')).toBe(of('https://data-api.binance.vision'))
  expect(of('https://api.binance.us')).not.toBe(of('https://api.binance.com'))
})

test('any other origin is an account of its own; um and cm of one origin are counted together, paths make no difference', () => {
  const lanes = restLanes({ spot: 'http://127.0.0.1:4000/spot', um: 'http://127.0.0.1:4000/um', cm: 'http://127.0.0.1:4000/cm' })
  expect(lanes).toEqual({ spot: 'http://127.0.0.1:4000 spot', um: 'http://127.0.0.1:4000 futures', cm: 'http://127.0.0.1:4000 futures' })
  const apart = restLanes({ spot: 'http://a.test', um: 'http://b.test', cm: 'http://c.test' })
  expect(new Set(Object.values(apart)).size).toBe(3)
  // a proxy that somebody runs under the exchange's name at another port is no exchange
  expect(restLanes({ spot: 'https://x.test', um: 'https://fapi.binance.com:8443', cm: 'https://dapi.binance.com' }).um).not.toBe(lanes.um)
})

test.each([
  [
    'https://api.example',
    ['https://api.example.', 'https://API.example:443', 'https://me:word@api.example', 'https://api.example/mirror/'],
  ],
  ['https://api3.binance.com', ['https://data-api.binance.vision.', 'https://API.BINANCE.COM.:443']],
  [
    'http://127.0.0.1:4000',
    ['http://localhost:4000', 'http://localhost.:4000', 'http://127.1:4000', 'http://[::ffff:127.0.0.1]:4000', 'http://[0::1]:4000'],
  ],
  ['http://[2001:db8::1]:80', ['http://[2001:DB8:0::1]']],
])('%s is one account, however it is written', (url, others) => {
  const of = (spot: string): string => restLanes({ spot, um: 'https://fapi.binance.com', cm: 'https://dapi.binance.com' }).spot
  expect(others.map(of)).toEqual(others.map(() => of(url)))
})
