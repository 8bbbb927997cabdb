import { describe, expect, test } from 'vitest'
import { startSandbox } from '../../../src/sandbox/index.ts'

const NOW = Date.parse('2026-07-20T12:02:00Z')
const MARKETS = [
  { market: 'um', symbol: 'BTCUSDT', firstDay: '2026-05-01' },
  { market: 'cm', symbol: 'BTCUSD_PERP', firstDay: '2026-05-01' },
] as const
const start = () => startSandbox({ now: () => NOW, markets: MARKETS })

describe("the sandbox's statistics of futures", () => {
  test('follow from its klines: the ratio of takers and the value of open interest are those of the bar of five minutes', async () => {
    await using sandbox = await start()
    const ask = async (path: string) => (await (await fetch(`${sandbox.urls.umRest}${path}`)).json()) as Record<string, string>[]
    const range = `startTime=${Date.parse('2026-07-20T03:00Z')}&endTime=${Date.parse('2026-07-20T04:00Z')}&limit=500`
    const bars = (await ask(`/fapi/v1/klines?symbol=BTCUSDT&interval=5m&${range}`)) as unknown as string[][]
    const takers = await ask(`/futures/data/takerlongshortRatio?symbol=BTCUSDT&period=5m&${range}`)
    const open = await ask(`/futures/data/openInterestHist?symbol=BTCUSDT&period=5m&${range}`)
    expect(bars).toHaveLength(13)
    expect(takers.map(({ timestamp }) => timestamp)).toEqual(bars.map(([ms]) => ms))
    for (const [i, bar] of bars.entries()) {
      const [close, volume, taker] = [4, 5, 9].map((column) => Number(bar[column])) as [number, number, number]
      expect(Number(takers[i]?.['buySellRatio'])).toBeCloseTo(taker / (volume - taker), 3)
      expect(Number(open[i]?.['sumOpenInterestValue']) / Number(open[i]?.['sumOpenInterest'])).toBeCloseTo(close, 4)
    }
  })

  test.each([
    ['um', '/futures/data/openInterestHist?symbol=NOPEUSDT&period=5m', -1121],
    ['um', '/futures/data/openInterestHist?period=5m', -1102],
    ['um', '/futures/data/openInterestHist?symbol=BTCUSDT&period=1h', -1130],
    ['um', `/futures/data/openInterestHist?symbol=BTCUSDT&period=5m&startTime=${NOW - 31 * 86_400_000}`, -1130],
    ['um', '/futures/data/openInterestHist?symbol=BTCUSDT&period=5m&startTime=x', -1130],
    ['um', `/futures/data/openInterestHist?symbol=BTCUSDT&period=5m&startTime=${NOW}&endTime=${NOW - 1}`, -1023],
    ['cm', '/futures/data/openInterestHist?pair=BTCUSD&period=5m', -1102],
  ] as const)('%s %s is refused as the exchange does', async (market, path, code) => {
    await using sandbox = await start()
    const answer = await fetch(`${sandbox.urls[`${market}Rest`]}${path}`)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code })
  })

  test('are 30 rows unless more are asked for, the latest ones, and five minutes that are not over are none; COIN-M has no ratios', async () => {
    await using sandbox = await start()
    const rows = (await (await fetch(`${sandbox.urls.umRest}/futures/data/openInterestHist?symbol=BTCUSDT&period=5m`)).json()) as {
      timestamp: number
    }[]
    expect(rows).toHaveLength(30)
    expect(rows.at(-1)?.timestamp).toBe(Date.parse('2026-07-20T11:55Z'))
    const path = '/futures/data/openInterestHist?pair=BTCUSD&contractType=PERPETUAL&period=5m&limit=500'
    expect(await (await fetch(`${sandbox.urls.cmRest}${path}`)).json()).toHaveLength(500)
    expect((await fetch(`${sandbox.urls.cmRest}/futures/data/takerlongshortRatio?symbol=BTCUSD_PERP&period=5m`)).status).toBe(404)
  })
})
