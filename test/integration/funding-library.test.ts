import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FundingWorld, Rate } from '../support/funding-exchange.ts'
import { createFundingWorld, ratesOf, without } from '../support/funding-exchange.ts'
import { gapsOf, library, sourcesOf } from '../support/library.ts'
import { queryCatalog } from '../support/temp-lake.ts'

const { CryptoKlineVisionData, DataProvider, MarketType, ChartType, DataSource } = library

const NOW = '2024-05-10T12:00:00Z'
const PACK = 'data/futures/um/yearly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024.arrow'
const ALL = ratesOf('2024-01-01', '2024-05-10T13:00:00Z')
const inMonth = (rates: readonly Rate[], month: string): Rate[] => rates.filter(({ ms }) => new Date(ms).toISOString().startsWith(month))

async function createWorld(archived: readonly Rate[] = ALL, rest: readonly Rate[] = ALL) {
  process.env['CKVD_NOW'] = NOW
  const world = await createFundingWorld(NOW)
  for (const month of ['2024-02', '2024-03', '2024-04']) await world.publish('BTCUSDT', month, inMonth(archived, month))
  world.rest.rates.set('BTCUSDT', rest)
  await world.relist()
  return world
}

const clientOf = (world: FundingWorld) =>
  CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
    lake: world.lake,
    sources: world.sources,
    workers: 1,
    maxRetries: 0,
  })

const ask = (startTime: string, endTime: string) => ({
  symbol: 'BTCUSDT',
  chartType: ChartType.FUNDING_RATE,
  startTime: `${startTime}Z`,
  endTime: `${endTime}Z`,
  includeSourceInfo: true,
})

describe('funding rates of the library and the lake', () => {
  test('what an ingest has stored is given without a request, and what the library fetched an ingest need not fetch', async () => {
    await using world = await createWorld()
    await world.ingest('--start', '2024-02-01', '--end', '2024-03-01')
    await using ckvd = clientOf(world)
    const before = world.requests()
    const table = await ckvd.getData(ask('2024-02-01T00:00', '2024-03-01T00:00'))
    expect([table.numRows, [...new Set(sourcesOf(table))], gapsOf(table), world.requests() - before]).toEqual([87, ['CACHE'], [], 0])
    const later = await ckvd.getData(ask('2024-02-20T00:00', '2024-05-10T12:00'))
    expect(later.numRows).toBe(ALL.filter(({ ms }) => ms >= Date.parse('2024-02-20') && ms < Date.parse(NOW)).length)
    expect(new Set(sourcesOf(later))).toEqual(new Set(['CACHE', 'VISION', 'REST']))
    await ckvd.close()
    expect(await world.ingest('--start', '2024-02-01')).toMatchObject({ exit: 0, told: { stored: 0, skipped: 99 } })
    expect(queryCatalog(world.lake, 'SELECT condition, count(*) AS days FROM all_days GROUP BY condition ORDER BY condition')).toEqual([
      { condition: 'complete', days: 90 },
      { condition: 'provisional', days: 9 },
    ])
  })

  test('calls at once share one download of a month', async () => {
    await using world = await createWorld()
    await using ckvd = clientOf(world)
    const tables = await Promise.all([1, 2, 3].map(() => ckvd.getData(ask('2024-03-01T00:00', '2024-04-01T00:00'))))
    expect(tables.map(({ numRows }) => numRows)).toEqual([93, 93, 93])
    expect(queryCatalog(world.lake, 'SELECT max(revision) AS revision FROM all_days')).toEqual([{ revision: 1 }])
  })

  test('a rate that no source has is a gap with its witnesses; of one that is cut by the range, what is due in it', async () => {
    const holed = without(ALL, '2024-03-10T08:00Z', '2024-03-10T16:00Z')
    await using world = await createWorld(holed, holed)
    await using ckvd = clientOf(world)
    const at = (text: string): number => Date.parse(text) * 1000
    const gap = { source: 'rest', before_us: at('2024-03-10T00:00Z'), after_us: at('2024-03-11T00:00Z') }
    const whole = await ckvd.getData(ask('2024-03-10T00:00', '2024-03-12T00:00'))
    expect([whole.numRows, gapsOf(whole)]).toMatchObject([4, [{ ...gap, start: at('2024-03-10T08:00Z'), end: at('2024-03-11'), bars: 2 }]])
    // the hours of a rate beside a hole are those that its archive tells
    expect([...(whole.getChild('funding_interval_hours') as Iterable<bigint>)]).toEqual([8n, 8n, 8n, 8n])
    const part = await ckvd.getData(ask('2024-03-10T12:00', '2024-03-10T20:00'))
    expect([part.numRows, gapsOf(part)]).toMatchObject([
      0,
      [{ ...gap, start: at('2024-03-10T12:00Z'), end: at('2024-03-10T20:00Z'), bars: 1 }],
    ])
    const none = await ckvd.getData(ask('2024-03-10T17:00', '2024-03-10T20:00'))
    expect([none.numRows, gapsOf(none)]).toEqual([0, []])
  })

  test('a damaged chunk is fetched again, the others of its pack are given from the lake', async () => {
    await using world = await createWorld()
    const april = ask('2024-04-01T00:00', '2024-05-01T00:00')
    const wanted = inMonth(ALL, '2024-04').map(({ rate }) => Number(rate))
    const ratesOfTable = (table: Awaited<ReturnType<ReturnType<typeof clientOf>['getData']>>): number[] => [
      ...(table.getChild('funding_rate') as Iterable<number>),
    ]
    {
      await using ckvd = clientOf(world)
      expect(ratesOfTable(await ckvd.getData(april))).toEqual(wanted)
    }
    const path = join(world.lake, PACK)
    const bytes = readFileSync(path)
    const value = Buffer.alloc(8)
    value.writeDoubleLE(wanted[40] ?? 0)
    const place = bytes.lastIndexOf(value)
    bytes[place] = (bytes[place] ?? 0) ^ 1
    await writeFile(path, bytes)
    await using ckvd = clientOf(world)
    const again = await ckvd.getData(april)
    expect(ratesOfTable(again)).toEqual(wanted)
    expect(sourcesOf(again).filter((source) => source === 'VISION')).toHaveLength(3)
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { bad: [] } })
  })

  test('with Vision enforced the archive is asked though the lake has its days', async () => {
    await using world = await createWorld()
    await using ckvd = clientOf(world)
    const april = ask('2024-04-01T00:00', '2024-05-01T00:00')
    await ckvd.getData(april)
    expect(new Set(sourcesOf(await ckvd.getData({ ...april, enforceSource: DataSource.VISION })))).toEqual(new Set(['VISION']))
    expect(queryCatalog(world.lake, 'SELECT max(revision) AS revision FROM all_days')).toEqual([{ revision: 1 }])
  })

  test('the rate of this hour is given as soon as REST has it; one that is not there yet is told as not published', async () => {
    await using world = await createWorld(ALL, [...ALL, ...ratesOf('2024-05-10T16:00Z', '2024-05-10T17:00Z')])
    await using ckvd = clientOf(world)
    const table = await ckvd.getData(ask('2024-05-10T00:00', '2024-05-10T12:00'))
    expect([table.numRows, gapsOf(table)]).toEqual([2, []])
    world.rest.rates.set(
      'BTCUSDT',
      ALL.filter(({ ms }) => ms < Date.parse('2024-05-10T07:00Z')),
    )
    const early = await ckvd.getData({ ...ask('2024-05-10T00:00', '2024-05-10T12:00'), useCache: false })
    expect([early.numRows, gapsOf(early)]).toMatchObject([
      1,
      [{ bars: 1, evidence: expect.stringContaining('not published yet') as string }],
    ])
  })
})
