import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import type { WireAnswer } from './client.ts'
import { at, fetchKlines, fetchRows, fetchWire, mergeRows } from './client.ts'

const NOW = at('2024-03-05T12:30:30Z')
const PATHS = { spot: '/api/v3/klines', um: '/fapi/v1/klines', cm: '/dapi/v1/klines' }
const SYMBOLS = { spot: 'BTCUSDT', um: 'BTCUSDT', cm: 'BTCUSD_PERP' }
type Name = keyof typeof PATHS

let now = NOW
let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({
    now: () => now,
    serverTime: () => now,
    markets: [
      { market: 'spot', symbol: 'BTCUSDT', firstDay: '2021-01-01' },
      { market: 'spot', symbol: 'OLDUSDT', firstDay: '2023-01-01', lastDay: '2023-03-10' },
      { market: 'um', symbol: 'BTCUSDT', firstDay: '2019-09-08', opensAt: '17:00', archivesFrom: '2019-12-31' },
      { market: 'cm', symbol: 'BTCUSD_PERP', firstDay: '2020-08-10' },
    ],
  })
})
afterAll(() => sandbox.close())
// a new wall-clock minute for each test, so that weights of one do not touch the next
beforeEach(() => {
  now = NOW
  sandbox.clearRequests()
})

const urlOf = (market: Name, query: string, symbol = SYMBOLS[market]): string =>
  `${{ spot: sandbox.urls.spotRest, um: sandbox.urls.umRest, cm: sandbox.urls.cmRest }[market]}${PATHS[market]}?symbol=${symbol}&${query}`
const opens = async (market: Name, query: string): Promise<string[]> =>
  (await fetchKlines(urlOf(market, query))).map(({ open }) => new Date(Number(open)).toISOString().slice(0, 19))
const refusal = async (url: string): Promise<[number, number]> => {
  const answer = await fetchWire(url)
  return [answer.status, (JSON.parse(answer.body.toString()) as { code: number }).code]
}

describe.each(['spot', 'um', 'cm'] as const)('klines of %s', (market) => {
  it('round the start up and the end down, both included', async () => {
    const start = at('2024-02-01T10:00:08Z')
    const end = at('2024-02-01T10:03:59Z')
    expect(await opens(market, `interval=1m&startTime=${start}&endTime=${end}`)).toEqual([
      '2024-02-01T10:01:00',
      '2024-02-01T10:02:00',
      '2024-02-01T10:03:00',
    ])
    const one = at('2024-02-01T10:00:00Z')
    expect(await opens(market, `interval=1m&startTime=${one}&endTime=${one}`)).toEqual(['2024-02-01T10:00:00'])
  })

  it('give 500 rows unless asked, and never more than a page', async () => {
    expect(await opens(market, 'interval=1m')).toHaveLength(500)
    expect(await opens(market, 'interval=1m&limit=7')).toHaveLength(7)
    expect(await opens(market, 'interval=1m&limit=9999')).toHaveLength(market === 'spot' ? 1000 : 1500)
  })

  it('without times are the latest, the last of them unfinished', async () => {
    const rows = await fetchKlines(urlOf(market, 'interval=1m&limit=3'))
    expect(rows.map(({ open }) => Number(open))).toEqual([28, 29, 30].map((minute) => at(`2024-03-05T12:${minute}:00Z`)))
    const [hour] = await fetchKlines(urlOf(market, 'interval=1h&limit=1'))
    expect(hour).toMatchObject(mergeRows(await fetchKlines(urlOf(market, `interval=1m&startTime=${at('2024-03-05T12:00:00Z')}`))))
    now = NOW + 60_000
    const [closed] = await fetchKlines(urlOf(market, `interval=1m&startTime=${at('2024-03-05T12:30:00Z')}&limit=1`))
    if (market !== 'cm') expect(closed!.sums[0] > rows[2]!.sums[0]).toBe(true)
  })

  it('with an end alone are the nearest to it', async () => {
    expect(await opens(market, `interval=1h&limit=2&endTime=${at('2024-02-01T10:30:00Z')}`)).toEqual([
      '2024-02-01T09:00:00',
      '2024-02-01T10:00:00',
    ])
  })

  it('with a start are the nearest to the start, on cm to the end', async () => {
    const query = `interval=1h&limit=2&startTime=${at('2024-02-01T00:00:00Z')}&endTime=${at('2024-02-02T00:00:00Z')}`
    expect(await opens(market, query)).toEqual(
      market === 'cm' ? ['2024-02-01T23:00:00', '2024-02-02T00:00:00'] : ['2024-02-01T00:00:00', '2024-02-01T01:00:00'],
    )
  })

  it('refuse what Binance refuses, with its codes', async () => {
    expect(await refusal(urlOf(market, 'interval=1m', ''))).toEqual([400, -1102])
    expect(await refusal(urlOf(market, 'limit=5'))).toEqual([400, -1102])
    expect(await refusal(urlOf(market, 'interval=1m', 'NOSUCH'))).toEqual([400, -1121])
    expect(await refusal(urlOf(market, 'interval=7m'))).toEqual([400, -1120])
    expect(await refusal(urlOf(market, 'interval=1mo'))).toEqual([400, -1120])
    expect(await refusal(urlOf(market, 'interval=1m&startTime=x'))).toEqual([400, -1100])
    expect(await refusal(urlOf(market, 'interval=1m&startTime=2000&endTime=1000'))).toEqual([400, -1023])
    expect((await fetchWire(urlOf(market, `interval=1m&startTime=${NOW + 60_000}`))).status).toBe(403)
    expect((await fetchWire(urlOf(market, 'interval=1s'))).status).toBe(market === 'spot' ? 200 : 400)
  })

  it('answer -4088 above 200 days on cm alone', async () => {
    const range = (days: number): string =>
      `interval=1d&startTime=${at('2023-01-01T00:00:00Z')}&endTime=${at('2023-01-01T00:00:00Z') + days * 86_400_000}`
    expect((await opens(market, range(200))).length).toBe(201)
    if (market === 'cm') expect(await refusal(urlOf(market, range(201)))).toEqual([400, -4088])
    else expect((await opens(market, range(201))).length).toBe(202)
  })

  it('are the bars of the archives, in milliseconds', async () => {
    const folder = { spot: 'spot', um: 'futures/um', cm: 'futures/cm' }[market]
    const key = `data/${folder}/daily/klines/${SYMBOLS[market]}/1h/${SYMBOLS[market]}-1h-2024-02-01.zip`
    const rest = await fetchKlines(
      urlOf(market, `interval=1h&startTime=${at('2024-02-01T00:00:00Z')}&endTime=${at('2024-02-01T23:00:00Z')}`),
    )
    expect(rest).toEqual(await fetchRows(sandbox.urls.vision, key))
    const weeks = await opens(market, `interval=1w&startTime=${at('2024-01-28T00:00:00Z')}&endTime=${at('2024-02-12T00:00:00Z')}`)
    expect(weeks).toEqual(['2024-01-29T00:00:00', '2024-02-05T00:00:00', '2024-02-12T00:00:00'])
    const months = await opens(market, `interval=1M&startTime=${at('2024-01-02T00:00:00Z')}`)
    expect(months).toEqual(['2024-02-01T00:00:00', '2024-03-01T00:00:00'])
  })
})

describe('three days', () => {
  it('open on days that are 1 modulo 3 since 1970-01-01, as the real archives do: 2017-08-17, 2023-12-08, 2026-07-01', async () => {
    for (const market of ['spot', 'um', 'cm'] as const) {
      const range = `interval=3d&startTime=${at('2023-12-07T00:00:00Z')}&endTime=${at('2023-12-15T00:00:00Z')}`
      expect(await opens(market, range)).toEqual(['2023-12-08', '2023-12-11', '2023-12-14'].map((day) => `${day}T00:00:00`))
    }
    const month = await fetchRows(sandbox.urls.vision, 'data/spot/monthly/klines/BTCUSDT/3d/BTCUSDT-3d-2023-12.zip')
    expect(month.map(({ open }) => (Number(open) / 86_400_000) % 3)).toEqual(Array.from({ length: 10 }, () => 1))
    expect(Number(month[0]!.open)).toBe(at('2023-12-02T00:00:00Z'))
    expect([Number(month[0]!.close), Number(month.at(-1)!.open)]).toEqual([at('2023-12-05T00:00:00Z') - 1, at('2023-12-29T00:00:00Z')])
  })
})

describe('the life of a symbol', () => {
  it('begins on REST before its archives where it did, and its first week opens before it', async () => {
    expect(await opens('um', 'interval=1m&startTime=0&limit=1')).toEqual(['2019-09-08T17:00:00'])
    expect(await opens('um', 'interval=1w&startTime=0&limit=1')).toEqual(['2019-09-02T00:00:00'])
  })

  it('ends, and REST still serves what there was', async () => {
    const rows = await fetchKlines(urlOf('spot', 'interval=1m&limit=2', 'OLDUSDT'))
    expect(rows.map(({ open }) => Number(open))).toEqual([at('2023-03-10T23:58:00Z'), at('2023-03-10T23:59:00Z')])
  })

  it('in microseconds in the archive is in milliseconds on REST', async () => {
    now = at('2025-02-01T00:00:00Z')
    const answer = await fetchWire(urlOf('spot', `interval=1m&limit=1&startTime=${at('2025-01-05T00:00:00Z')}`))
    expect(answer.body.toString()).toMatch(/^\[\[1736035200000,("\d+\.\d{8}",){5}1736035259999,"\d+\.\d{8}",\d+,("\d+\.\d{8}",){2}"0"\]\]$/)
  })
})

describe('weights', () => {
  const usedWeight = (answer: WireAnswer): number => Number(answer.headers['x-mbx-used-weight-1m'])

  it('are counted by market, limit and wall-clock minute', async () => {
    await using quiet = await startSandbox({
      now: () => now,
      serverTime: () => now,
      markets: [
        { market: 'um', symbol: 'BTCUSDT', firstDay: '2024-01-01' },
        { market: 'spot', symbol: 'BTCUSDT', firstDay: '2024-01-01' },
      ],
    })
    const um = (limit: number): Promise<WireAnswer> =>
      fetchWire(`${quiet.urls.umRest}/fapi/v1/klines?symbol=BTCUSDT&interval=1h&limit=${limit}`)
    const used: number[] = []
    for (const limit of [99, 100, 499, 500, 1000, 1001, 1500]) used.push(usedWeight(await um(limit)))
    expect(used).toEqual([1, 3, 5, 10, 15, 25, 35])
    const spot = await fetchWire(`${quiet.urls.spotRest}/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=1000`)
    expect(usedWeight(spot)).toBe(2)
    now = Math.floor(NOW / 60_000) * 60_000 + 60_000
    expect(usedWeight(await um(99))).toBe(1)
    expect(quiet.requests.at(-1)).toMatchObject({ kind: 'rest', market: 'um', weight: 1, status: 200, atMs: now })
    expect((await fetchWire(`${quiet.urls.spotRest}/api/v3/ping`)).body.toString()).toBe('{}')
    expect(JSON.parse((await fetchWire(`${quiet.urls.umRest}/fapi/v1/time`)).body.toString())).toEqual({ serverTime: now })
  })

  it('um and cm are counted together: one budget, one ban; spot is apart', async () => {
    await using strict = await startSandbox({ now: () => now, budgets: { um: 10 }, banAfter: 1, banSeconds: 120 })
    const ping = async (base: string, path: string): Promise<[number, number]> => {
      const answer = await fetchWire(`${base}${path}/ping`)
      return [answer.status, usedWeight(answer)]
    }
    now = at('2024-03-05T12:40:20Z')
    expect(await ping(strict.urls.umRest, '/fapi/v1')).toEqual([200, 1])
    expect(await ping(strict.urls.cmRest, '/dapi/v1')).toEqual([200, 2])
    strict.addWeight('cm', 8)
    expect(await ping(strict.urls.umRest, '/fapi/v1')).toEqual([429, 11])
    expect(await ping(strict.urls.cmRest, '/dapi/v1')).toEqual([418, 12])
    expect(await ping(strict.urls.umRest, '/fapi/v1')).toEqual([418, 13])
    expect(await ping(strict.urls.spotRest, '/api/v3')).toEqual([200, 1])
  })

  it('above the budget lead to 429 until the minute ends, and going on to a ban of that market', async () => {
    await using strict = await startSandbox({ now: () => now, budgets: { spot: 10 }, banAfter: 2, banSeconds: 120 })
    const ask = async (market: 'spot' | 'um'): Promise<[number, string | undefined]> => {
      const answer = await fetchWire(
        market === 'spot'
          ? `${strict.urls.spotRest}/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=1`
          : `${strict.urls.umRest}/fapi/v1/ping`,
      )
      return [answer.status, answer.headers['retry-after'] as string | undefined]
    }
    now = at('2024-03-05T12:30:20Z')
    strict.addWeight('spot', 7)
    expect(await ask('spot')).toEqual([200, undefined])
    expect(await ask('spot')).toEqual([429, '40'])
    // the minute ends: all is forgiven
    now = at('2024-03-05T12:31:00Z')
    expect(await ask('spot')).toEqual([200, undefined])
    strict.addWeight('spot', 10)
    expect([await ask('spot'), await ask('spot')]).toEqual([
      [429, '60'],
      [429, '60'],
    ])
    now = at('2024-03-05T12:31:10Z')
    expect(await ask('spot')).toEqual([418, '120'])
    now = at('2024-03-05T12:32:10Z')
    expect(await ask('spot')).toEqual([418, '60'])
    expect(await ask('um')).toEqual([200, undefined])
    now = at('2024-03-05T12:33:10Z')
    expect(await ask('spot')).toEqual([200, undefined])
  })
})
