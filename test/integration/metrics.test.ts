import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import type { Table } from 'apache-arrow'
import { describe, expect, test } from 'vitest'
import type { FaultRule, SyntheticMarket } from '../../src/sandbox/index.ts'
import { ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import { startExchange } from '../support/exchange.ts'
import { library } from '../support/library.ts'
import { createTempDirectory, digestTree, listFiles, queryCatalog } from '../support/temp-lake.ts'
import { readFirstEntry } from '../support/zip-builder.ts'

/** REST reaches back to 2026-06-20; USDⓈ-M calls its rows by their start from 2026-06-25 on. */
const NOW = '2026-07-20T12:00:00Z'
const RANGE = ['--start', '2026-06-23', '--end', '2026-06-27']
const MARKETS: readonly SyntheticMarket[] = [
  { market: 'um', symbol: 'BTCUSDT', firstDay: '2026-05-01' },
  { market: 'um', symbol: 'ETHUSDT', firstDay: '2026-05-01', opensAt: '07:00' },
  { market: 'um', symbol: 'GONEUSDT', firstDay: '2026-05-01', lastDay: '2026-05-20', closesAt: '09:00', afterEnd: 'forgotten' },
  { market: 'cm', symbol: 'BTCUSD_PERP', firstDay: '2026-05-01' },
  { market: 'cm', symbol: 'BTCUSD_260925', firstDay: '2026-05-01' },
]
const VALUES = [
  'sum_open_interest',
  'sum_open_interest_value',
  'count_toptrader_long_short_ratio',
  'sum_toptrader_long_short_ratio',
  'count_long_short_ratio',
  'sum_taker_long_short_vol_ratio',
]
const FIVE_MINUTES_US = 300_000_000

async function createWorld(faults: readonly FaultRule[] = [], now = NOW) {
  const temp = await createTempDirectory()
  const exchange = await startExchange(now, { markets: MARKETS, faults })
  const run = (...args: string[]) => runHere([...args, '--lake', temp.lake], { env: exchange.env, cwd: temp.path })
  return {
    ...{ exchange, lake: temp.lake, path: temp.path, run },
    ingest: async (...args: string[]) => ingestResult(await run('ingest', '--data', 'metrics', ...args, '--json', '--quiet')),
    conditions: () =>
      Object.fromEntries(
        queryCatalog<{ symbol: string; day: string; condition: string }>(temp.lake, 'SELECT symbol, day, condition FROM all_days').map(
          ({ symbol, day, condition }) => [`${symbol} ${day}`, condition],
        ),
      ),
    [Symbol.asyncDispose]: async () => {
      await exchange[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}
type World = Awaited<ReturnType<typeof createWorld>>

/** The cells of the data lines of a day's archive, as it is published. */
async function publishedRows({ exchange }: World, market: string, symbol: string, day: string): Promise<string[][]> {
  const answer = await fetch(`${exchange.sandbox.urls.vision}/data/futures/${market}/daily/metrics/${symbol}/${symbol}-metrics-${day}.zip`)
  const lines = readFirstEntry(Buffer.from(await answer.arrayBuffer()))
    .toString()
    .trimEnd()
    .split('\n')
  expect(lines[0]).toBe(`create_time,symbol,${VALUES.join(',')}`)
  return lines.slice(1).map((line) => line.split(','))
}

const usOf = (text: string): number => Date.parse(`${text.replace(' ', 'T').replace(/Z?$/, 'Z')}`) * 1000

/** The rows of a table with the start of their five minutes, numbers, and null where there is no value. */
function rowsOf(table: Table): (number | null)[][] {
  const times = [...(table.getChild('create_time')?.data ?? [])].flatMap(({ values }) => Array.from(values as BigInt64Array, Number))
  return times.map((time, row) => [time, ...VALUES.map((name) => table.getChild(name)?.get(row) as number | null)])
}

describe('the statistics of futures', () => {
  test('each line of an archive is stored, with the start of its five minutes: before and after the switch of labels, and in COIN-M', async () => {
    await using world = await createWorld()
    const um = await world.ingest('BTCUSDT', 'ETHUSDT', '--market', 'um', ...RANGE)
    expect(um).toMatchObject({ exit: 0, series: 2, days: { complete: 8 }, rows: 8 * 288, problems: [] })
    const cm = await world.ingest('BTCUSD_PERP', 'BTCUSD_260925', '--market', 'cm', ...RANGE)
    expect(cm).toMatchObject({ exit: 0, series: 2, days: { complete: 8 }, rows: 8 * 288, problems: [] })
    expect(await listFiles(join(world.lake, 'data'))).toEqual([
      'futures/cm/monthly/metrics/BTCUSD_260925/BTCUSD_260925-metrics-2026-06.arrow',
      'futures/cm/monthly/metrics/BTCUSD_PERP/BTCUSD_PERP-metrics-2026-06.arrow',
      'futures/um/monthly/metrics/BTCUSDT/BTCUSDT-metrics-2026-06.arrow',
      'futures/um/monthly/metrics/ETHUSDT/ETHUSDT-metrics-2026-06.arrow',
    ])
    for (const [market, symbol] of [
      ['um', 'BTCUSDT'],
      ['cm', 'BTCUSD_PERP'],
    ] as const) {
      const file = `data/futures/${market}/monthly/metrics/${symbol}/${symbol}-metrics-2026-06.arrow`
      const table = tableFromIPC(await readFile(join(world.lake, file)))
      expect(table.schema.fields.map(({ name, type, nullable }) => `${name} ${String(type)} ${nullable}`)).toEqual([
        'create_time Timestamp<MICROSECOND, UTC> false',
        ...VALUES.map((name) => `${name} Float64 true`),
      ])
      expect(table.schema.metadata.get('ckvd.dataset')).toBe('metrics')
      const told: (number | null)[][] = []
      for (const day of ['2026-06-23', '2026-06-24', '2026-06-25', '2026-06-26']) {
        const lines = await publishedRows(world, market, symbol, day)
        const isAtEnd = market === 'um' && day < '2026-06-25'
        expect([lines[0]?.[0], lines.at(-1)?.[0]]).toEqual(
          isAtEnd
            ? [`${day} 00:05:00`, `${day === '2026-06-23' ? '2026-06-24' : '2026-06-25'} 00:00:00`]
            : [`${day} 00:00:00`, `${day} 23:55:00`],
        )
        for (const [label = '', name, ...cells] of lines) {
          expect(name).toBe(symbol)
          told.push([usOf(label) - (isAtEnd ? FIVE_MINUTES_US : 0), ...cells.map((cell) => (cell === '""' ? null : Number(cell)))])
        }
      }
      expect(rowsOf(table)).toEqual(told)
      expect(told).toHaveLength(4 * 288)
      expect(told.map(([time]) => time)).toEqual(told.map((_row, i) => usOf('2026-06-23 00:00:00') + i * FIVE_MINUTES_US))
    }
  })

  test('rows in no order and rows that are there twice are the same bytes as those in order; two that differ are told', async () => {
    await using plain = await createWorld()
    await plain.ingest('BTCUSDT', '--market', 'um', ...RANGE)
    await using damaged = await createWorld([
      { kind: 'shuffled-rows', match: 'metrics-2026-06-2[35]' },
      { kind: 'doubled-rows', match: 'metrics-2026-06-2[456]' },
    ])
    expect(await damaged.ingest('BTCUSDT', '--market', 'um', ...RANGE)).toMatchObject({ exit: 0, days: { complete: 4 }, differences: [] })
    const tables = await Promise.all(
      [plain, damaged].map(async ({ lake }) =>
        tableFromIPC(await readFile(join(lake, 'data/futures/um/monthly/metrics/BTCUSDT/BTCUSDT-metrics-2026-06.arrow'))),
      ),
    )
    expect(rowsOf(tables[1] as Table)).toEqual(rowsOf(tables[0] as Table))
    expect(queryCatalog(damaged.lake, 'SELECT duplicates FROM all_days ORDER BY day')).toEqual(
      [0, 288, 288, 288].map((duplicates) => ({ duplicates })),
    )

    await using conflict = await createWorld([{ kind: 'conflicting-rows', match: 'metrics-2026-06-24' }])
    const told = await conflict.ingest('BTCUSDT', '--market', 'um', ...RANGE)
    expect(told.differences).toMatchObject([{ dataset: 'metrics', symbol: 'BTCUSDT', day: '2026-06-24', conflicts: 1 }])
  })

  test('what is missing is asked of REST for 30 days, and unexplainable before: one problem of the series, until a person accepts it', async () => {
    await using world = await createWorld([
      { kind: 'missing-rows', match: 'BTCUSDT-metrics-2026-05-1[012]', line: 10, rows: 20 },
      { kind: 'missing-rows', match: 'BTCUSDT-metrics-2026-07-02', line: 10, rows: 20 },
      { kind: 'outage', market: 'um', symbol: 'BTCUSDT', from: '2026-07-05T03:00:00Z', to: '2026-07-05T05:00:00Z' },
      { kind: 'outage', market: 'um', symbol: 'BTCUSDT', from: '2026-05-20T03:00:00Z', to: '2026-05-20T05:00:00Z' },
      { kind: 'unlisted', market: 'um', symbol: 'BTCUSDT', day: '2026-06-01' },
      { kind: 'late', market: 'um', symbol: 'BTCUSDT', day: '2026-07-19', hours: 48 },
    ])
    const ask = ['BTCUSDT', 'GONEUSDT', '--market', 'um'] as const
    const first = await world.ingest(...ask)
    // a contract that is gone has ended with its last row, though nobody can be asked for what came behind
    expect(first).toMatchObject({ exit: 3, days: { complete: 93, provisional: 1, outage: 1, unexplainable: 5, unlisted: 60 } })
    expect(first.problems).toMatchObject([{ dataset: 'metrics', symbol: 'BTCUSDT', day: null, days: 5, condition: 'unexplainable' }])
    expect(first.problems[0]?.message).toMatch(
      /^5 days \(2026-05-10\.\.2026-05-12, 2026-05-20, 2026-06-01\), .* 20 of 288 .* no source can be asked/,
    )
    expect(world.conditions()).toMatchObject({
      'BTCUSDT 2026-05-10': 'unexplainable',
      'BTCUSDT 2026-05-20': 'unexplainable',
      'BTCUSDT 2026-06-01': 'unexplainable',
      'BTCUSDT 2026-07-02': 'complete',
      'BTCUSDT 2026-07-05': 'outage',
      'BTCUSDT 2026-07-19': 'provisional',
    })
    const source = `SELECT source, rows FROM all_days WHERE symbol = 'BTCUSDT' AND day = '2026-07-02'`
    expect(queryCatalog(world.lake, source)).toEqual([{ source: 'vision-daily+rest', rows: 288 }])
    const rest = world.exchange.sandbox.requests.filter(({ path }) => path.includes('/futures/data/'))
    expect(new Set(rest.map(({ path }) => /data\/(\w+)/.exec(path)?.[1]))).toEqual(
      new Set([
        'openInterestHist',
        'topLongShortAccountRatio',
        'topLongShortPositionRatio',
        'globalLongShortAccountRatio',
        'takerlongshortRatio',
      ]),
    )
    expect(rest.every(({ status }) => status === 200)).toBe(true)

    // nothing is downloaded, written or told anew
    world.exchange.sandbox.clearRequests()
    const before = await digestTree(join(world.lake, 'data'))
    expect(await world.ingest(...ask)).toMatchObject({
      exit: 3,
      stored: 0,
      requests: { archive: 0, checksum: 0 },
      problems: first.problems,
    })
    expect(await digestTree(join(world.lake, 'data'))).toEqual(before)

    const accept = (...more: string[]) => world.run('coverage', ...more, '--reason', 'never published', '--json')
    expect(jsonOf(await accept('--accept', 'um/metrics/BTCUSDT/2026-05-10..2026-05-12'))).toMatchObject({
      accepted: [{ dataset: 'metrics', symbol: 'BTCUSDT', days: 2, first: '2026-05-10', last: '2026-05-11' }],
    })
    expect((await world.run('coverage')).exit).toBe(3)
    expect(jsonOf(await accept('--market', 'um', '--condition', 'unexplainable'))).toMatchObject({
      accepted: [{ symbol: 'BTCUSDT', days: 3, first: '2026-05-12', last: '2026-06-01' }],
    })
    expect(await accept('--accept', 'um/metrics/BTCUSDT')).toMatchObject({ exit: 2 })
    expect(await accept('--condition', 'complete')).toMatchObject({ exit: 2 })
    expect(await world.run('coverage', '--accept', 'um/metrics/BTCUSDT')).toMatchObject({ exit: 2 })
    expect((await world.run('coverage')).exit).toBe(0)
    expect(await world.ingest(...ask)).toMatchObject({ exit: 0, stored: 0, problems: [] })
  })

  test('a hole that REST could have told and was off for is partial, and is mended while REST still has it', async () => {
    await using world = await createWorld([{ kind: 'missing-rows', match: 'BTCUSDT-metrics-2026-06-24', line: 10, rows: 20 }])
    const ask = ['BTCUSDT', '--market', 'um', ...RANGE] as const
    const off = await world.ingest(...ask, '--no-rest')
    expect(off).toMatchObject({ exit: 3, days: { complete: 3, partial: 1 } })
    expect(await world.ingest(...ask)).toMatchObject({ exit: 0, days: { complete: 4 }, stored: 1 })
  })

  test.each([
    ['another symbol', '2026-06-24 00:10:00,ETHUSDT,1,2,3,4,5,6', 'CKVD_CSV_SYMBOL', /found "ETHUSDT" .*line 3, column 2/],
    ['a label of another day', '2026-06-24 00:00:00,BTCUSDT,1,2,3,4,5,6', 'CKVD_CSV_TIME', /the end of a slot .*line 3, column 1/],
    ['a time in milliseconds', '1782259800000,BTCUSDT,1,2,3,4,5,6', 'CKVD_CSV_TIME', /line 3, column 1/],
    ['open interest below 0', '2026-06-24 00:10:00,BTCUSDT,-1,2,3,4,5,6', 'CKVD_CSV_NUMBER', /line 3, column 3/],
    ['a cell too few', '2026-06-24 00:10:00,BTCUSDT,1,2,3,4,5', 'CKVD_CSV_COLUMNS', /line 3/],
  ])('a line with %s is refused with its place, and REST gives the day', async (_name, text, code, message) => {
    const faults: FaultRule[] = [{ kind: 'corrupt-line', match: 'BTCUSDT-metrics-2026-06-24', line: 3, text }]
    await using world = await createWorld(faults)
    const ask = ['BTCUSDT', '--market', 'um', ...RANGE] as const
    const off = await world.ingest(...ask, '--no-rest')
    expect(off).toMatchObject({ exit: 3, days: { complete: 3, quarantined: 1 }, problems: [{ day: '2026-06-24', code }] })
    expect(off.problems[0]?.message).toMatch(message)
    expect(await world.ingest(...ask, '--retry-failed')).toMatchObject({ exit: 0, days: { complete: 3, provisional: 1 } })
  })

  test('cells that are empty are no values, in the lake and behind it', async () => {
    const text = '2026-06-24 00:10:00,BTCUSDT,12.5,"",,"",1.5,'
    await using world = await createWorld([{ kind: 'corrupt-line', match: 'BTCUSDT-metrics-2026-06-24', line: 3, text }])
    expect(await world.ingest('BTCUSDT', '--market', 'um', ...RANGE)).toMatchObject({ exit: 0, days: { complete: 4 } })
    const range = ['--start', '2026-06-24T00:05:00Z', '--end', '2026-06-24T00:10:00Z']
    const shown = await world.run('fetch', 'BTCUSDT', '--market', 'um', '--data', 'metrics', ...range, '--format', 'csv')
    expect(shown).toMatchObject({ exit: 0 })
    expect(shown.stdout.split('\n')[1]).toBe('2026-06-24T00:05:00.000000Z,12.5,,,,1.5,,CACHE')
    const out = join(world.path, 'out')
    expect(await world.run('export', '--data', 'metrics', '--format', 'csv', '--out', out)).toMatchObject({ exit: 0 })
    const [file = ''] = (await listFiles(out)).filter((name) => name.includes('BTCUSDT-metrics'))
    expect(await readFile(join(out, file), 'utf8')).toContain('\n2026-06-24T00:05:00.000000Z,12.5,,,,1.5,\n')
    expect(await world.run('export', '--data', 'metrics', '--out', join(world.path, 'parquet'))).toMatchObject({ exit: 0 })
    const sql = 'SELECT count(*) AS rows, count(sum_open_interest_value) AS told FROM um_metrics'
    const asked = await world.run('query', sql, '--from', join(world.path, 'parquet'), '--format', 'csv')
    expect(asked).toMatchObject({ exit: 0, stdout: 'rows,told\n1152,1151\n' })
  })

  test('sync goes on, verify finds nothing wrong, and the catalog is rebuilt from the shards alone', async () => {
    await using world = await createWorld([{ kind: 'missing-rows', match: 'BTCUSDT-metrics-2026-05-31', line: 10, rows: 20 }])
    await world.ingest('BTCUSDT', '--market', 'um', '--start', '2026-05-30', '--end', '2026-06-03')
    expect(ingestResult(await world.run('sync', '--data', 'metrics', '--json', '--quiet'))).toMatchObject({ days: { unexplainable: 1 } })
    expect(await world.run('verify')).toMatchObject({ exit: 0 })
    const facts = 'SELECT day, rows, expected, archive_key, shard_sha256 FROM all_days ORDER BY day'
    const known = queryCatalog(world.lake, facts)
    expect(known).toHaveLength(51)
    await rm(join(world.lake, 'catalog.sqlite'))
    // what a shard lacks stays unexplained, whoever could be asked
    expect(jsonOf(await world.run('verify', '--json'))).toMatchObject({ exit: 0, adopted: 51, bad: [], foreign: [] })
    expect(queryCatalog(world.lake, facts)).toEqual(known)
    expect((await world.ingest('BTCUSDT', '--market', 'um', '--start', '2026-05-30')).days).toMatchObject({
      complete: 50,
      unexplainable: 1,
    })
  })

  test('availability lists them, the library gives them as a table, from Vision, REST and the lake; what is made of bars refuses them', async () => {
    await using world = await createWorld()
    const variables = process.env
    process.env = { ...variables, CKVD_NOW: NOW, CKVD_STATE: join(world.path, 'state') }
    const { CryptoKlineVisionData, DataProvider, MarketType } = library
    const { lake } = world
    const config = { lake, sources: world.exchange.sandbox.urls, workers: 1 }
    const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, config)
    try {
      const ask = { symbol: 'BTCUSDT', dataset: 'metrics', startTime: '2026-07-19T00:00:00Z', endTime: '2026-07-20T06:00:00Z' }
      for (const sources of [
        ['VISION', 'REST'],
        ['CACHE', 'REST'],
      ]) {
        const table = await ckvd.getData({ ...ask, includeSourceInfo: true })
        expect(table.numRows).toBe(288 + 72)
        expect([...new Set(table.getChild('_data_source')?.toArray() as string[])]).toEqual(sources)
        expect(table.schema.metadata.get('ckvd.dataset')).toBe('metrics')
      }
      await expect(ckvd.getData({ ...ask, interval: '1h' })).rejects.toThrow(/interval or dataset metrics/)
      await expect(ckvd.getColumns(ask)).rejects.toThrow(/a data set of bars/)
    } finally {
      process.env = variables
      await ckvd.close()
    }
    const listed = await world.run('availability', '--data', 'metrics', '--market', 'cm', '--json', '--out', join(world.path, 'reports'))
    expect(listed).toMatchObject({ exit: 0 })
    expect(listed.stdout).toContain('BTCUSD_260925')
    for (const args of [
      ['chart', 'BTCUSDT', '--market', 'um', '--data', 'metrics'],
      ['fetch', 'BTCUSDT', '--data', 'metrics'],
    ])
      expect(await world.run(...args)).toMatchObject({ exit: 2, stdout: '', stderr: expect.stringContaining('metrics') as string })
  })
})
