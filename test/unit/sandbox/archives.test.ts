import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/index.ts'
import { startSandbox } from '../../../src/sandbox/index.ts'
import type { ExactRow } from './client.ts'
import { at, fetchPage, fetchRows, fetchWire, mergeRows, unzip } from './client.ts'

const NOW = at('2025-06-20T12:00:00Z')
const DAILY = 'data/spot/daily/klines'
const MONTHLY = 'data/spot/monthly/klines'
let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({ now: () => NOW, builtInFaults: false })
})
afterAll(() => sandbox.close())

const rowsOf = (key: string): Promise<ExactRow[]> => fetchRows(sandbox.urls.vision, key)

describe('an archive', () => {
  it.each([
    `${DAILY}/BTCUSDT/1m/BTCUSDT-1m-2024-02-03.zip`,
    `${DAILY}/DOGSUSDT/1h/DOGSUSDT-1h-2025-02-03.zip`,
    `${DAILY}/ETHUSDT/1d/ETHUSDT-1d-2024-02-03.zip`,
    `${MONTHLY}/ETHUSDT/1m/ETHUSDT-1m-2024-02.zip`,
    `${MONTHLY}/ETHUSDT/1mo/ETHUSDT-1mo-2024-02.zip`,
    'data/futures/um/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-02-03.zip',
    'data/futures/um/monthly/klines/ALGOUSDT/1w/ALGOUSDT-1w-2024-02.zip',
    'data/futures/cm/daily/klines/BTCUSD_PERP/5m/BTCUSD_PERP-5m-2022-02-03.zip',
    'data/futures/cm/daily/klines/BTCUSD_210625/1m/BTCUSD_210625-1m-2021-06-25.zip',
  ])('%s is a sound ZIP of the listed size with a right CHECKSUM', async (key) => {
    const archive = await fetchWire(`${sandbox.urls.vision}/${key}`)
    const checksum = await fetchWire(`${sandbox.urls.vision}/${key}.CHECKSUM`)
    const name = key.slice(key.lastIndexOf('/') + 1)
    expect(archive.status).toBe(200)
    expect(archive.headers['server']).toBe('ckvd-sandbox')
    expect(checksum.body.toString()).toBe(`${createHash('sha256').update(archive.body).digest('hex')}  ${name}\n`)
    expect((await unzip(archive.body)).name).toBe(name.replace('.zip', '.csv'))
    expect((await rowsOf(key)).length).toBeGreaterThan(0)

    const { contents } = await fetchPage(sandbox.urls.listing, { prefix: key })
    expect(contents.map(({ Size }) => Number(Size))).toEqual([archive.body.length, checksum.body.length])
    expect(contents[0]?.ETag).toBe(archive.headers['etag'])
    expect(new Date(contents[0]!.LastModified).toUTCString()).toBe(archive.headers['last-modified'])
    const head = await fetchWire(`${sandbox.urls.vision}/${key}`, 'HEAD')
    expect([head.status, head.body.length, head.headers['content-length'], head.headers['etag']]).toEqual([
      200,
      0,
      contents[0]?.Size,
      archive.headers['etag'],
    ])
  })

  it('that is not there is answered as S3 does', async () => {
    const answer = await fetchWire(`${sandbox.urls.vision}/${DAILY}/NOSUCH/1m/NOSUCH-1m-2024-02-03.zip`)
    expect(answer.status).toBe(404)
    expect(answer.body.toString()).toContain('<Code>NoSuchKey</Code>')
    expect((await fetchWire(`${sandbox.urls.vision}/${DAILY}/BTCUSDT/1m/BTCUSDT-1m-2024-02-31.zip`)).status).toBe(404)
    expect((await fetchWire(`${sandbox.urls.vision}/data/futures/um/daily/klines/BTCUSDT/1s/BTCUSDT-1s-2024-02-03.zip`)).status).toBe(404)
  })

  it('has the same bytes in another sandbox, at another time, in another order, and others under another seed', async () => {
    const keys = [
      `${DAILY}/BTCUSDT/1m/BTCUSDT-1m-2024-02-03.zip`,
      `${MONTHLY}/ADAUSDT/1h/ADAUSDT-1h-2024-01.zip`,
      `${DAILY}/SOLUSDT/5m/SOLUSDT-5m-2024-02-04.zip`,
    ]
    await using other = await startSandbox({ now: () => at('2026-01-01T00:00:00Z'), builtInFaults: false })
    await using reseeded = await startSandbox({ now: () => NOW, builtInFaults: false, seed: 2 })
    const bodies = async (vision: string, list: string[]): Promise<Map<string, string>> => {
      const found = new Map<string, string>()
      for (const key of list) found.set(key, (await fetchWire(`${vision}/${key}`)).body.toString('base64'))
      return found
    }
    const mine = await bodies(sandbox.urls.vision, keys)
    const theirs = await bodies(other.urls.vision, [...keys].reverse())
    const others = await bodies(reseeded.urls.vision, keys)
    for (const key of keys) {
      expect(theirs.get(key) === mine.get(key)).toBe(true)
      expect(others.get(key) === mine.get(key)).toBe(false)
    }
  })
})

describe('synthetic bars', () => {
  it('are plausible: ordered prices, taker within volume, quote volume between low and high, open where the last bar closed', async () => {
    for (const [key, minutes] of [
      [`${DAILY}/BTCUSDT/1m/BTCUSDT-1m-2024-02-03.zip`, 1440],
      [`${DAILY}/WLDUSDT/1m/WLDUSDT-1m-2024-02-03.zip`, 1440],
      ['data/futures/um/daily/klines/ALGOUSDT/1m/ALGOUSDT-1m-2024-02-03.zip', 1440],
    ] as const) {
      const rows = await rowsOf(key)
      expect(rows).toHaveLength(minutes)
      rows.forEach(({ open, close, prices: [o, h, l, c], sums: [volume, quote, count, taker, takerQuote] }, i) => {
        expect(open).toBe(BigInt(at('2024-02-03T00:00:00Z') + i * 60_000))
        expect(close).toBe(open + 59_999n)
        expect(l > 0n && l <= o && l <= c && h >= o && h >= c).toBe(true)
        expect(taker <= volume && takerQuote <= quote).toBe(true)
        expect(volume * l <= quote * 100_000_000n && quote * 100_000_000n <= volume * h).toBe(true)
        expect(count > 0n).toBe(volume > 0n)
        if (i > 0) expect(o).toBe(rows[i - 1]!.prices[3])
      })
    }
    const next = await rowsOf(`${DAILY}/BTCUSDT/1m/BTCUSDT-1m-2024-02-04.zip`)
    const day = await rowsOf(`${DAILY}/BTCUSDT/1m/BTCUSDT-1m-2024-02-03.zip`)
    expect(next[0]!.prices[0]).toBe(day.at(-1)!.prices[3])
  })

  it.each([
    ['3m', 3],
    ['5m', 5],
    ['1h', 60],
    ['12h', 720],
    ['1d', 1440],
  ])('of %s are exactly the sums of the 1m bars', async (interval, minutes) => {
    for (const [folder, symbol] of [
      [DAILY, 'BTCUSDT'],
      ['data/futures/um/daily/klines', 'ETHUSDT'],
      ['data/futures/cm/daily/klines', 'BTCUSD_PERP'],
    ] as const) {
      const short = await rowsOf(`${folder}/${symbol}/1m/${symbol}-1m-2024-02-03.zip`)
      const long = await rowsOf(`${folder}/${symbol}/${interval}/${symbol}-${interval}-2024-02-03.zip`)
      expect(long).toHaveLength(1440 / minutes)
      long.forEach((row, i) => {
        expect(row.open).toBe(short[i * minutes]!.open)
        expect({ prices: row.prices, sums: row.sums }).toEqual(mergeRows(short.slice(i * minutes, (i + 1) * minutes)))
      })
    }
  })

  it('of 3d, 1w and 1M are exactly the sums of the 1m bars, over the ends of months too', async () => {
    const minutes = [
      ...(await rowsOf(`${MONTHLY}/ADAUSDT/1m/ADAUSDT-1m-2024-01.zip`)),
      ...(await rowsOf(`${MONTHLY}/ADAUSDT/1m/ADAUSDT-1m-2024-02.zip`)),
    ]
    const [month] = await rowsOf(`${MONTHLY}/ADAUSDT/1mo/ADAUSDT-1mo-2024-01.zip`)
    expect(month!.open).toBe(BigInt(at('2024-01-01T00:00:00Z')))
    expect(month!.close).toBe(BigInt(at('2024-02-01T00:00:00Z') - 1))
    for (const [interval, days] of [
      ['3d', 3],
      ['1w', 7],
    ] as const) {
      const bars = await rowsOf(`${MONTHLY}/ADAUSDT/${interval}/ADAUSDT-${interval}-2024-01.zip`)
      expect(bars.length).toBe(days === 7 ? 5 : 11)
      for (const bar of bars) {
        const parts = minutes.filter(({ open }) => open >= bar.open && open <= bar.close)
        expect(parts).toHaveLength(days * 1440)
        expect({ prices: bar.prices, sums: bar.sums }).toEqual(mergeRows(parts))
      }
      expect(bars.at(-1)!.close).toBeGreaterThan(BigInt(at('2024-02-01T00:00:00Z')))
    }
    expect({ prices: month!.prices, sums: month!.sums }).toEqual(mergeRows(minutes.slice(0, 31 * 1440)))
  })

  it.each(['BTCUSDT', 'WLDUSDT'])('of 1s sum up to the 1m bars of %s exactly, and are sound themselves', async (symbol) => {
    const minutes = await rowsOf(`${DAILY}/${symbol}/1m/${symbol}-1m-2024-02-03.zip`)
    const seconds = await rowsOf(`${DAILY}/${symbol}/1s/${symbol}-1s-2024-02-03.zip`)
    expect(seconds).toHaveLength(86_400)
    let unsound = 0
    seconds.forEach(({ prices: [o, h, l, c], sums: [volume, quote, count, taker, takerQuote] }, i) => {
      if (!(l <= o && l <= c && h >= o && h >= c && taker <= volume && takerQuote <= quote && count > 0n === volume > 0n)) unsound++
      if (i > 0 && o !== seconds[i - 1]!.prices[3]) unsound++
    })
    expect(unsound).toBe(0)
    minutes.forEach((minute, i) =>
      expect({ prices: minute.prices, sums: minute.sums }).toEqual(mergeRows(seconds.slice(i * 60, (i + 1) * 60))),
    )
  })

  it('of a month are those of its days', async () => {
    const month = await rowsOf(`${MONTHLY}/XRPUSDT/1h/XRPUSDT-1h-2025-02.zip`)
    const days: ExactRow[] = []
    for (let day = 1; day <= 28; day++)
      days.push(...(await rowsOf(`${DAILY}/XRPUSDT/1h/XRPUSDT-1h-2025-02-${String(day).padStart(2, '0')}.zip`)))
    expect(month).toEqual(days)
  })
})

describe('formats', () => {
  const textOf = async (key: string): Promise<string> => (await unzip((await fetchWire(`${sandbox.urls.vision}/${key}`)).body)).text

  it('change to microseconds on spot in 2025 and nowhere else', async () => {
    expect(await textOf(`${DAILY}/BTCUSDT/1h/BTCUSDT-1h-2024-12-31.zip`)).toMatch(/^1735603200000,.*,1735606799999,/)
    expect(await textOf(`${DAILY}/BTCUSDT/1h/BTCUSDT-1h-2025-01-01.zip`)).toMatch(/^1735689600000000,.*,1735693199999999,/)
    expect(await textOf('data/futures/um/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01-01.zip')).toMatch(/\n1735689600000,.*,1735693199999,/)
  })

  it('have a header on futures from mid-2022 and never on spot', async () => {
    const header = 'open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n'
    const um = 'data/futures/um/daily/klines/BTCUSDT/1h/BTCUSDT-1h'
    expect((await textOf(`${um}-2022-09-05.zip`)).startsWith(header)).toBe(true)
    expect((await textOf(`${um}-2022-05-05.zip`)).startsWith('1651708800000,')).toBe(true)
    expect((await textOf(`${DAILY}/BTCUSDT/1h/BTCUSDT-1h-2024-05-05.zip`)).startsWith('1714867200000,')).toBe(true)
  })

  it('have 8 decimals on spot, fewer on futures, whole contracts on cm and bare zeros on futures', async () => {
    const spot = (await textOf(`${DAILY}/ALGOUSDT/1m/ALGOUSDT-1m-2024-02-03.zip`)).trim().split('\n')
    for (const line of spot) expect(line).toMatch(/^\d{13}(,\d+\.\d{8}){5},\d{13},\d+\.\d{8},\d+(,\d+\.\d{8}){2},0$/)
    const um = (await textOf('data/futures/um/monthly/klines/ALGOUSDT/1m/ALGOUSDT-1m-2024-02.zip')).trim().split('\n').slice(1)
    for (const line of um)
      expect(line).toMatch(/^\d{13}(,\d+\.\d{2,4}){4},\d+(\.\d{1,3})?,\d{13},(0|\d+\.\d{4,5}),\d+,\d+(\.\d{1,3})?,(0|\d+\.\d{4,5}),0$/)
    expect(um.some((line) => /,0,0,0$/.test(line))).toBe(true)
    const cm = (await textOf('data/futures/cm/daily/klines/BTCUSD_PERP/1m/BTCUSD_PERP-1m-2022-10-24.zip')).trim().split('\n').slice(1)
    for (const line of cm) {
      const [, , high = '', low = '', , contracts = '', , base = ''] = line.split(',')
      expect(contracts).toMatch(/^\d+$/)
      // one contract is 100 USD: the "quote" column holds bitcoins
      expect(Number(base)).toBeGreaterThanOrEqual((Number(contracts) * 100) / Number(high) - 1e-7)
      expect(Number(base)).toBeLessThanOrEqual((Number(contracts) * 100) / Number(low) + 1e-7)
    }
  })

  it('begin and end in mid-day where the symbol does', async () => {
    const last = await rowsOf(`${DAILY}/WAVESUSDT/1m/WAVESUSDT-1m-2024-06-17.zip`)
    expect(last).toHaveLength(180)
    const first = await rowsOf('data/futures/cm/daily/klines/BTCUSD_210625/1m/BTCUSD_210625-1m-2020-12-25.zip')
    expect(first[0]!.open).toBe(BigInt(at('2020-12-25T08:00:00Z')))
    expect(first).toHaveLength(16 * 60)
    expect((await fetchWire(`${sandbox.urls.vision}/${DAILY}/WAVESUSDT/1m/WAVESUSDT-1m-2024-06-18.zip`)).status).toBe(404)
  })
})

describe('the built-in outages', () => {
  it('hit exactly one day of one symbol of the universe in any seven days, in archive and REST alike', async () => {
    await using demo = await startSandbox({ now: () => at('2025-06-20T12:00:00Z') })
    const { folders } = await fetchPage(demo.urls.listing, { delimiter: '/', prefix: `${DAILY}/` })
    const short: string[] = []
    for (const folder of folders.filter((name) => !/1000SATS|WAVES/.test(name))) {
      const symbol = folder.split('/').at(-2)!
      for (let day = 12; day <= 18; day++) {
        const rows = await fetchRows(demo.urls.vision, `${folder}5m/${symbol}-5m-2025-06-${day}.zip`)
        if (rows.length < 288) short.push(`${symbol} 2025-06-${day}`)
      }
    }
    expect(short).toHaveLength(1)
    const [symbol, day] = short[0]!.split(' ')
    const minutes = await fetchRows(demo.urls.vision, `${DAILY}/${symbol}/1m/${symbol}-1m-${day}.zip`)
    expect(minutes).toHaveLength(1440 - 70)
    const gap = minutes.findIndex((row, i) => i > 0 && row.open - minutes[i - 1]!.open > 60_000_000n)
    const startMs = Number(minutes[gap - 1]!.open / 1000n) + 60_000
    const rest = await fetchWire(
      `${demo.urls.spotRest}/api/v3/klines?symbol=${symbol}&interval=1m&startTime=${startMs}&endTime=${startMs + 69 * 60_000}`,
    )
    expect(rest.body.toString()).toBe('[]')
  })
})
