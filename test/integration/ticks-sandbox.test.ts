import { rm } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { FaultRule, SyntheticMarket } from '../../src/sandbox/index.ts'
import { ingestResult, jsonOf, runHere } from '../support/ckvd.ts'
import { startExchange } from '../support/exchange.ts'
import { createTempDirectory, digestTree, queryCatalog } from '../support/temp-lake.ts'

const NOW = '2024-06-01T12:00:00Z'
/** Of these each minute has six trades and more, from which the sandbox makes bars to the last digit; two hours of either day. */
const MARKETS: readonly SyntheticMarket[] = [
  { market: 'spot', symbol: 'ALGOUSDT', firstDay: '2024-03-01', opensAt: '22:00', lastDay: '2024-03-02', closesAt: '02:00' },
  { market: 'um', symbol: 'LTCUSDT', firstDay: '2024-03-01', opensAt: '22:00', lastDay: '2024-03-02', closesAt: '02:00' },
]
const RANGE = ['--start', '2024-03-01', '--end', '2024-03-03']

async function createWorld(faults: readonly FaultRule[] = [], now = NOW) {
  const temp = await createTempDirectory()
  const exchange = await startExchange(now, { markets: MARKETS, faults, seed: 1 })
  const run = (...args: string[]) => runHere([...args, '--lake', temp.lake], { env: exchange.env, cwd: temp.path })
  return {
    exchange,
    lake: temp.lake,
    run,
    ingest: async (...args: string[]) => ingestResult(await run('ingest', ...args, ...RANGE, '--json', '--quiet')),
    rows: (dataset: string, market = 'spot') =>
      queryCatalog<{ day: string; condition: string; rows: number; evidence: string | null }>(
        temp.lake,
        'SELECT day, condition, rows, evidence FROM all_days WHERE dataset = ? AND market = ? ORDER BY day',
        dataset,
        market,
      ),
    [Symbol.asyncDispose]: async () => {
      await exchange[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}

interface Proof {
  readonly series: readonly { readonly days: readonly { readonly outcome: string; readonly differences: readonly unknown[] }[] }[]
}

describe('ticks of the sandbox', () => {
  test.each([
    ['spot', 'ALGOUSDT'],
    ['um', 'LTCUSDT'],
  ])('of %s: trades and their aggregates are whole from the first one on, and prove each bar', async (market, symbol) => {
    await using world = await createWorld()
    const told = await world.ingest(symbol, '--market', market, '--data', 'klines,trades,aggTrades', '--intervals', '1m')
    expect(told).toMatchObject({ exit: 0, days: { complete: 6 }, problems: [] })
    expect(await world.ingest(symbol, '--market', market, '--data', 'klines,trades,aggTrades', '--intervals', '1m')).toMatchObject({
      exit: 0,
      stored: 0,
      skipped: 6,
    })
    const evidence = market === 'spot' ? null : 'as-published'
    expect(world.rows('trades', market)).toMatchObject([{ evidence }, { evidence }])
    const proof = await world.run('prove', symbol, '--market', market, '--json')
    const days = [{ outcome: 'proved' }, { outcome: 'proved' }]
    expect(jsonOf(proof)).toMatchObject({ exit: 0, series: [{ days }], trades: [{ days }] })
    const proved = [{ evidence: 'proved' }, { evidence: 'proved' }]
    expect(world.rows('klines', market)).toMatchObject(proved)
    expect(world.rows('trades', market)).toMatchObject(proved)
    const bars = queryCatalog<{ n: number }>(world.lake, "SELECT sum(rows) AS n FROM all_days WHERE dataset = 'klines'")
    expect(bars).toEqual([{ n: 120 + 120 }])
  })

  test('a bar with one trade too many is found by the trades', async () => {
    await using world = await createWorld([
      { kind: 'conflicting-rows', match: String.raw`/klines/ALGOUSDT/1m/ALGOUSDT-1m-2024-03-02\.zip` },
    ])
    expect((await world.ingest('ALGOUSDT', '--data', 'klines,trades', '--intervals', '1m')).exit).toBe(0)
    const proof = await world.run('prove', 'ALGOUSDT', '--json')
    expect(proof.exit).toBe(3)
    const [series] = (jsonOf(proof) as Proof).series
    expect(series?.days.map(({ outcome }) => outcome)).toEqual(['proved', 'differs'])
    expect(series?.days[1]?.differences).toMatchObject([{ kind: 'value', column: 'count' }])
  })

  test('trades of futures that the archive lacks are found by the aggregates, whose ids they are', async () => {
    const match = String.raw`um/daily/trades/LTCUSDT/LTCUSDT-trades-2024-03-02\.zip`
    await using world = await createWorld([{ kind: 'missing-rows', match, line: 501, rows: 3 }])
    expect(await world.ingest('LTCUSDT', '--market', 'um', '--data', 'trades,aggTrades')).toMatchObject({ exit: 0, days: { complete: 4 } })
    const proof = await world.run('prove', 'LTCUSDT', '--market', 'um', '--data', 'trades', '--json')
    const { trades } = jsonOf(proof) as {
      trades: { days: { outcome: string; differences: { first_trade_id: number; last_trade_id: number }[] }[] }[]
    }
    const days = trades[0]?.days ?? []
    expect({ exit: proof.exit, outcomes: days.map(({ outcome }) => outcome) }).toEqual({ exit: 3, outcomes: ['proved', 'differs'] })
    const missing = (days[1]?.differences ?? []).map(({ first_trade_id: first, last_trade_id: last }) => last - first + 1)
    expect(missing.reduce((sum, ids) => sum + ids, 0)).toBeGreaterThanOrEqual(3)
    expect(world.rows('trades', 'um')).toMatchObject([{ evidence: 'proved' }, { evidence: 'as-published' }])
  })

  test('without REST aggregates that an archive lacks are told with their ids, the same bytes again; that of the month lends them once it is there', async () => {
    const faults: FaultRule[] = [
      { kind: 'missing-rows', match: String.raw`aggTrades/ALGOUSDT/ALGOUSDT-aggTrades-2024-03-02\.zip`, line: 1001, rows: 5 },
    ]
    await using world = await createWorld(faults, '2024-03-20T12:00:00Z')
    const told = await world.ingest('ALGOUSDT', '--data', 'aggTrades', '--no-rest')
    expect(told).toMatchObject({ exit: 3, days: { complete: 1, partial: 1 } })
    expect(told.problems[0]?.message).toMatch(/^5 of [0-9]+ .*: REST is off: ids [0-9]+ to [0-9]+\.$/)
    const digests = await digestTree(`${world.lake}/data`)
    await rm(world.lake, { recursive: true })
    await world.ingest('ALGOUSDT', '--data', 'aggTrades', '--no-rest', '--workers', '1')
    expect(await digestTree(`${world.lake}/data`)).toEqual(digests)
    await using later = await createWorld(faults)
    expect(await later.ingest('ALGOUSDT', '--data', 'aggTrades', '--no-rest')).toMatchObject({ exit: 0, days: { complete: 2 } })
    expect(queryCatalog(later.lake, 'SELECT source FROM all_days ORDER BY day')).toEqual([
      { source: 'vision-daily' },
      { source: 'vision-daily+vision-monthly' },
    ])
  })

  test('of USDⓈ-M, whose REST has forgotten them, they are unexplainable', async () => {
    const match = String.raw`aggTrades/LTCUSDT/LTCUSDT-aggTrades-2024-03-02\.zip`
    await using world = await createWorld([{ kind: 'missing-rows', match, line: 1001, rows: 5 }], '2024-03-20T12:00:00Z')
    const told = await world.ingest('LTCUSDT', '--market', 'um', '--data', 'aggTrades')
    expect(told).toMatchObject({ exit: 3, days: { complete: 1, unexplainable: 1 } })
    expect(told.problems[0]?.message).toMatch(/^5 of [0-9]+ .*: ids [0-9]+ to [0-9]+\.$/)
    expect(world.exchange.requests('rest', /aggTrades/)).toEqual([])
  })

  test.each(['trades', 'aggTrades'])('%s in microseconds that archives lack come from REST, to the last digit', async (dataset) => {
    const days = { firstDay: '2025-03-01', opensAt: '22:00', lastDay: '2025-03-02', closesAt: '02:00' } as const
    const range = ['ALGOUSDT', '--data', dataset, '--start', '2025-03-01', '--end', '2025-03-03']
    const texts: string[] = []
    const faults: FaultRule[] = ['2025-03-01', '2025-03-02'].map((day) => {
      const match = String.raw`${dataset}/ALGOUSDT/ALGOUSDT-${dataset}-${day}\.zip`
      return { kind: 'missing-rows', match, line: 101, rows: 500 }
    })
    for (const rules of [[], faults]) {
      await using temp = await createTempDirectory()
      await using exchange = await startExchange(NOW.replace('2024', '2025'), {
        markets: [{ market: 'spot', symbol: 'ALGOUSDT', ...days }],
        faults: rules,
        seed: 1,
      })
      const run = (...args: string[]) => runHere([...args, '--lake', temp.lake], { env: exchange.env, cwd: temp.path })
      expect(ingestResult(await run('ingest', ...range, '--json', '--quiet'))).toMatchObject({ exit: 0, days: { complete: 2 } })
      texts.push((await run('fetch', ...range, '--source', 'cache', '--format', 'csv')).stdout)
    }
    expect(texts[0]).toMatch(/\.\d{3}[1-9]\d\dZ|\.\d{5}[1-9]Z/)
    expect(texts[1]).toBe(texts[0])
  })

  test('rows twice, and rows in another order, are the same bytes as those in order', async () => {
    const match = String.raw`aggTrades/ALGOUSDT/ALGOUSDT-aggTrades-2024-03-01\.zip`
    const trees: string[][] = []
    for (const faults of [[], [{ kind: 'shuffled-rows' as const, match }]]) {
      await using world = await createWorld(faults)
      expect(await world.ingest('ALGOUSDT', '--data', 'aggTrades')).toMatchObject({ exit: 0, days: { complete: 2 } })
      const read = await world.run('fetch', 'ALGOUSDT', '--data', 'aggTrades', ...RANGE, '--source', 'cache', '--format', 'csv')
      trees.push([read.stdout])
    }
    expect(trees[0]?.[0]?.length).toBeGreaterThan(100_000)
    expect(trees[0]).toEqual(trees[1])
  })
})
