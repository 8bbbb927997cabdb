import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { isPlausible, parseExchangeInfo } from '../../../../src/sources/rest/exchange-info.ts'
import { SHARED } from '../../../support/shared.ts'

const NOW = Date.parse('2024-06-01T00:00:00Z')
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const parse = (value: unknown) => parseExchangeInfo(encode(value), 'https://rest/exchangeInfo')

describe('what exchangeInfo says', () => {
  test('a symbol trades when its status is TRADING and its delivery is not past', () => {
    const info = parse({
      serverTime: NOW,
      symbols: [
        { symbol: 'BTCUSDT', status: 'TRADING' },
        { symbol: 'LUNAUSDT', status: 'BREAK' },
        { symbol: 'BTCUSD_PERP', contractStatus: 'TRADING', deliveryDate: 4_133_404_800_000 },
        { symbol: 'BTCUSD_240628', contractStatus: 'TRADING', deliveryDate: NOW + 1 },
        { symbol: 'BTCUSD_240329', contractStatus: 'TRADING', deliveryDate: NOW },
        { symbol: 'GALAUSD_PERP', contractStatus: 'DELIVERING', deliveryDate: NOW + 1 },
        { symbol: 'NEWUSDT' },
      ],
    })
    expect(info.serverTimeMs).toBe(NOW)
    expect([...info.trading]).toEqual(['BTCUSDT', 'BTCUSD_PERP', 'BTCUSD_240628'])
  })

  test.each<[string, unknown]>([
    ['no JSON', '<html>captive portal</html>'],
    ['a part of one', '{"serverTime":1,"symbols":['],
    ['null', null],
    ['a list', []],
    ['no server time', { symbols: [] }],
    ['a server time that is a text', { serverTime: '1', symbols: [] }],
    ['no list of symbols', { serverTime: NOW, symbols: {} }],
    ['an entry that is null', { serverTime: NOW, symbols: [null] }],
    ['an entry without a name', { serverTime: NOW, symbols: [{ status: 'TRADING' }] }],
  ])('%s is refused', (_name, body) => {
    expect(() => parse(body)).toThrow(expect.objectContaining({ code: 'CKVD_REST_BODY' }) as Error)
  })

  test('an answer of another day, or one in which nothing trades, is not believed', () => {
    const info = parse({ serverTime: NOW, symbols: [{ symbol: 'BTCUSDT', status: 'TRADING' }] })
    for (const hours of [-24, 0, 24]) expect(isPlausible(info, NOW + hours * 3_600_000)).toBe(true)
    for (const hours of [-25, 25]) expect(isPlausible(info, NOW + hours * 3_600_000)).toBe(false)
    expect(isPlausible(parse({ serverTime: NOW, symbols: [] }), NOW)).toBe(false)
    expect(isPlausible(parse({ serverTime: NOW, symbols: [{ symbol: 'BTCUSDT', status: 'HALT' }] }), NOW)).toBe(false)
  })
})

describe.skipIf(SHARED === undefined)('recorded bodies of exchangeInfo', () => {
  test.each<[string, string, number, string[], string[]]>([
    ['api_v3_exchangeInfo.json', '2025-08-07T21:55:41.167Z', 12, ['ETHBTC', 'LTCBTC'], ['BCCBTC', 'HSRBTC']],
    ['fapi_v1_exchangeInfo.json', '2025-08-07T20:00:14.166Z', 25, ['BTCUSDT'], []],
    ['dapi_v1_exchangeInfo.json', '2025-08-07T20:00:14.098Z', 24, ['BTCUSD_PERP'], ['GALAUSD_PERP']],
    ['api_v3_exchangeInfo_2021-10-12.full.json.gz', '2021-10-12T00:28:31.098Z', 1262, ['BTCUSDT'], ['BCCBTC']],
    ['fapi_v1_exchangeInfo_2021-07-22.full.json.gz', '2021-07-21T09:04:03.909Z', 121, ['BTCUSDT'], ['BTCSTUSDT']],
    ['dapi_v1_exchangeInfo_2021-07-22.full.json.gz', '2021-07-21T02:54:03.975Z', 36, ['BTCUSD_210924'], []],
  ])('%s', (name, time, trading, some, others) => {
    const bytes = readFileSync(`${SHARED}/rest/${name}`)
    const info = parseExchangeInfo(name.endsWith('.gz') ? gunzipSync(bytes) : bytes, name)
    expect([new Date(info.serverTimeMs).toISOString(), info.trading.size]).toEqual([time, trading])
    for (const symbol of some) expect(info.trading.has(symbol), symbol).toBe(true)
    for (const symbol of others) expect(info.trading.has(symbol), symbol).toBe(false)
  })
})
