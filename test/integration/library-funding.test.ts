import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { FileRestAccount } from '../../src/sources/rest/rest-account-file.ts'
import { restLanes } from '../../src/sources/rest/rest-lanes.ts'
import { runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { gapsOf, library, sourcesOf } from '../support/library.ts'
import { SHARED } from '../support/shared.ts'
import type { TempDirectory } from '../support/temp-lake.ts'
import { createTempDirectory, listFiles } from '../support/temp-lake.ts'
import { checksumOf, readFirstEntry, buildZip } from '../support/zip-builder.ts'

const { CryptoKlineVisionData, DataProvider, MarketType, ChartType, DataSource, CkvdError } = library

const NOW = '2026-05-03T10:00:00Z'
const KEY = 'data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026-04.zip'
const PACK = 'futures/um/yearly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2026.arrow'
const HOUR_MS = 3_600_000

interface Rate {
  readonly ms: number
  readonly rate: string
}

describe.skipIf(SHARED === undefined)('funding rates', () => {
  let rates: Rate[]
  let csv: string
  let rest: {
    readonly url: string
    readonly asked: URL[]
    rows: Rate[]
    status: number
    beforeAnswer: () => Promise<void>
    close(): Promise<void>
  }

  /** A stand-in for GET /fapi/v1/fundingRate and /dapi/…, by Binance's documents: from startTime on to endTime, both included, ascending, at most `limit` rows. */
  async function startRest(): Promise<typeof rest> {
    const state = { asked: [] as URL[], rows: [] as Rate[], status: 200, beforeAnswer: () => Promise.resolve() }
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const url = new URL(request.url ?? '', 'http://rest')
      state.asked.push(url)
      await state.beforeAnswer()
      if (state.status !== 200) return void response.writeHead(state.status).end('no')
      const symbol = url.searchParams.get('symbol')
      if (symbol === 'NEWUSDT') return void response.end('[]')
      if (
        `${url.pathname} ${symbol}` !== '/fapi/v1/fundingRate BTCUSDT' &&
        `${url.pathname} ${symbol}` !== '/dapi/v1/fundingRate BTCUSD_PERP'
      )
        return void response.writeHead(400).end('{"code":-1121,"msg":"Invalid symbol."}')
      const [from, to, limit] = ['startTime', 'endTime', 'limit'].map((name) => Number(url.searchParams.get(name))) as [
        number,
        number,
        number,
      ]
      const rows = state.rows.filter(({ ms }) => ms >= from && ms <= to).slice(0, limit)
      response.end(JSON.stringify(rows.map(({ ms, rate }) => ({ symbol: 'BTCUSDT', fundingTime: ms, fundingRate: rate, markPrice: '1' }))))
    }
    const server = createServer((request, response) => void answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return Object.assign(state, {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: () => new Promise<void>((resolve) => void (server.close(() => resolve()), server.closeAllConnections())),
    })
  }

  beforeAll(async () => {
    csv = readFirstEntry(await readFile(join(SHARED ?? '', 'vision', KEY))).toString()
    rates = csv
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => ({ ms: Number(line.split(',')[0]), rate: line.split(',')[2] ?? '' }))
    expect(rates.length).toBe(90)
    rest = await startRest()
  })
  afterAll(() => rest.close())
  beforeEach(() => {
    process.env['CKVD_NOW'] = NOW
    rest.asked.length = 0
    rest.status = 200
    rest.beforeAnswer = () => Promise.resolve()
    // May: three a day, the last one at 08:00 of the 3rd
    const may = Array.from({ length: 8 }, (_none, i) => ({
      ms: Date.parse('2026-05-01T00:00:00Z') + i * 8 * HOUR_MS + i,
      rate: `0.0000${i}000`,
    }))
    rest.rows = [...rates, ...may]
  })

  async function serve(text: string): Promise<{ temp: TempDirectory; exchange: TestExchange } & AsyncDisposable> {
    const temp = await createTempDirectory()
    const path = join(temp.path, 'vision', KEY)
    await mkdir(dirname(path), { recursive: true })
    if (text === csv) {
      for (const end of ['', '.CHECKSUM']) await copyFile(join(SHARED ?? '', 'vision', KEY + end), path + end)
    } else {
      const zip = buildZip([{ name: 'BTCUSDT-fundingRate-2026-04.csv', data: text }])
      await writeFile(path, zip)
      await writeFile(`${path}.CHECKSUM`, checksumOf(zip, 'BTCUSDT-fundingRate-2026-04.zip'))
    }
    const exchange = await startExchange(NOW, { archive: join(temp.path, 'vision') })
    const dispose = async (): Promise<void> => {
      await exchange[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    }
    return { temp, exchange, [Symbol.asyncDispose]: dispose }
  }

  const APRIL = {
    symbol: 'BTCUSDT',
    chartType: ChartType.FUNDING_RATE,
    startTime: '2026-04-01T00:00:00Z',
    endTime: '2026-05-01T00:00:00Z',
    includeSourceInfo: true,
  }

  test('a closed month comes from Vision, verified, is stored with its year, and then comes from the lake', async () => {
    await using served = await serve(csv)
    const { temp, exchange } = served
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
      lake: temp.lake,
      sources: { ...exchange.sandbox.urls, umRest: rest.url },
      workers: 1,
    })
    const table = await ckvd.getData(APRIL)
    expect(table.schema.fields.map(({ name, type }) => `${name} ${String(type)}`)).toEqual([
      'funding_time Timestamp<MICROSECOND, UTC>',
      'funding_interval_hours Int64',
      'funding_rate Float64',
      '_data_source Utf8',
    ])
    expect([...((table.getChild('funding_time')?.data[0]?.values ?? []) as BigInt64Array)]).toEqual(
      rates.map(({ ms }) => BigInt(ms) * 1000n),
    )
    expect([...(table.getChild('funding_rate') as Iterable<number>)]).toEqual(rates.map(({ rate }) => Number(rate)))
    expect(new Set(table.getChild('funding_interval_hours') as Iterable<bigint>)).toEqual(new Set([8n]))
    expect(new Set(sourcesOf(table))).toEqual(new Set(['VISION']))
    expect([gapsOf(table), rest.asked]).toEqual([[], []])
    expect(await listFiles(join(temp.lake, 'data'))).toEqual([PACK])
    exchange.sandbox.clearRequests()
    const again = await ckvd.getData({ ...APRIL, startTime: '2026-04-10T08:00:00Z' })
    expect([again.numRows, [...new Set(sourcesOf(again))], exchange.sandbox.requests]).toEqual([
      rates.filter(({ ms }) => ms >= Date.parse('2026-04-10T08:00:00Z')).length,
      ['CACHE'],
      [],
    ])
    await ckvd.close()
    const verified = await runHere(['verify', '--lake', temp.lake, '--json'])
    expect(JSON.parse(verified.stdout)).toMatchObject({ exit: 0, foreign: [] })
  })

  test('the running month comes from REST, with the hours that its times tell', async () => {
    await using served = await serve(csv)
    const { temp, exchange } = served
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
      lake: temp.lake,
      sources: { ...exchange.sandbox.urls, umRest: rest.url },
      workers: 1,
    })
    const table = await ckvd.getData({ ...APRIL, startTime: '2026-04-30T00:00:00Z', endTime: NOW })
    expect(sourcesOf(table)).toEqual([...Array<string>(3).fill('VISION'), ...Array<string>(8).fill('REST')])
    expect([...(table.getChild('funding_interval_hours') as Iterable<bigint>)]).toEqual(Array<bigint>(11).fill(8n))
    // its closed days, its running one, and two for where the contract begins: the archive was not asked for its first day
    expect(rest.asked).toHaveLength(4)
  })

  test('many pages of REST are one table; COIN-M as well', async () => {
    await using served = await serve(csv)
    const firstMs = Date.parse('2025-03-01T00:00:00Z')
    rest.rows = Array.from({ length: 1284 }, (_none, i) => ({ ms: firstMs + i * 8 * HOUR_MS, rate: `-0.000${i}` }))
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_COIN, {
      lake: served.temp.lake,
      sources: { ...served.exchange.sandbox.urls, cmRest: rest.url },
      workers: 1,
    })
    const table = await ckvd.getData({
      symbol: 'BTCUSD_PERP',
      chartType: ChartType.FUNDING_RATE,
      enforceSource: DataSource.REST,
      startTime: firstMs,
      endTime: '2026-05-03T00:00:00Z',
    })
    expect([...(table.getChild('funding_rate') as Iterable<number>)]).toEqual(rest.rows.map(({ rate }) => Number(rate)))
    expect(gapsOf(table)).toEqual([])
    // two pages, and what it takes to know that nothing is before the first rate and behind the last one
    expect(rest.asked.length).toBeLessThanOrEqual(9)
  })

  test('a range in which no rate is due is empty; one before the first rate is refused', async () => {
    await using served = await serve(csv)
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
      lake: served.temp.lake,
      sources: { ...served.exchange.sandbox.urls, umRest: rest.url },
      workers: 1,
    })
    const between = await ckvd.getData({ ...APRIL, startTime: '2026-04-10T01:00:00Z', endTime: '2026-04-10T03:00:00Z' })
    expect([between.numRows, gapsOf(between)]).toEqual([0, []])
    const error: unknown = await ckvd
      .getData({ ...APRIL, startTime: '2026-03-01T00:00:00Z', endTime: '2026-03-20T00:00:00Z' })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'CKVD_UNAVAILABLE', details: { earliest: '2026-04-01' } })
  })

  test('rates that the archive lacks come from REST; without REST they are thrown', async () => {
    const lines = csv.split('\n')
    await using served = await serve(lines.filter((_line, i) => i !== 20 && i !== 21).join('\n'))
    const { temp, exchange } = served
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
      lake: temp.lake,
      sources: { ...exchange.sandbox.urls, umRest: rest.url },
      workers: 1,
      maxRetries: 0,
    })
    const table = await ckvd.getData(APRIL)
    expect([...(table.getChild('funding_rate') as Iterable<number>)]).toEqual(rates.map(({ rate }) => Number(rate)))
    expect(sourcesOf(table).flatMap((source, i) => (source === 'REST' ? [i] : []))).toEqual([19, 20])
    // they are stored, and given without REST
    rest.status = 500
    expect((await ckvd.getData(APRIL)).numRows).toBe(rates.length)
    const kept = { ...APRIL, useCache: false }
    const error: unknown = await ckvd.getData(kept).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CkvdError)
    expect(error).toMatchObject({ code: 'CKVD_PARTIAL', details: { bars: 2 } })
    // where REST has none either, the absence is explained
    rest.status = 200
    rest.rows = rest.rows.filter(({ ms }) => ms !== rates[19]?.ms && ms !== rates[20]?.ms)
    const holed = await ckvd.getData(kept)
    expect([holed.numRows, gapsOf(holed).reduce((sum, { bars }) => sum + bars, 0)]).toEqual([rates.length - 2, 2])
  })

  test.each([
    ['a rate that is no number', (text: string) => text.replace('0.00003521', '0.0000x'), 'CKVD_CSV_NUMBER'],
    ['a line that is cut', (text: string) => text.replace('1775088000003,8,', '1775088000003,'), 'CKVD_CSV_COLUMNS'],
    ['another header', (text: string) => text.replace('calc_time', 'time'), 'CKVD_CSV_HEADER'],
  ])('%s: the archive is quarantined, and REST gives the month', async (_what, spoil, code) => {
    await using served = await serve(spoil(csv))
    const { temp, exchange } = served
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
      lake: temp.lake,
      sources: { ...exchange.sandbox.urls, umRest: rest.url },
      workers: 1,
    })
    const table = await ckvd.getData(APRIL)
    expect(new Set(sourcesOf(table))).toEqual(new Set(['REST']))
    expect(table.numRows).toBe(rates.length)
    const kept = (await listFiles(join(temp.lake, 'quarantine'))).filter((path) => path.endsWith('.reason.json'))
    expect(kept).toHaveLength(1)
    expect(JSON.parse(await readFile(join(temp.lake, 'quarantine', kept[0] ?? ''), 'utf8'))).toMatchObject({ code })
    expect(await listFiles(join(temp.lake, 'data'))).toEqual([PACK])
  })

  test('each try passes the account: one that another program was banned before is not sent', async () => {
    // where this test process keeps the account of its address
    const state = process.env['CKVD_STATE'] ?? ''
    await mkdir(state, { recursive: true })
    const server = await startRest()
    onTestFinished(() => server.close())
    const urls = { spot: server.url, um: server.url, cm: server.url }
    await using account = await FileRestAccount.open(join(state, 'rest-account.sqlite'))
    server.status = 503
    server.beforeAnswer = async () => {
      await account.hold({ name: restLanes(urls).um }, 'ban', 600_000)
    }
    await using ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
      useCache: false,
      sources: { vision: server.url, listing: server.url, spotRest: server.url, umRest: server.url, cmRest: server.url },
      workers: 1,
    })
    const funding = ckvd.getData({ ...APRIL, enforceSource: DataSource.REST })
    await expect(funding).rejects.toMatchObject({ code: 'CKVD_BANNED' })
    expect(server.asked).toHaveLength(1)
  })

  test('refused: spot, an interval, an unknown contract, the lake alone without the month', async () => {
    await using served = await serve(csv)
    const { temp, exchange } = served
    const sources = { ...exchange.sandbox.urls, umRest: rest.url }
    const codeOf = (call: Promise<unknown>) =>
      call.then(
        () => 'none',
        (error: unknown) => (error as InstanceType<typeof CkvdError>).code,
      )
    await using spot = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake: temp.lake, sources, workers: 1 })
    await using um = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, { lake: temp.lake, sources, workers: 1 })
    expect(await codeOf(spot.getData(APRIL))).toBe('CKVD_USAGE')
    expect(await codeOf(um.getData({ ...APRIL, interval: '1h' }))).toBe('CKVD_USAGE')
    expect(await codeOf(um.getData({ ...APRIL, symbol: 'NOSUCHUSDT' }))).toBe('CKVD_UNKNOWN_SYMBOL')
    // should the exchange answer with an empty list instead of an error
    expect(await codeOf(um.getData({ ...APRIL, symbol: 'NEWUSDT' }))).toBe('CKVD_UNKNOWN_SYMBOL')
    expect(await codeOf(um.getData({ ...APRIL, symbol: 'BTCUSDT_260626' }))).toBe('CKVD_SYMBOL_FORMAT')
    expect(await codeOf(um.getData({ ...APRIL, enforceSource: DataSource.CACHE }))).toBe('CKVD_PARTIAL')
  })
})
