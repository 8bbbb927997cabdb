import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { tableFromIPC } from 'apache-arrow'
import { describe, expect, test } from 'vitest'
import type { FaultRule, SyntheticMarket } from '../../src/sandbox/index.ts'
import { ingestResult, jsonOf, runHere, startCkvd } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { library } from '../support/library.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog, waitUntil } from '../support/temp-lake.ts'
import { readFirstEntry } from '../support/zip-builder.ts'

const NOW = '2024-03-20T12:00:00Z'
const RANGE = ['--start', '2024-03-11', '--end', '2024-03-14']
const DATA = ['markPriceKlines', 'indexPriceKlines', 'premiumIndexKlines']
const MARKETS: readonly SyntheticMarket[] = [
  { market: 'um', symbol: 'BTCUSDT', firstDay: '2024-02-01' },
  { market: 'um', symbol: 'DOGEUSDT', firstDay: '2024-02-01' },
  { market: 'cm', symbol: 'BTCUSD_PERP', firstDay: '2024-02-01' },
  { market: 'cm', symbol: 'BTCUSD_240628', firstDay: '2024-02-01' },
]
/** A series' folder in bucket and lake, and how its files begin. */
const SERIES = [
  ...DATA.map((dataset) => ({ market: 'um', dataset, symbol: 'BTCUSDT' })),
  { market: 'cm', dataset: 'markPriceKlines', symbol: 'BTCUSD_PERP' },
  { market: 'cm', dataset: 'indexPriceKlines', symbol: 'BTCUSD' },
  { market: 'cm', dataset: 'premiumIndexKlines', symbol: 'BTCUSD_PERP' },
]
const pathOf = ({ market, dataset, symbol }: (typeof SERIES)[number], day: string) =>
  `data/futures/${market}/daily/${dataset}/${symbol}/1m/${symbol}-1m-${day}`

async function createWorld(faults: readonly FaultRule[] = []) {
  const temp = await createTempDirectory()
  const exchange = await startExchange(NOW, { markets: MARKETS, faults })
  const run = (...args: string[]) => runHere([...args, '--lake', temp.lake], { env: exchange.env, cwd: temp.path })
  return {
    ...{ exchange, lake: temp.lake, path: temp.path, run },
    ingest: async (...args: string[]) => ingestResult(await run('ingest', ...args, ...RANGE, '--json', '--quiet')),
    [Symbol.asyncDispose]: async () => {
      await exchange[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}

/** The data lines of an archive as it is published. */
async function publishedRows({ sandbox }: TestExchange, path: string): Promise<string[][]> {
  const answer = await fetch(`${sandbox.urls.vision}/${path}.zip`)
  const text = readFirstEntry(Buffer.from(await answer.arrayBuffer())).toString()
  const lines = text.trimEnd().split('\n')
  return lines.filter((line) => /^\d/.test(line)).map((line) => line.split(','))
}

const numbers = (table: Table, name: string): number[] =>
  Array.from(table.getChild(name)?.data[0]?.values as Iterable<number | bigint>, Number)

describe('klines of mark price, index and premium', () => {
  test('of um and cm are stored whole: each row has the values of its line, and volumes are 0', async () => {
    await using world = await createWorld()
    expect(await world.ingest('BTCUSDT', '--market', 'um', '--data', DATA.join(','))).toMatchObject({ exit: 0, days: { complete: 9 } })
    expect(await world.ingest('BTCUSD_PERP', '--market', 'cm', '--data', DATA.join(','))).toMatchObject({ exit: 0, days: { complete: 9 } })
    for (const series of SERIES) {
      const path = pathOf(series, '2024-03-12')
      const rows = await publishedRows(world.exchange, path)
      expect(rows).toHaveLength(1440)
      const table = tableFromIPC(await readFile(join(world.lake, `${path}.arrow`)))
      expect(table.schema.metadata.get('ckvd.dataset')).toBe(series.dataset)
      const cells = (index: number, scale = 1): number[] => rows.map((row) => Number(row[index]) * scale)
      expect(numbers(table, 'open_time')).toEqual(cells(0, 1000))
      for (const [index, name] of [
        [1, 'open'],
        [2, 'high'],
        [3, 'low'],
        [4, 'close'],
        [8, 'count'],
      ] as const)
        expect(numbers(table, name), name).toEqual(cells(index))
      expect(numbers(table, 'close_time')).toEqual(cells(6, 1000))
      for (const name of ['volume', 'quote_asset_volume', 'taker_buy_volume', 'taker_buy_quote_volume'])
        expect(new Set(numbers(table, name)), name).toEqual(new Set([0]))
    }
    const days = "SELECT dataset, count(*) AS days FROM all_days WHERE condition = 'complete' GROUP BY dataset ORDER BY dataset"
    const known = queryCatalog(world.lake, days)
    expect(known).toEqual([...DATA].sort().map((dataset) => ({ dataset, days: 6 })))
    await rm(join(world.lake, 'catalog.sqlite'))
    expect(jsonOf(await world.run('verify', '--json'))).toMatchObject({ exit: 0, shards: 18, adopted: 18, bad: [], foreign: [] })
    expect(queryCatalog(world.lake, days)).toEqual(known)
  })

  test('premiums have signs: below 0 is no oddity of theirs, and one that contradicts itself is', async () => {
    const line = `${Date.parse('2024-03-12T00:01Z')},-0.00010000,-0.00020000,-0.00030000,-0.00010000,0,${Date.parse('2024-03-12T00:02Z') - 1},0,60,0,0,0`
    const match = 'um/daily/premiumIndexKlines/.*2024-03-12\\.zip$'
    await using world = await createWorld([{ kind: 'corrupt-line', match, line: 3, text: line }])
    const result = await world.ingest('DOGEUSDT', '--market', 'um', '--data', 'premiumIndexKlines')
    const table = tableFromIPC(
      await readFile(
        join(world.lake, `${pathOf({ market: 'um', dataset: 'premiumIndexKlines', symbol: 'DOGEUSDT' }, '2024-03-11')}.arrow`),
      ),
    )
    const lows = numbers(table, 'low')
    expect(lows.filter((low) => low < 0).length).toBeGreaterThan(0)
    expect(lows.filter((low) => low > 0).length).toBeGreaterThan(0)
    expect(queryCatalog(world.lake, "SELECT odd_rows FROM all_days WHERE day = '2024-03-11'")).toEqual([{ odd_rows: 0 }])
    // the row that a second source has otherwise gives way to it, or the day is told
    expect(result.days.complete + result.days.disputed).toBe(3)
    expect(JSON.stringify([result.problems, result.differences])).toContain('2024-03-12')
  })

  test('index of COIN-M is by pair: a contract is refused with its pair, and of several data sets it stands for it', async () => {
    await using world = await createWorld()
    const wrong = await world.run('ingest', 'BTCUSD_PERP', '--market', 'cm', '--data', 'indexPriceKlines', ...RANGE)
    expect(wrong).toMatchObject({ exit: 2, stderr: expect.stringContaining('got BTCUSD_PERP. Did you mean BTCUSD?') as string })
    expect(await world.ingest('BTC/USD', '--market', 'cm', '--data', 'indexPriceKlines')).toMatchObject({ exit: 0, series: 1, stored: 3 })
    const all = await world.ingest('BTCUSD_PERP', 'BTCUSD_240628', '--market', 'cm', '--data', 'klines,indexPriceKlines')
    expect(all).toMatchObject({ exit: 0, series: 3, stored: 6, skipped: 3 })
    const fetched = await world.run('fetch', 'BTCUSD_PERP', '--market', 'cm', '--data', 'indexPriceKlines', '--days', '1')
    expect(fetched).toMatchObject({ exit: 2, stderr: expect.stringContaining('Did you mean BTCUSD?') as string })
    const spot = await world.run('ingest', 'BTCUSDT', '--data', 'markPriceKlines', ...RANGE)
    expect(spot).toMatchObject({ exit: 2, stderr: expect.stringContaining('markPriceKlines: um, cm') as string })
  })

  test('what archives lack comes from REST; what both lack is an outage with its witnesses; the last days are provisional', async () => {
    const at = { market: 'um', symbol: 'BTCUSDT' } as const
    await using world = await createWorld([
      { kind: 'outage', ...at, from: '2024-03-11T03:40:00Z', to: '2024-03-11T04:00:00Z' },
      { kind: 'outage', ...at, from: '2024-03-12T05:00:00Z', to: '2024-03-12T06:00:00Z', rest: false },
      { kind: 'unlisted', ...at, day: '2024-03-13' },
    ])
    const result = await world.ingest('BTCUSDT', '--market', 'um', '--data', DATA.join(','))
    expect(result).toMatchObject({ exit: 0, days: { outage: 3, complete: 3, provisional: 3 }, problems: [] })
    const us = (text: string): number => Date.parse(text) * 1000
    const gaps = queryCatalog<{ evidence: string }>(world.lake, 'SELECT dataset, start_us, bars, evidence FROM all_gaps ORDER BY dataset')
    expect(gaps.map(({ evidence, ...gap }) => ({ ...gap, evidence: JSON.parse(evidence) as unknown }))).toEqual(
      [...DATA].sort().map((dataset) => ({
        ...{ dataset, start_us: us('2024-03-11T03:40Z'), bars: 20 },
        evidence: { source: 'rest', before_us: us('2024-03-11T03:39Z'), after_us: us('2024-03-11T04:00Z') },
      })),
    )
    const asked = world.exchange.requests('rest', /indexPriceKlines/).map(({ path }) => path)
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.every((path) => path.includes('pair=BTCUSDT') && !path.includes('symbol='))).toBe(true)
    // the bars that REST gave are those that the archive would have had
    const table = tableFromIPC(
      await readFile(join(world.lake, `${pathOf({ market: 'um', dataset: 'premiumIndexKlines', symbol: 'BTCUSDT' }, '2024-03-12')}.arrow`)),
    )
    world.exchange.sandbox.setFaults([])
    const rows = await publishedRows(
      world.exchange,
      pathOf({ market: 'um', dataset: 'premiumIndexKlines', symbol: 'BTCUSDT' }, '2024-03-12'),
    )
    expect(numbers(table, 'low')).toEqual(rows.map((row) => Number(row[3])))
  })

  test.each<[string, FaultRule, object]>([
    ['a wrong CHECKSUM', { kind: 'wrong-checksum', match: 'premiumIndexKlines/.*2024-03-12\\.zip\\.CHECKSUM$' }, { complete: 3 }],
    [
      'a line that is none',
      { kind: 'corrupt-line', match: 'premiumIndexKlines/.*2024-03-12\\.zip$', line: 9, text: 'oops' },
      { complete: 2, provisional: 1 },
    ],
    ['a damaged ZIP', { kind: 'corrupt-zip', match: 'premiumIndexKlines/.*2024-03-12\\.zip$' }, { complete: 2, provisional: 1 }],
  ])('%s ends in its condition, without REST in another', async (_name, fault, days) => {
    await using world = await createWorld([fault])
    const ask = ['BTCUSDT', '--market', 'um', '--data', 'premiumIndexKlines', '--archives', 'daily']
    expect(await world.ingest(...ask, '--no-rest')).toMatchObject({
      ...{ exit: 3, days: { complete: 2, quarantined: 1 } },
      problems: [{ dataset: 'premiumIndexKlines', day: '2024-03-12', condition: 'quarantined' }],
    })
    expect(await world.ingest(...ask, '--retry-failed')).toMatchObject({ problems: [] })
    await using other = await createWorld([fault])
    expect(await other.ingest(...ask)).toMatchObject({ exit: 0, days, problems: [] })
  })

  test('killed in the middle, the same command ends with the same bytes', async () => {
    await using whole = await createWorld()
    const args = ['BTCUSDT', '--market', 'um', '--data', DATA.join(',')]
    await whole.ingest(...args)
    // one archive does not end, so that the run cannot either
    await using world = await createWorld([{ kind: 'stall', match: 'premiumIndexKlines/.*2024-03-12\\.zip$', at: 'body' }])
    const command = ['ingest', ...args, ...RANGE, '--lake', world.lake, '--workers', '1']
    const running = startCkvd(command, { env: world.exchange.env })
    await waitUntil('a shard', async () => (await listFiles(join(world.lake, 'data'))).length > 0)
    running.kill('SIGKILL')
    expect((await running.ended).exit).toBeNull()
    world.exchange.sandbox.setFaults([])
    expect(await world.ingest(...args)).toMatchObject({ exit: 0, problems: [] })
    expect(await digestTree(join(world.lake, 'data'))).toEqual(await digestTree(join(whole.lake, 'data')))
  })

  test('the sandbox has them consistent with its klines: the index is the price, the mark the index with the premium', async () => {
    await using world = await createWorld()
    const ofDay = (dataset: string, interval: string) => fetchBars(world.exchange, dataset, interval)
    const [traded, mark, index, premium] = await Promise.all(['klines', ...DATA].map((dataset) => ofDay(dataset, '1m')))
    traded?.forEach(([, , high], i) => {
      expect(Number(index?.[i]?.[2])).toBe(Number(high))
      expect(Number(mark?.[i]?.[2])).toBeCloseTo(Number(high) * (1 + Number(premium?.[i]?.[2])), 2)
    })
    for (const dataset of DATA) {
      const [minutes, hours] = await Promise.all([ofDay(dataset, '1m'), ofDay(dataset, '1h')])
      const highs = hours.map((_hour, hour) => Math.max(...minutes.slice(hour * 60, hour * 60 + 60).map((row) => Number(row[2]))))
      expect(
        hours.map((row) => Number(row[2])),
        dataset,
      ).toEqual(highs)
    }
  })

  test('the library and the commands read them: getData, getColumns, fetch, chart, export and query', async () => {
    await using world = await createWorld()
    await world.ingest('BTCUSDT', '--market', 'um', '--data', 'klines,markPriceKlines,premiumIndexKlines,fundingRate')
    const { CryptoKlineVisionData, DataProvider, MarketType } = library
    const { vision, listing, spotRest, umRest, cmRest } = world.exchange.sandbox.urls
    await using client = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
      lake: world.lake,
      sources: { vision, listing, spotRest, umRest, cmRest },
    })
    const range = { symbol: 'BTCUSDT', startTime: '2024-03-12T00:00:00Z', endTime: '2024-03-13T00:00:00Z' }
    const table = await client.getData({ ...range, dataset: 'premiumIndexKlines', columns: ['open_time', 'close'] })
    const rows = await publishedRows(
      world.exchange,
      pathOf({ market: 'um', dataset: 'premiumIndexKlines', symbol: 'BTCUSDT' }, '2024-03-12'),
    )
    expect(numbers(table, 'close')).toEqual(rows.map((row) => Number(row[4])))
    expect(table.schema.metadata.get('ckvd.dataset')).toBe('premiumIndexKlines')
    const { columns } = await client.getColumns({ ...range, dataset: 'markPriceKlines', columns: ['high'] })
    const marks = await publishedRows(world.exchange, pathOf({ market: 'um', dataset: 'markPriceKlines', symbol: 'BTCUSDT' }, '2024-03-12'))
    expect([...columns.high]).toEqual(marks.map((row) => Number(row[2])))
    const funding = await client.getData({ ...range, dataset: 'fundingRate' })
    expect(funding.numRows).toBe(3)
    await expect(client.getColumns({ ...range, dataset: 'fundingRate' })).rejects.toMatchObject({ code: 'CKVD_USAGE' })
    await expect(client.getData({ ...range, dataset: 'premiumIndex' })).rejects.toMatchObject({
      details: { suggestions: ['premiumIndexKlines'] },
    })

    const days = ['--start', '2024-03-12', '--end', '2024-03-13']
    const fetched = await world.run('fetch', 'BTCUSDT', '--market', 'um', '--data', 'premiumIndexKlines', ...days, '--format', 'csv')
    expect(fetched.exit).toBe(0)
    expect(fetched.stdout.split('\n')[1]?.split(',')[1]).toBe(String(Number(rows[0]?.[1])))
    const chart = await world.run('chart', 'BTCUSDT', '--market', 'um', '--data', 'premiumIndexKlines', ...days)
    expect(chart.stdout).toContain('BTCUSDT-premiumIndexKlines-1m.html')
    expect(await readFile(join(world.path, 'BTCUSDT-premiumIndexKlines-1m.html'), 'utf8')).toContain('um BTCUSDT premiumIndexKlines 1m')
    expect(await world.run('chart', 'BTCUSDT', '--market', 'um', '--data', 'fundingRate', ...days)).toMatchObject({ exit: 2 })

    const out = join(world.path, 'export')
    const exported = jsonOf(await world.run('export', '--out', out, '--data', 'all', ...RANGE, '--json'))
    expect(exported).toMatchObject({ exit: 0, series: 4 })
    const query = async (sql: string, ...more: string[]) => await world.run('query', sql, '--from', out, '--json', ...more)
    const sql = 'SELECT count(*)::INTEGER AS n, min(low) AS low FROM um_premiumIndexKlines_1m'
    expect(jsonOf(await query(sql))).toMatchObject({ data: [{ n: 3 * 1440 }] })
    const sets = await query('SELECT dataset, count(*)::INTEGER AS days FROM coverage GROUP BY dataset ORDER BY dataset')
    expect(jsonOf(sets)).toMatchObject({
      data: [
        { dataset: 'fundingRate', days: 3 },
        { dataset: 'klines', days: 3 },
        { dataset: 'markPriceKlines', days: 3 },
        { dataset: 'premiumIndexKlines', days: 3 },
      ],
    })
    expect(await query(sql, '--data', 'klines')).toMatchObject({ exit: 2 })
    expect(await query(sql, '--data', 'indexPriceKlines')).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('indexPriceKlines') as string,
    })
  })

  test('availability lists each of them, and the report is a universe', async () => {
    await using world = await createWorld()
    const out = join(world.path, 'reports')
    const told = jsonOf(await world.run('availability', '--data', DATA.join(','), '--out', out, '--json'))
    expect(told).toMatchObject({ exit: 0, files: DATA.map((dataset) => join(out, `${dataset}_earliest_dates.csv`)) })
    const universe = join(out, 'indexPriceKlines_earliest_dates.csv')
    expect(await readFile(universe, 'utf8')).toContain('cm,BTCUSD,2024-02-01,')
    expect(await world.ingest('--universe', universe)).toMatchObject({ exit: 0, series: 3, days: { complete: 9 } })
  })
})

/** The bars of a day of um BTCUSDT, as REST tells them. */
async function fetchBars({ sandbox }: TestExchange, dataset: string, interval: string): Promise<(string | number)[][]> {
  const name = dataset === 'indexPriceKlines' ? 'pair' : 'symbol'
  const start = Date.parse('2024-03-12')
  const query = `${name}=BTCUSDT&interval=${interval}&startTime=${start}&endTime=${start + 86_399_999}&limit=1500`
  const answer = await fetch(`${sandbox.urls.umRest}/fapi/v1/${dataset}?${query}`)
  return (await answer.json()) as (string | number)[][]
}
