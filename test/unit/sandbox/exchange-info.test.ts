import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import { SHARED } from '../../support/shared.ts'
import { at, fetchWire } from './client.ts'

const NOW = at('2024-03-05T12:30:30Z')
const PATHS = { spot: '/api/v3', um: '/fapi/v1', cm: '/dapi/v1' } as const
type Name = keyof typeof PATHS
type Entry = Record<string, unknown> & { symbol: string }

let sandbox: Sandbox
let serverTime = NOW

beforeAll(async () => {
  sandbox = await startSandbox({
    now: () => NOW,
    serverTime: () => serverTime,
    markets: [
      { market: 'spot', symbol: 'BTCUSDT', firstDay: '2021-01-01' },
      { market: 'spot', symbol: 'LATERUSDT', firstDay: '2024-04-01' },
      { market: 'spot', symbol: 'OLDUSDT', firstDay: '2023-01-01', lastDay: '2023-03-10' },
      { market: 'spot', symbol: 'HIDDENUSDT', firstDay: '2023-01-01', lastDay: '2023-03-10', afterEnd: 'unlisted' },
      { market: 'spot', symbol: 'GONEUSDT', firstDay: '2023-01-01', lastDay: '2023-03-10', afterEnd: 'forgotten' },
      { market: 'um', symbol: 'BTCUSDT', firstDay: '2019-09-08', opensAt: '17:00' },
      { market: 'um', symbol: 'OLDUSDT', firstDay: '2023-01-01', lastDay: '2023-03-10', closesAt: '09:00' },
      { market: 'um', symbol: 'BTCUSDT_240329', firstDay: '2023-12-29', opensAt: '08:00', lastDay: '2024-03-29', closesAt: '08:00' },
      { market: 'cm', symbol: 'BTCUSD_210625', firstDay: '2020-12-25', lastDay: '2021-06-25', closesAt: '08:00' },
    ],
  })
})
afterAll(() => sandbox.close())

const origin = (market: Name): string => ({ spot: sandbox.urls.spotRest, um: sandbox.urls.umRest, cm: sandbox.urls.cmRest })[market]
const ask = (market: Name, query = '') => fetchWire(`${origin(market)}${PATHS[market]}/exchangeInfo${query}`)
const infoOf = async (market: Name): Promise<Record<string, unknown> & { symbols: Entry[] }> =>
  JSON.parse((await ask(market)).body.toString()) as Record<string, unknown> & { symbols: Entry[] }

it('names what trades, and what has ended with another status, by its market in its own words', async () => {
  const stateOf = ({ symbol, status, contractStatus, contractType, deliveryDate }: Entry) => [
    symbol,
    ...[status, contractStatus, contractType, deliveryDate].filter((value) => value !== undefined),
  ]
  expect((await infoOf('spot')).symbols.map(stateOf)).toEqual([
    ['BTCUSDT', 'TRADING'],
    ['OLDUSDT', 'BREAK'],
  ])
  expect((await infoOf('um')).symbols.map(stateOf)).toEqual([
    ['BTCUSDT', 'TRADING', 'PERPETUAL', 4_133_404_800_000],
    ['OLDUSDT', 'SETTLING', 'PERPETUAL', at('2023-03-10T09:00:00Z')],
    ['BTCUSDT_240329', 'TRADING', 'CURRENT_QUARTER', at('2024-03-29T08:00:00Z')],
  ])
  // a market on which nothing trades any more would not be believed
  expect((await infoOf('cm')).symbols.map(stateOf)).toEqual([['SANDBOXUSD_PERP', 'TRADING', 'PERPETUAL', 4_133_404_800_000]])
})

it('klines serve what has ended, unless it is forgotten', async () => {
  const statusOf = async (symbol: string): Promise<number> =>
    (await fetchWire(`${sandbox.urls.spotRest}/api/v3/klines?symbol=${symbol}&interval=1h&limit=1`)).status
  expect(await Promise.all(['OLDUSDT', 'HIDDENUSDT', 'GONEUSDT'].map(statusOf))).toEqual([200, 200, 400])
})

it('costs 20 on spot and 1 on futures, and tells the used weight: um and cm are counted together', async () => {
  await using quiet = await startSandbox({ now: () => NOW })
  for (const [market, weight, used] of [
    ['spot', 20, 20],
    ['um', 1, 1],
    ['cm', 1, 2],
  ] as const) {
    const rest = { spot: quiet.urls.spotRest, um: quiet.urls.umRest, cm: quiet.urls.cmRest }[market]
    const answer = await fetchWire(`${rest}${PATHS[market]}/exchangeInfo`)
    expect([answer.status, answer.headers['x-mbx-used-weight-1m']]).toEqual([200, String(used)])
    expect(quiet.requests.at(-1)).toMatchObject({ kind: 'rest', market, weight })
  }
})

it('tells the time of the system unless another one is given', async () => {
  serverTime = at('2020-01-01T00:00:00Z')
  expect((await infoOf('um'))['serverTime']).toBe(serverTime)
  await using own = await startSandbox({ now: () => NOW })
  for (const path of ['exchangeInfo', 'time']) {
    const body = JSON.parse((await fetchWire(`${own.urls.spotRest}/api/v3/${path}`)).body.toString()) as { serverTime: number }
    expect(Math.abs(body.serverTime - Date.now())).toBeLessThan(10_000)
  }
})

it('of one symbol, on spot alone', async () => {
  const one = JSON.parse((await ask('spot', '?symbol=OLDUSDT')).body.toString()) as { symbols: Entry[] }
  expect(one.symbols.map(({ symbol }) => symbol)).toEqual(['OLDUSDT'])
  expect((await ask('spot', '?symbol=HIDDENUSDT')).status).toBe(400)
})

it.runIf(SHARED !== undefined).each(['spot', 'um', 'cm'] as const)(
  '%s: every field has the type that the real body gives it',
  async (market) => {
    const name = { spot: 'api_v3', um: 'fapi_v1', cm: 'dapi_v1' }[market]
    const real = JSON.parse(readFileSync(`${SHARED}/rest/${name}_exchangeInfo.json`, 'utf8')) as Record<string, unknown> & {
      symbols: Entry[]
    }
    const ours = await infoOf(market)
    const typesOf = (value: Record<string, unknown>, of: Record<string, unknown>): string[] =>
      Object.keys(value).map((key) => `${key} ${Array.isArray(of[key]) ? 'list' : typeof of[key]}`)
    expect(typesOf(ours, ours)).toEqual(typesOf(ours, real))
    expect(typesOf(ours.symbols[0]!, ours.symbols[0]!)).toEqual(typesOf(ours.symbols[0]!, real.symbols[0]!))
  },
)
