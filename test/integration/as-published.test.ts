import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FaultRule, SyntheticMarket } from '../../src/sandbox/index.ts'
import { ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import { startExchange } from '../support/exchange.ts'
import { library } from '../support/library.ts'
import { createTempDirectory, digestTree, queryCatalog } from '../support/temp-lake.ts'
import { readFirstEntry } from '../support/zip-builder.ts'

/** Data sets of which nobody can be asked what is missing: order books and liquidations of futures. */
const MARKETS: readonly SyntheticMarket[] = [
  { market: 'um', symbol: 'BTCUSDT', firstDay: '2024-03-01' },
  { market: 'cm', symbol: 'BTCUSD_PERP', firstDay: '2024-03-01' },
]
const RANGE = ['--start', '2024-03-05', '--end', '2024-03-07']
const SETS = [
  ['bookDepth', 'um', 'BTCUSDT'],
  ['bookDepth', 'cm', 'BTCUSD_PERP'],
  ['bookTicker', 'um', 'BTCUSDT'],
  ['liquidationSnapshot', 'cm', 'BTCUSD_PERP'],
] as const

async function createWorld(faults: readonly FaultRule[] = [], now = '2024-06-01T12:00:00Z') {
  const temp = await createTempDirectory()
  const exchange = await startExchange(now, { markets: MARKETS, faults })
  const run = (...args: string[]) => runHere([...args, '--lake', temp.lake], { env: exchange.env, cwd: temp.path })
  return {
    ...{ exchange, lake: temp.lake, path: temp.path, run },
    ingest: async (...args: string[]) => ingestResult(await run('ingest', ...args, '--json', '--quiet')),
    days: () =>
      queryCatalog<{ day: string; condition: string; evidence: string | null; duplicates: number }>(
        temp.lake,
        'SELECT day, condition, evidence, duplicates FROM all_days ORDER BY dataset, day',
      ),
    /** what of a series is in the lake, as CSV */
    read: async (dataset: string, market: string, symbol: string, range = RANGE) =>
      (await run('fetch', symbol, '--market', market, '--data', dataset, ...range, '--source', 'cache', '--format', 'csv')).stdout,
    [Symbol.asyncDispose]: async () => {
      await exchange[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}
type World = Awaited<ReturnType<typeof createWorld>>

/** The lines of a day's archive, as it is published, the header first. */
async function publishedLines({ exchange }: World, market: string, dataset: string, symbol: string, day: string): Promise<string[]> {
  const key = `data/futures/${market}/daily/${dataset}/${symbol}/${symbol}-${dataset}-${day}.zip`
  const answer = await fetch(`${exchange.sandbox.urls.vision}/${key}`)
  return readFirstEntry(Buffer.from(await answer.arrayBuffer()))
    .toString()
    .trimEnd()
    .split('\n')
}

/** A cell as both sides write it: a number, a time in milliseconds, a word. */
function plain(cell: string): number | string {
  if (/^\d{4}-\d\d-\d\d[ T]/.test(cell)) return Date.parse(cell.replace(' ', 'T').replace(/Z?$/, 'Z'))
  return /^[A-Z]/.test(cell) ? cell : Number(cell)
}

/** The rows of a series, as the library gives them from the lake. */
async function askLibrary({ exchange, path, lake }: World, dataset: string, market: string, symbol: string) {
  const variables = process.env
  process.env = { ...variables, CKVD_NOW: '2024-06-01T12:00:00Z', CKVD_STATE: join(path, 'state') }
  const { CryptoKlineVisionData, DataProvider, MarketType } = library
  const kind = market === 'um' ? MarketType.FUTURES_USDT : MarketType.FUTURES_COIN
  const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, kind, { lake, sources: exchange.sandbox.urls, workers: 1 })
  try {
    return await ckvd.getData({ dataset, symbol, startTime: '2024-03-05T00:00:00Z', endTime: '2024-03-07T00:00:00Z' })
  } finally {
    process.env = variables
    await ckvd.close()
  }
}

const cellsOf = (line: string): (number | string)[] => line.split(',').map(plain)

describe('what is as published', () => {
  test.each(SETS)(
    '%s of %s: each line of the archives is stored once, for who reads the lake and who asks the library',
    async (dataset, market, symbol) => {
      await using world = await createWorld()
      const told = await world.ingest(symbol, '--market', market, '--data', dataset, ...RANGE)
      expect(told).toMatchObject({ exit: 0, series: 1, days: { complete: 2 }, problems: [] })
      expect(world.days()).toMatchObject([{ evidence: 'as-published' }, { evidence: 'as-published' }])
      const published: (number | string)[][] = []
      let header = ''
      for (const day of ['2024-03-05', '2024-03-06']) {
        const [head = '', ...lines] = await publishedLines(world, market, dataset, symbol, day)
        header = head
        // liquidations are published twice
        if (dataset === 'liquidationSnapshot') expect(new Set(lines).size * 2).toBe(lines.length)
        published.push(...[...new Set(lines)].map(cellsOf))
      }
      const [head = '', ...lines] = (await world.read(dataset, market, symbol)).trimEnd().split('\n')
      expect(head).toBe(`${header},_data_source`)
      const read = lines.map((line) => cellsOf(line).slice(0, -1))
      expect(published.length).toBeGreaterThan(90)
      if (dataset === 'liquidationSnapshot') {
        const sorted = (rows: (number | string)[][]) => rows.map((row) => row.join()).sort()
        expect(sorted(read)).toEqual(sorted(published))
      } else expect(read).toEqual(published)

      const table = await askLibrary(world, dataset, market, symbol)
      expect(table.numRows).toBe(published.length)
      expect(table.schema.fields.map(({ name }) => name).join(',')).toBe(header)
      const first = table.get(0)?.toJSON() as Record<string, unknown>
      expect(Object.values(first).map((value) => (typeof value === 'bigint' ? Number(value) : value))).toEqual(
        cellsOf(lines[0] ?? '').slice(0, -1),
      )
      expect(jsonOf(await world.run('verify', '--json'))).toMatchObject({ exit: 0 })
    },
  )

  test('rows in any order and rows that are there twice are the same rows; of two of one place the later is kept, and told', async () => {
    await using usual = await createWorld()
    await usual.ingest('BTCUSDT', '--market', 'um', '--data', 'bookDepth,bookTicker', ...RANGE)
    await using damaged = await createWorld([
      { kind: 'shuffled-rows', match: 'book.*-2024-03-05' },
      { kind: 'doubled-rows', match: 'book.*-2024-03-0[56]' },
    ])
    expect(await damaged.ingest('BTCUSDT', '--market', 'um', '--data', 'bookDepth,bookTicker', ...RANGE)).toMatchObject({
      exit: 0,
      days: { complete: 4 },
      differences: [],
    })
    for (const dataset of ['bookDepth', 'bookTicker']) {
      const rows = await damaged.read(dataset, 'um', 'BTCUSDT')
      expect(rows.length).toBeGreaterThan(1_000_000)
      expect(rows === (await usual.read(dataset, 'um', 'BTCUSDT'))).toBe(true)
    }
    expect(damaged.days().map(({ duplicates }) => duplicates)).toEqual([28_800, 28_800, 17_280, 17_280])

    await using conflict = await createWorld([{ kind: 'conflicting-rows', match: 'bookDepth-2024-03-06' }])
    const told = await conflict.ingest('BTCUSDT', '--market', 'um', '--data', 'bookDepth', ...RANGE)
    expect(told.differences).toMatchObject([{ dataset: 'bookDepth', day: '2024-03-06', conflicts: 1 }])
  })

  test('a day that is not there is unexplainable until a person accepts it; behind the last day of a data set nothing is missing', async () => {
    const unlisted: FaultRule = { kind: 'unlisted', market: 'um', symbol: 'BTCUSDT', day: '2024-03-28' }
    await using world = await createWorld([unlisted])
    const range = ['--start', '2024-03-27', '--end', '2024-04-05']
    const told = await world.ingest('BTCUSDT', '--market', 'um', '--data', 'bookTicker', ...range)
    expect(told).toMatchObject({ exit: 3, days: { complete: 3, unexplainable: 1, unlisted: 5 } })
    expect(told.problems).toMatchObject([{ day: '2024-03-28', condition: 'unexplainable' }])
    const accept = await world.run('coverage', '--accept', 'um/bookTicker/BTCUSDT/2024-03-28', '--reason', 'never published')
    expect(accept.exit).toBe(0)
    expect((await world.ingest('BTCUSDT', '--market', 'um', '--data', 'bookTicker', ...range)).exit).toBe(0)
    // a data set that goes on lacks what is not there
    const depth = await world.ingest('BTCUSDT', '--market', 'um', '--data', 'bookDepth', ...range)
    expect(depth).toMatchObject({ exit: 3, days: { complete: 8, unexplainable: 1 } })
  })

  test.each([
    [
      'another word',
      'cm',
      'BTCUSD_PERP',
      'liquidationSnapshot',
      '1709596800000,BUY,LIMIT,IOC,1,2,3,DONE,1,1',
      'CKVD_CSV_WORD',
      /one of NEW, .*"DONE" .*line 3, column 8/,
    ],
    ['a day that no calendar has', 'um', 'BTCUSDT', 'bookDepth', '2024-02-30 00:00:01,-5,1,1', 'CKVD_CSV_TIME', /line 3, column 1/],
    ['a part of no percent', 'um', 'BTCUSDT', 'bookDepth', '2024-03-05 00:00:01,-500,1,1', 'CKVD_CSV_NUMBER', /line 3, column 2/],
    ['an amount below 0', 'um', 'BTCUSDT', 'bookTicker', '1,2,-3,4,5,1709596800000,1709596800001', 'CKVD_CSV_NUMBER', /line 3, column 3/],
  ])('%s ends in quarantine, with its line and column', async (_name, market, symbol, dataset, text, code, message) => {
    await using world = await createWorld([{ kind: 'corrupt-line', match: `${dataset}-2024-03-05`, line: 3, text }])
    const told = await world.ingest(symbol, '--market', market, '--data', dataset, ...RANGE)
    expect(told).toMatchObject({ exit: 3, days: { complete: 1, quarantined: 1 } })
    expect(told.problems).toMatchObject([{ code, message: expect.stringMatching(message) as string }])
  })

  test.each([
    [['--source', 'rest'], 'a source that has bookDepth'],
    [['--reindex'], 'its rows have no grid'],
  ])('%s is refused: REST has none of it, and nothing says when a row is due', async (flags, words) => {
    await using world = await createWorld()
    const told = await world.run('fetch', 'BTCUSDT', '--market', 'um', '--data', 'bookDepth', ...RANGE, ...flags)
    expect(told).toMatchObject({ exit: 2, stdout: '', stderr: expect.stringContaining(words) as string })
  })

  test('they are exported and queried, and a lost catalog is rebuilt from their files alone', async () => {
    await using world = await createWorld()
    await world.ingest('BTCUSD_PERP', '--market', 'cm', '--data', 'liquidationSnapshot,bookDepth', ...RANGE)
    const before = await digestTree(join(world.lake, 'data'))
    await rm(join(world.lake, 'catalog.sqlite'))
    expect(jsonOf(await world.run('verify', '--json'))).toMatchObject({ exit: 0, adopted: 4 })
    expect(await world.ingest('BTCUSD_PERP', '--market', 'cm', '--data', 'liquidationSnapshot,bookDepth', ...RANGE)).toMatchObject({
      exit: 0,
      stored: 0,
    })
    expect(await digestTree(join(world.lake, 'data'))).toEqual(before)
    const sums: string[] = []
    for (const format of ['parquet', 'csv', 'arrow']) {
      const out = join(world.path, format)
      const done = await world.run('export', '--data', 'liquidationSnapshot', '--format', format, '--out', out)
      expect(done.exit).toBe(0)
      if (format === 'arrow') continue
      const sql = 'SELECT side, order_status, count(*) n, sum(original_quantity) q FROM cm_liquidationSnapshot GROUP BY ALL ORDER BY side'
      sums.push((await runHere(['query', sql, '--from', out, '--format', 'csv'], { cwd: world.path })).stdout)
    }
    const lines = (await world.read('liquidationSnapshot', 'cm', 'BTCUSD_PERP')).trimEnd().split('\n').slice(1).map(cellsOf)
    const line = (side: string): string => {
      const own = lines.filter((cells) => cells[1] === side)
      return `${side},FILLED,${own.length},${own.reduce((sum, cells) => sum + Number(cells[4]), 0)}\n`
    }
    expect(sums).toEqual([`side,order_status,n,q\n${line('BUY')}${line('SELL')}`, `side,order_status,n,q\n${line('BUY')}${line('SELL')}`])
  })
})
