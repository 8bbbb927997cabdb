import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import { beforeEach, describe, expect, test } from 'vitest'
import type { GetDataOptions } from '../../src/index.ts'
import { openLake } from '../../src/lake/lake.ts'
import { columnsOf, fetchTruth, gapsOf, library, sourcesOf, valuesOf } from '../support/library.ts'
import { startHostileFront } from '../support/hostile-front.ts'
import { libraryWorld, refusal } from '../support/library-world.ts'
import { alterStored, readStoredChunks, storedPath } from '../support/stored-chunk.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog } from '../support/temp-lake.ts'

const { CryptoKlineVisionData, DataProvider, MarketType, Interval, DataSource, ChartType, fetchMarketData, ingest } = library

const NOW = '2024-03-10T12:34:56Z'
const NOW_MS = Date.parse(NOW)
const SYMBOL = 'BTCUSDT'

const world = libraryWorld(NOW)
const { create } = world

const HOURS: GetDataOptions = { symbol: SYMBOL, startTime: '2024-03-06T05:00:00Z', endTime: NOW, interval: Interval.HOUR_1 }

async function truth(options: { market?: 'spot' | 'um' | 'cm'; symbol?: string; interval?: string; start: string; end?: string }) {
  const { market = 'spot', symbol = SYMBOL, interval = '1h', start, end = NOW } = options
  return columnsOf(
    await fetchTruth(
      world.exchange.sandbox,
      { market, symbol, interval },
      { startMs: Date.parse(start), endMs: Date.parse(end), nowMs: NOW_MS },
    ),
  )
}

describe('rows and their sources', () => {
  test('a range over lake, Vision and the open day: the exchange’s own rows, sources right, no day fetched twice', async () => {
    await using ckvd = create()
    const stored = { ...HOURS, startTime: '2024-03-07T00:00:00Z', endTime: '2024-03-08T00:00:00Z' }
    await ckvd.getData(stored)
    world.exchange.sandbox.clearRequests()

    const table = await ckvd.getData({ ...HOURS, includeSourceInfo: true })
    const { _data_source: _sources, ...values } = valuesOf(table)
    expect(values).toEqual(await truth({ start: '2024-03-06T05:00:00Z' }))
    expect(gapsOf(table)).toEqual([])
    // 19 hours of the 6th, the 7th from the lake, the 8th and 9th, then twelve hours that have closed of the open day
    const expected = [
      ...Array<string>(19).fill('VISION'),
      ...Array<string>(24).fill('CACHE'),
      ...Array<string>(48).fill('VISION'),
      ...Array<string>(12).fill('REST'),
    ]
    expect(sourcesOf(table)).toEqual(expected)
    expect(world.exchange.requests('archive').map(({ path }) => path.slice(-14, -4))).toEqual(['2024-03-06', '2024-03-08', '2024-03-09'])
    expect(world.exchange.requests('rest')).toHaveLength(1)

    world.exchange.sandbox.clearRequests()
    const again = await ckvd.getData({ ...HOURS, includeSourceInfo: true })
    expect(valuesOf(again)['close']).toEqual(values['close'])
    expect(sourcesOf(again).slice(0, -12)).toEqual(Array<string>(91).fill('CACHE'))
    expect(world.exchange.sandbox.requests.map(({ kind }) => kind)).toEqual(['rest'])
  })

  test('whole closed days are stored as an ingest stores them, byte for byte; the open day never is', async () => {
    await using ckvd = create()
    await ckvd.getData(HOURS)
    const days = ['06', '07', '08', '09'].map((day) => `2024-03-${day}`)
    expect((await listFiles(world.temp.lake)).filter((path) => path.startsWith('data/'))).toEqual([
      'data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-03.arrow',
    ])
    expect((await readStoredChunks(world.temp.lake)).map(({ day, rows }) => [day, rows])).toEqual(days.map((day) => [day, 24]))
    expect(await listFiles(join(world.temp.lake, 'tmp'))).toEqual([])
    expect(queryCatalog(world.temp.lake, 'SELECT day, condition, source FROM days')).toEqual(
      ['06', '07', '08', '09'].map((day) => ({ day: `2024-03-${day}`, condition: 'complete', source: 'vision-daily' })),
    )
    await using other = await createTempDirectory()
    const result = await ingest({
      lake: other.lake,
      sources: world.exchange.sandbox.urls,
      universe: [{ market: 'spot', symbol: SYMBOL }],
      intervals: ['1h'],
      start: '2024-03-06',
      end: '2024-03-10',
    })
    expect([result.exit, result.stored]).toEqual([0, 4])
    expect(await digestTree(join(world.temp.lake, 'data'))).toEqual(await digestTree(join(other.lake, 'data')))
    // and what was stored here is settled there: an ingest of the same lake downloads nothing
    world.exchange.sandbox.clearRequests()
    const rerun = await ingest({
      lake: world.temp.lake,
      sources: world.exchange.sandbox.urls,
      universe: [{ market: 'spot', symbol: SYMBOL }],
      intervals: ['1h'],
      start: '2024-03-06',
      end: '2024-03-10',
    })
    expect([rerun.exit, rerun.stored, rerun.skipped, world.exchange.requests('archive').length]).toEqual([0, 0, 4, 0])
  })

  test.each([
    ['spot', MarketType.SPOT, SYMBOL, '1m', '2024-03-09T23:00:00Z'],
    ['spot', MarketType.SPOT, SYMBOL, '1s', '2024-03-10T12:30:00Z'],
    ['um', MarketType.FUTURES_USDT, SYMBOL, '4h', '2024-02-27T00:00:00Z'],
    ['cm', MarketType.FUTURES_COIN, 'BTCUSD_PERP', '2h', '2024-03-05T00:00:00Z'],
    ['um', MarketType.FUTURES_USDT, SYMBOL, '1d', '2024-02-01T00:00:00Z'],
    ['spot', MarketType.SPOT, SYMBOL, '3d', '2023-11-11T00:00:00Z'],
    ['spot', MarketType.SPOT, SYMBOL, '1w', '2023-11-11T00:00:00Z'],
    ['cm', MarketType.FUTURES_COIN, 'BTCUSD_PERP', '1M', '2023-11-01T00:00:00Z'],
  ] as const)('%s %s %s %s equals the exchange', async (market, marketType, symbol, interval, start) => {
    await using ckvd = create(marketType)
    const options = { symbol, interval, startTime: start, endTime: NOW }
    const expected = await truth({ market, symbol, interval, start })
    expect(expected['open_time']?.length).toBeGreaterThan(0)
    expect(valuesOf(await ckvd.getData(options))).toEqual(expected)
    expect(valuesOf(await ckvd.getData(options))).toEqual(expected)
  })

  test.each(['2019-12-01', '2019-11-20', '2019-12-30'])(
    'days of which only REST knows, before the first archive, from %s on',
    async (start) => {
      // the archives begin on 2019-12-31, in the middle of a month that has one; REST begins in September
      await using ckvd = create(MarketType.FUTURES_USDT)
      const table = await ckvd.getData({
        symbol: SYMBOL,
        interval: '1h',
        startTime: `${start}T00:00:00Z`,
        endTime: '2020-01-02T00:00:00Z',
        includeSourceInfo: true,
      })
      const { _data_source: _sources, ...values } = valuesOf(table)
      expect(values).toEqual(await truth({ market: 'um', start, end: '2020-01-02' }))
      expect([sourcesOf(table)[0], sourcesOf(table).at(-1)]).toEqual(['REST', 'VISION'])
      // none of them is asked for again
      world.exchange.sandbox.clearRequests()
      await ckvd.getData({ symbol: SYMBOL, interval: '1h', startTime: `${start}T00:00:00Z`, endTime: '2020-01-02T00:00:00Z' })
      expect(world.exchange.sandbox.requests).toEqual([])
    },
  )

  test('that the archives were read first does not hide what REST has from before them', async () => {
    await using ckvd = create(MarketType.FUTURES_USDT)
    const query = { symbol: SYMBOL, interval: '1h', startTime: '2019-12-31T00:00:00Z', endTime: '2020-01-02T00:00:00Z' } as const
    expect((await ckvd.getData(query)).numRows).toBe(48)
    const earlier = { ...query, startTime: '2019-09-07T00:00:00Z' }
    expect(valuesOf(await ckvd.getData(earlier))).toEqual(await truth({ market: 'um', start: '2019-09-07', end: '2020-01-02' }))
    world.exchange.sandbox.clearRequests()
    // the first bar is known now, and so is that nothing comes before it
    expect((await ckvd.getData(earlier)).numRows).toBe(2767)
    expect(world.exchange.sandbox.requests).toEqual([])
  })

  test('ranges are half-open, to the microsecond', async () => {
    await using ckvd = create()
    const times = async (startTime: string, endTime: string) => {
      const { columns } = await ckvd.getColumns({ symbol: SYMBOL, interval: '1h', startTime, endTime, columns: ['open_time'] })
      return Array.from(columns.open_time, (time) => new Date(Number(time / 1000n)).toISOString().slice(5, 16))
    }
    expect(await times('2024-03-05T23:00:00Z', '2024-03-06T01:00:00Z')).toEqual(['03-05T23:00', '03-06T00:00'])
    expect(await times('2024-03-05T23:00:00.000001Z', '2024-03-06T01:00:00.000001Z')).toEqual(['03-06T00:00', '03-06T01:00'])
    expect(await times('2024-03-05T23:00:00+01:00', '2024-03-05T23:30:00Z')).toEqual(['03-05T22:00', '03-05T23:00'])
    expect(await times('2024-03-05T22:10:00Z', '2024-03-05T22:50:00Z')).toEqual([])
  })

  test('columns: only those asked for, in that order, as the arrays of the result', async () => {
    await using ckvd = create()
    const table = await ckvd.getData({ ...HOURS, columns: ['close', 'open_time'] })
    expect(table.schema.names).toEqual(['close', 'open_time'])
    const { rows, columns, gaps } = await ckvd.getColumns({ ...HOURS, columns: ['volume'] })
    expect(Object.keys(columns)).toEqual(['volume'])
    expect([rows, columns.volume.length, gaps]).toEqual([table.numRows, table.numRows, []])
    expect([...columns.volume]).toEqual((await truth({ start: '2024-03-06T05:00:00Z' }))['volume'])
  })
})

describe('gaps', () => {
  const outage = { kind: 'outage', market: 'spot', symbol: SYMBOL, from: '2024-03-07T03:00:00Z', to: '2024-03-07T06:00:00Z' } as const
  const start = Date.parse(outage.from) * 1000
  const end = Date.parse(outage.to) * 1000
  const day = { ...HOURS, startTime: '2024-03-07T00:00:00Z', endTime: '2024-03-08T00:00:00Z' }

  test('an outage is told with its evidence, cut to the range; autoReindex opens rows of nulls, never zeros', async () => {
    world.exchange.sandbox.setFaults([outage])
    await using ckvd = create()
    const table = await ckvd.getData(day)
    expect(table.numRows).toBe(21)
    const [before, after] = ['2024-03-07T02:00:00.000000Z', '2024-03-07T06:00:00.000000Z'] as const
    const evidence = `REST has the bars of ${before} and ${after} and none between`
    const witnesses = { source: 'rest', before_us: Date.parse(before) * 1000, after_us: Date.parse(after) * 1000 }
    expect(gapsOf(table)).toEqual([{ start, end, bars: 3, evidence, ...witnesses }])
    const cut = await ckvd.getData({ ...day, startTime: '2024-03-07T05:00:00Z' })
    expect(gapsOf(cut)).toMatchObject([{ start: start + 2 * 3_600_000_000, end, bars: 1 }])

    const whole = await ckvd.getData({ ...day, autoReindex: true, includeSourceInfo: true })
    expect(whole.numRows).toBe(24)
    const times = valuesOf(whole)['open_time'] as bigint[]
    expect(times).toEqual(Array.from({ length: 24 }, (_none, hour) => BigInt(Date.parse(day.startTime) + hour * 3_600_000) * 1000n))
    for (const name of whole.schema.names.filter((one) => one !== 'open_time')) {
      expect([3, 4, 5].map((row) => whole.getChild(name)?.get(row) as unknown)).toEqual([null, null, null])
      expect(whole.getChild(name)?.nullCount).toBe(3)
    }
    expect([...(whole.getChild('close') as Iterable<number | null>)].filter((close) => close !== null)).toEqual(valuesOf(table)['close'])
  })

  test('bars that only the archive lacks come from REST, and each row says so', async () => {
    world.exchange.sandbox.setFaults([{ ...outage, rest: false }])
    await using ckvd = create()
    const table = await ckvd.getData({ ...day, includeSourceInfo: true })
    expect(sourcesOf(table)).toEqual([
      ...Array<string>(3).fill('VISION'),
      ...Array<string>(3).fill('REST'),
      ...Array<string>(18).fill('VISION'),
    ])
    const { _data_source: _sources, ...values } = valuesOf(table)
    expect(values).toEqual(await truth({ start: day.startTime, end: day.endTime }))
  })

  test('bars that are missing without explanation are thrown with their gaps, and asked for again by the next call', async () => {
    world.exchange.sandbox.setFaults([
      { ...outage, rest: false },
      { kind: 'status', match: '^/spot/', status: 500 },
    ])
    await using ckvd = create()
    const error = await refusal(ckvd.getData(day))
    expect(error.code).toBe('CKVD_PARTIAL')
    expect(error.details).toMatchObject({
      bars: 3,
      gaps: [{ start, end, bars: 3, evidence: expect.stringContaining('CKVD_HTTP_BUSY') as string }],
    })
    // the part of the day that is whole is no reason to refuse
    expect((await ckvd.getData({ ...day, startTime: '2024-03-07T06:00:00Z' })).numRows).toBe(18)
    world.exchange.sandbox.setFaults([{ ...outage, rest: false }])
    world.exchange.sandbox.clearRequests()
    expect((await ckvd.getData(day)).numRows).toBe(24)
    expect(world.exchange.requests('archive')).toHaveLength(0)
  })

  test('before the first bar nothing is expected: the rest of the range comes, and the metadata says why', async () => {
    await using ckvd = create(MarketType.SPOT)
    const table = await ckvd.getData({
      symbol: '1000SATSUSDT',
      interval: '1h',
      startTime: '2023-12-11T00:00:00Z',
      endTime: '2023-12-13T00:00:00Z',
    })
    expect(table.numRows).toBe(17)
    expect(gapsOf(table)).toMatchObject([
      { start: Date.parse('2023-12-11T00:00:00Z') * 1000, end: Date.parse('2023-12-12T07:00:00Z') * 1000, bars: 31 },
    ])
    const error = await refusal(
      ckvd.getData({ symbol: '1000SATSUSDT', interval: '1h', startTime: '2023-11-01T00:00:00Z', endTime: '2023-11-05T00:00:00Z' }),
    )
    expect([error.code, error.details['earliest']]).toEqual(['CKVD_UNAVAILABLE', '2023-12-12'])
  })
})

describe('sources by choice', () => {
  const day = { ...HOURS, startTime: '2024-03-07T00:00:00Z', endTime: '2024-03-08T00:00:00Z', includeSourceInfo: true }

  test('CACHE asks nobody, and refuses what the lake does not have', async () => {
    await using ckvd = create()
    const cache = { ...day, enforceSource: DataSource.CACHE }
    const error = await refusal(ckvd.getData(cache))
    expect([error.code, error.details['bars']]).toEqual(['CKVD_PARTIAL', 24])
    await ckvd.getData(day)
    world.exchange.sandbox.clearRequests()
    expect(new Set(sourcesOf(await ckvd.getData(cache)))).toEqual(new Set(['CACHE']))
    const open = await refusal(ckvd.getData({ ...cache, startTime: '2024-03-07T12:00:00Z', endTime: NOW }))
    expect(open.code).toBe('CKVD_PARTIAL')
    expect(world.exchange.sandbox.requests).toEqual([])
  })

  test('VISION asks archives alone, though the lake has the day; REST asks REST alone', async () => {
    await using ckvd = create()
    await ckvd.getData(day)
    world.exchange.sandbox.clearRequests()
    expect(new Set(sourcesOf(await ckvd.getData({ ...day, enforceSource: DataSource.VISION })))).toEqual(new Set(['VISION']))
    expect([world.exchange.requests('archive').length, world.exchange.requests('rest').length]).toEqual([1, 0])
    world.exchange.sandbox.clearRequests()
    expect(new Set(sourcesOf(await ckvd.getData({ ...day, enforceSource: DataSource.REST })))).toEqual(new Set(['REST']))
    expect(world.exchange.sandbox.requests.map(({ kind }) => kind)).toEqual(['rest'])
    const open = await refusal(ckvd.getData({ ...day, endTime: NOW, enforceSource: DataSource.VISION }))
    expect([open.code, open.details['bars']]).toEqual(['CKVD_PARTIAL', 12])
  })

  test('without the cache nothing is read or written: option, client and environment', async () => {
    await using ckvd = create()
    await ckvd.getData({ ...day, useCache: false })
    await using off = create(MarketType.SPOT, { useCache: false })
    await off.getData(day)
    process.env['CKVD_ENABLE_CACHE'] = 'no'
    await using byEnvironment = create()
    await byEnvironment.getData(day)
    expect(await listFiles(world.temp.lake)).toEqual([])
    expect(world.exchange.requests('archive')).toHaveLength(3)
    // the call goes before the client
    await byEnvironment.getData({ ...day, useCache: true })
    expect((await listFiles(world.temp.lake)).filter((path) => path.endsWith('.arrow'))).toHaveLength(1)
  })

  // of a file of a month a day may be lost alone, or all; a day of its own is lost alone
  test.each([
    [Interval.MINUTE_5, 1],
    [Interval.HOUR_1, 2],
  ])('a damaged or missing shard of %s is fetched again', async (interval, inFile) => {
    await using ckvd = create()
    const wide = { ...day, interval, startTime: '2024-03-06T00:00:00Z' }
    const first = valuesOf(await ckvd.getData(wide))
    const pathOf = (of: string): string => join(world.temp.lake, storedPath({ market: 'spot', symbol: 'BTCUSDT', interval }, of))
    const days = (await readStoredChunks(world.temp.lake)).map((chunk) => chunk.day)
    expect(days).toHaveLength(2)
    for (const [count, spoil] of [
      [1, (path: string, of: string) => alterStored(path, of, (columns) => columns[5]!.fill(0 as never, 3, 9))],
      [inFile, (path: string) => writeFileSync(path, readFileSync(path).subarray(0, -7))],
      [inFile, (path: string) => rmSync(path)],
    ] as const)
      for (const of of days) {
        spoil(pathOf(of), of)
        world.exchange.sandbox.clearRequests()
        expect(valuesOf(await ckvd.getData(wide))['close']).toEqual(first['close'])
        expect(world.exchange.requests('archive')).toHaveLength(count)
        expect((await readStoredChunks(world.temp.lake)).map((chunk) => chunk.day)).toEqual(days)
      }
    world.exchange.sandbox.clearRequests()
    expect(new Set(sourcesOf(await ckvd.getData(wide)))).toEqual(new Set(['CACHE']))
    expect(world.exchange.sandbox.requests).toEqual([])
  })
})

describe('a lake that lies', () => {
  const days = { ...HOURS, startTime: '2024-03-04T00:00:00Z', endTime: '2024-03-07T00:00:00Z' }

  test.each([
    [Interval.MINUTE_5, 288],
    [Interval.HOUR_1, 24],
  ])(
    'a rotten byte among sound days of %s is never handed out: refused from the cache, fetched again otherwise',
    async (interval, bars) => {
      await using ckvd = create()
      const all = { ...days, interval }
      const sound = valuesOf(await ckvd.getData(all))
      const path = join(world.temp.lake, storedPath({ market: 'spot', symbol: 'BTCUSDT', interval }, '2024-03-05'))
      // the last close of the day, doubled in place
      alterStored(path, '2024-03-05', (columns) => (columns[4]![bars - 1] = 2 * Number(columns[4]![bars - 1])))
      for (const columns of [undefined, ['close' as const]]) {
        const options = { ...all, enforceSource: DataSource.CACHE, ...(columns === undefined ? {} : { columns }) }
        const error = await refusal(ckvd.getData(options))
        expect(error).toMatchObject({ code: 'CKVD_PARTIAL', details: { gaps: [{ bars }] } })
      }
      world.exchange.sandbox.clearRequests()
      expect(valuesOf(await ckvd.getData(all))['close']).toEqual(sound['close'])
      expect(world.exchange.requests('archive').map((request) => request.path.slice(-14, -4))).toEqual(['2024-03-05'])
      expect(valuesOf(await ckvd.getData({ ...all, enforceSource: DataSource.CACHE }))['close']).toEqual(sound['close'])
    },
  )

  test('a day that the catalog calls complete without a shard is fetched again', async () => {
    await using ckvd = create()
    const sound = valuesOf(await ckvd.getData(days))
    await ckvd.close()
    const database = new Database(join(world.temp.lake, 'catalog.sqlite'))
    database.exec(
      "PRAGMA ignore_check_constraints = ON; UPDATE days SET shard_sha256 = NULL, shard_bytes = NULL, rows = 0 WHERE day = '2024-03-05'",
    )
    database.close()
    await using again = create()
    const error = await refusal(again.getData({ ...days, enforceSource: DataSource.CACHE }))
    expect(error).toMatchObject({ code: 'CKVD_PARTIAL', details: { gaps: [{ bars: 24 }] } })
    expect(valuesOf(await again.getData(days))['close']).toEqual(sound['close'])
  })
})

describe('refusals', () => {
  test.each([
    ['a naive time', { startTime: '2024-03-01T00:00:00' }, 'CKVD_TIME', {}],
    ['a future time', { endTime: '2024-03-10T12:34:59Z', startTime: '2024-03-10T00:00:00Z' }, 'CKVD_TIME', {}],
    ['seconds for milliseconds', { startTime: 1_709_000_000 }, 'CKVD_TIME', {}],
    ['an empty range', { startTime: NOW, endTime: NOW }, 'CKVD_TIME', {}],
    ['no such day', { startTime: '2024-02-30T00:00:00Z' }, 'CKVD_TIME', {}],
    ['three ends', { days: 3 }, 'CKVD_USAGE', {}],
    [
      'an interval that spot alone has',
      { interval: Interval.SECOND_1 },
      'CKVD_UNKNOWN_INTERVAL',
      { supported: expect.arrayContaining(['1m', '1M']) as string[] },
    ],
    ['a COIN-M symbol', { symbol: 'BTCUSD_PERP' }, 'CKVD_SYMBOL_FORMAT', { suggestion: 'BTCUSDT' }],
    ['a symbol that nobody knows', { symbol: 'NOSUCHUSDT' }, 'CKVD_UNKNOWN_SYMBOL', { symbol: 'NOSUCHUSDT' }],
    ['cache enforced and switched off', { enforceSource: DataSource.CACHE, useCache: false }, 'CKVD_USAGE', {}],
    ['an unknown option', { interal: '1h' }, 'CKVD_USAGE', {}],
    ['an unknown column', { columns: ['closing'] }, 'CKVD_USAGE', {}],
  ])('%s', async (_what, options, code, details) => {
    await using ckvd = create(MarketType.FUTURES_USDT)
    const error = await refusal(ckvd.getData({ ...HOURS, ...options } as GetDataOptions))
    expect(error.code).toBe(code)
    expect(error.details).toMatchObject(details)
    expect(error.message).toMatch(/^[A-Z`].*[.?]$/s)
  })

  test('BTCUSDT in COIN-M: BTCUSD_PERP is suggested; other providers and markets are refused', async () => {
    await using ckvd = create(MarketType.FUTURES_COIN)
    const error = await refusal(ckvd.getData(HOURS))
    expect([error.code, error.details['suggestion']]).toEqual(['CKVD_SYMBOL_FORMAT', 'BTCUSD_PERP'])
    expect(() => CryptoKlineVisionData.create('okx' as never, MarketType.SPOT)).toThrow(/okx/)
    expect(() => CryptoKlineVisionData.create(DataProvider.BINANCE, 'stocks' as never)).toThrow(/MarketType/)
    expect(() => create(MarketType.SPOT, { workers: 0 })).toThrow(/`workers`/)
    expect(() => create(MarketType.SPOT, { cache: true } as never)).toThrow(/`cache`/)
    expect(world.exchange.sandbox.requests).toEqual([])
  })

  test('a ban: told with its end by the system’s clock, remembered whatever the lake, and nothing is sent until then', async () => {
    const open = { ...HOURS, startTime: '2024-03-10T00:00:00Z' }
    {
      await using ckvd = create()
      await ckvd.getData({ ...HOURS, endTime: '2024-03-07T00:00:00Z' })
      world.exchange.sandbox.setFaults([{ kind: 'status', match: '^/spot/', status: 418, retryAfterSeconds: 600 }])
      const error = await refusal(ckvd.getData(open))
      expect(error.code).toBe('CKVD_BANNED')
      const leftMs = Date.parse(String(error.details['until'])) - Date.now()
      expect(leftMs).toBeGreaterThan(570_000)
      expect(leftMs).toBeLessThanOrEqual(600_000)
      expect(error.details).toMatchObject({ market: 'spot', gaps: [{ bars: 12 }] })
    }
    world.exchange.sandbox.clearRequests()
    await using another = create()
    expect((await refusal(another.getData(open))).code).toBe('CKVD_BANNED')
    // what needs no REST goes on
    expect((await another.getData({ ...HOURS, endTime: '2024-03-08T00:00:00Z' })).numRows).toBe(43)
    await using elsewhere = create(MarketType.SPOT, { lake: join(world.temp.path, 'another lake') })
    expect((await refusal(elsewhere.getData(open))).code).toBe('CKVD_BANNED')
    await using without = create(MarketType.SPOT, { lake: join(world.temp.path, 'no lake'), useCache: false })
    expect((await refusal(without.getData(open))).code).toBe('CKVD_BANNED')
    expect(world.exchange.requests('rest')).toEqual([])
  })

  test.each([
    ['the first ones', 5, 6],
    ['one between others', 8, 9],
    ['the last ones', 10, 12],
    ['all of them', 0, 12],
  ])('bars of the open day that contradict themselves are no bars, and no silence either: %s', async (_which, fromHour, toHour) => {
    const behind = new URL(world.exchange.sandbox.urls.spotRest).origin
    const day = Date.parse('2024-03-10T00:00:00Z')
    const isOdd = (openMs: number) => openMs >= day + fromHour * 3_600_000 && openMs < day + toHour * 3_600_000
    await using front = await startHostileFront(world.exchange.sandbox, (path, response) => {
      if (!path.includes('/klines?')) return false
      void fetch(behind + path)
        .then((answer) => answer.json() as Promise<unknown[][]>)
        .then((rows) => {
          // the high is below all other prices
          response.end(JSON.stringify(rows.map((row) => row.map((cell, i) => (i === 2 && isOdd(Number(row[0])) ? '0.00001' : cell)))))
        })
      return true
    })
    for (const source of [DataSource.AUTO, DataSource.REST]) {
      await using ckvd = create(MarketType.SPOT, { sources: front.urls, lake: join(world.temp.path, source) })
      const open = { ...HOURS, startTime: '2024-03-10T05:00:00Z', endTime: '2024-03-10T12:00:00Z', enforceSource: source }
      const error = await refusal(ckvd.getData(open))
      const bars = Math.min(toHour, 12) - Math.max(fromHour, 5)
      expect(error.details['gaps'], source).toMatchObject([{ bars }])
      expect(JSON.stringify(error.details['gaps'])).toContain('contradicts itself')
    }
  })

  test('a rate limit that does not end', async () => {
    world.exchange.sandbox.setFaults([{ kind: 'status', match: '^/spot/', status: 429, retryAfterSeconds: 1000 }])
    await using ckvd = create()
    const error = await refusal(ckvd.getData({ ...HOURS, startTime: '2024-03-10T00:00:00Z' }))
    expect([error.code, error.details['market']]).toEqual(['CKVD_RATE_LIMITED', 'spot'])
  })

  test('sandbox data never enters a lake of the exchange', async () => {
    await (await openLake(world.temp.lake, { mode: 'write', origin: 'binance' })).close()
    await using ckvd = create()
    expect((await refusal(ckvd.getData({ ...HOURS, endTime: '2024-03-07T00:00:00Z' }))).code).toBe('CKVD_ORIGIN')
  })

  test('a closed client refuses; closing stops calls under way', async () => {
    world.exchange.sandbox.setFaults([{ kind: 'stall', match: '\\.zip$', at: 'headers' }])
    const ckvd = create()
    const call = refusal(ckvd.getData(HOURS))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await ckvd.close()
    await ckvd.close()
    expect((await call).code).toBe('CKVD_ABORTED')
    expect((await refusal(ckvd.getData(HOURS))).code).toBe('CKVD_CLOSED')
  })
})

describe('together', () => {
  const week = { ...HOURS, startTime: '2024-03-03T00:00:00Z', endTime: '2024-03-10T00:00:00Z' }

  test('many calls at once share downloads of the same day; an aborted one stops alone', async () => {
    await using ckvd = create()
    const stop = new AbortController()
    const stopped = refusal(ckvd.getData({ ...week, signal: stop.signal }))
    const calls = Array.from({ length: 40 }, (_none, i) =>
      ckvd.getData({
        ...week,
        startTime: `2024-03-0${3 + (i % 5)}T00:00:00Z`,
        ...(i % 2 === 0 ? { columns: ['open_time', 'close'] as const } : {}),
      }),
    )
    stop.abort()
    expect((await stopped).code).toBe('CKVD_ABORTED')
    const tables = await Promise.all(calls)
    tables.forEach((table, i) => expect(table.numRows).toBe((7 - (i % 5)) * 24))
    expect(world.exchange.requests('archive')).toHaveLength(7)
    expect(valuesOf(tables[1] as (typeof tables)[0])['close']).toEqual(
      (await truth({ start: '2024-03-04T00:00:00Z', end: week.endTime }))['close'],
    )
  })

  test('when every call is aborted the downloads stop, and a later call starts anew', async () => {
    world.exchange.sandbox.setFaults([{ kind: 'stall', match: '\\.zip$', at: 'headers', times: 7 }])
    await using ckvd = create()
    const stop = new AbortController()
    const calls = [1, 2, 3].map(() => refusal(ckvd.getData({ ...week, signal: stop.signal })))
    while (world.exchange.requests('archive').length < 7) await new Promise((resolve) => setTimeout(resolve, 5))
    stop.abort()
    for (const call of calls) expect((await call).code).toBe('CKVD_ABORTED')
    expect((await ckvd.getData(week)).numRows).toBe(168)
    expect(world.exchange.requests('archive')).toHaveLength(14)
  })

  test('beside a run that holds the lock: data comes, nothing is stored; afterwards it is', async () => {
    const writer = await openLake(world.temp.lake, { mode: 'write', origin: 'sandbox' })
    await using ckvd = create()
    try {
      expect((await ckvd.getData(week)).numRows).toBe(168)
      expect((await listFiles(world.temp.lake)).filter((path) => path.endsWith('.arrow'))).toEqual([])
    } finally {
      await writer.close()
    }
    await using later = create()
    await later.getData(week)
    expect(await readStoredChunks(world.temp.lake)).toHaveLength(7)
    // and the lock is free when no call is under way
    await (await openLake(world.temp.lake, { mode: 'write', origin: 'sandbox' })).close()
  })
})

describe('the seed’s examples, line by line', () => {
  // one client a line of the original: CKVD_… variables stand for what its users export
  beforeEach(() => {
    process.env['CKVD_LAKE'] = world.temp.lake
    process.env['CKVD_WORKERS'] = '2'
    for (const [key, url] of Object.entries(world.exchange.env)) process.env[key] = url
  })

  test('basic usage: a week of hours up to now', async () => {
    const manager = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT)
    const endTime = new Date(NOW)
    const startTime = new Date(endTime.getTime() - 7 * 86_400_000)
    const df = await manager.getData({ symbol: 'BTCUSDT', startTime, endTime, interval: Interval.HOUR_1 })
    expect(df.numRows).toBe(167)
    await manager.close()
  })

  test('FCP: one call for all sources', async () => {
    await using manager = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT)
    const data = await manager.getData({
      symbol: 'ETHUSDT',
      startTime: new Date('2024-03-09T00:00:00Z'),
      endTime: new Date(NOW),
      interval: Interval.MINUTE_5,
    })
    expect(data.numRows).toBe(288 + 150)
  })

  test('advanced: one source alone, three markets', async () => {
    await using manager = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, { enforceSource: DataSource.VISION })
    const range = { startTime: '2024-03-08T00:00:00Z', endTime: '2024-03-09T00:00:00Z', interval: Interval.HOUR_1, includeSourceInfo: true }
    expect(new Set(sourcesOf(await manager.getData({ symbol: 'BTCUSDT', ...range })))).toEqual(new Set(['VISION']))
    await using spot = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT)
    await using coin = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_COIN)
    expect((await spot.getData({ symbol: 'BTCUSDT', ...range })).numRows).toBe(24)
    expect((await coin.getData({ symbol: 'BTCUSD_PERP', ...range })).numRows).toBe(24)
  })

  test('example 1: fetchMarketData with a date range', async () => {
    const { table, elapsedSeconds, recordsCount } = await fetchMarketData({
      provider: DataProvider.BINANCE,
      marketType: MarketType.SPOT,
      chartType: ChartType.KLINES,
      symbol: 'BTCUSDT',
      interval: Interval.MINUTE_1,
      startTime: new Date('2023-01-01T00:00:00Z'),
      endTime: new Date('2023-01-10T00:00:00Z'),
      useCache: true,
    })
    expect([table.numRows, recordsCount]).toEqual([12_960, 12_960])
    expect(elapsedSeconds).toBeGreaterThan(0)
  })

  test('example 2: fetchMarketData backward from an end time', async () => {
    const { table, recordsCount } = await fetchMarketData({
      provider: DataProvider.BINANCE,
      marketType: MarketType.SPOT,
      chartType: ChartType.KLINES,
      symbol: 'BTCUSDT',
      interval: Interval.MINUTE_1,
      endTime: new Date('2023-05-15T13:45:30Z'),
      days: 7,
      useCache: true,
    })
    // 7 x 1,440: the minute of 13:45 on the first day opens before the range, that of the last one inside it
    expect(recordsCount).toBe(10_080)
    const times = valuesOf(table)['open_time'] as bigint[]
    expect([times[0], times.at(-1)].map((time) => new Date(Number((time as bigint) / 1000n)).toISOString())).toEqual([
      '2023-05-08T13:46:00.000Z',
      '2023-05-15T13:45:00.000Z',
    ])
  })

  test('Polars output: option and environment', async () => {
    await using manager = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT)
    const range = {
      symbol: 'BTCUSDT',
      startTime: '2024-03-08T00:00:00Z',
      endTime: '2024-03-09T00:00:00Z',
      interval: Interval.HOUR_1,
    } as const
    const df = await manager.getData({ ...range, returnPolars: true })
    expect([df.height, df.columns.length]).toEqual([24, 11])
    expect(df.getColumn('close').toArray()).toEqual((await truth({ market: 'um', start: range.startTime, end: range.endTime }))['close'])
    process.env['CKVD_USE_POLARS_OUTPUT'] = 'true'
    await using byEnvironment = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT)
    expect(((await byEnvironment.getData(range)) as unknown as { height: number }).height).toBe(24)
  })
})
