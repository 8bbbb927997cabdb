import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ingestResult } from '../support/ckvd.ts'
import type { Attack } from '../support/hostile-front.ts'
import { library } from '../support/library.ts'
import { digestTree, queryCatalog } from '../support/temp-lake.ts'
import { createTickWorld, readParquetRows, readSample } from '../support/ticks.ts'

/*
 * Rows of spot that archives lack: REST is asked for them by their ids. What it should say is cut here from the lines of real archives, by their
 * text alone.
 */

const NOW = '2026-06-01T12:00:00Z'
const DAYS = ['2022-10-01', '2022-10-02'] as const
const RANGE = ['AVAXBUSD', '--data', 'trades', '--start', '2022-10-01', '--end', '2022-10-03', '--json', '--quiet'] as const
const [FIRST, SECOND] = await Promise.all(DAYS.map(async (day) => (await readSample(`AVAXBUSD-trades-${day}`)).trimEnd().split('\n')))
const days = [FIRST ?? [], SECOND ?? []] as const
const ALL = days.flat()

const idOf = (line: string): number => Number(line.split(',')[0])
const fileOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

/** A line of an archive as an object of REST. */
function objectOf(line: string): Record<string, unknown> {
  const [id, price, qty, quoteQty, time, isBuyerMaker, isBestMatch] = line.split(',')
  const flags = { isBuyerMaker: isBuyerMaker === 'True', isBestMatch: isBestMatch === 'True' }
  return { id: Number(id), price, qty, quoteQty, time: Number(time), ...flags }
}

interface TellOptions {
  /** of the rows from an id on, at most as many as were asked for, what is sent; default: all */
  readonly tell?: (rows: Record<string, unknown>[]) => unknown
  readonly status?: number
}

/** REST of the trades that these lines are; its requests are told. */
function tradesOf(lines: readonly string[], { tell = (rows) => rows, status = 200 }: TellOptions = {}) {
  const requests: URLSearchParams[] = []
  const attack: Attack = (path, response) => {
    if (!path.includes('/api/v3/historicalTrades?')) return false
    const asked = new URL(path, 'http://rest').searchParams
    requests.push(asked)
    const rows = lines
      .filter((line) => idOf(line) >= Number(asked.get('fromId')))
      .slice(0, Number(asked.get('limit')))
      .map(objectOf)
    response.writeHead(status, { 'content-type': 'application/json', 'x-mbx-used-weight-1m': '25' }).end(JSON.stringify(tell(rows)))
    return true
  }
  return { attack, requests }
}

/** Runs over the two days without some of their lines. */
async function ingestWithout(lacks: (line: string, at: number) => boolean, rest: Attack) {
  const world = await createTickWorld(NOW, rest)
  for (const [i, day] of DAYS.entries()) {
    const own = (days[i] ?? []).filter((line, at) => !lacks(line, at + (i === 0 ? 0 : days[0].length)))
    await world.publish('spot', 'trades', 'AVAXBUSD', day, fileOf(own))
  }
  return { world, told: ingestResult(await world.run('ingest', ...RANGE)) }
}

type World = Awaited<ReturnType<typeof createTickWorld>>
const idsIn = async (world: World, day: string): Promise<unknown[]> =>
  (await readParquetRows(world.shardPath('spot', 'trades', 'AVAXBUSD', day))).rows.map(([id]) => id)
const rowsIn = async (world: World): Promise<unknown[][]> =>
  (await Promise.all(DAYS.map(async (day) => (await readParquetRows(world.shardPath('spot', 'trades', 'AVAXBUSD', day))).rows))).flat()
const wanted = ALL.map((line) => {
  const [id, price, qty, value, time, maker, best] = line.split(',')
  return [Number(id), Number(price), Number(qty), Number(value), Number(time) * 1000, maker === 'True', best === 'True']
})

describe('trades that archives of spot lack', () => {
  test('a day that was cut in the morning gets all others by their ids, when the next day shows that they are missing', async () => {
    const { attack, requests } = tradesOf(ALL)
    const cut = Math.floor(days[0].length * 0.4)
    const { world, told } = await ingestWithout((_line, at) => at >= cut && at < days[0].length, attack)
    await using open = world
    expect(told).toMatchObject({ exit: 0, days: { complete: 2 }, rows: ALL.length, problems: [] })
    expect(open.days()).toMatchObject([
      { condition: 'complete', source: 'vision-daily+rest', rows: days[0].length, expected: days[0].length },
      { condition: 'complete', source: 'vision-daily', rows: days[1].length },
    ])
    expect(await rowsIn(open)).toEqual(wanted)
    // a thousand rows a page, each of which begins with the last row of the page before it; what is behind the last row, and before the first one
    expect(requests).toHaveLength(Math.ceil((days[0].length - cut + 1) / 999) + 2)
    expect(ingestResult(await open.run('ingest', ...RANGE))).toMatchObject({ exit: 0, stored: 0, skipped: 2 })
  })

  test('the same bytes where each day is fetched by a run of its own, in either order', async () => {
    const { attack } = tradesOf(ALL)
    const [end, start] = [days[0].length - 40, days[0].length + 30]
    const lacks = (_line: string, at: number): boolean => at >= end && at < start
    const { world } = await ingestWithout(lacks, attack)
    await using whole = world
    const digests = await digestTree(`${whole.lake}/data`)
    expect((await idsIn(whole, DAYS[0])).length + (await idsIn(whole, DAYS[1])).length).toBe(ALL.length)
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      await using apart = await createTickWorld(NOW, attack)
      for (const [i, day] of DAYS.entries())
        await apart.publish(
          'spot',
          'trades',
          'AVAXBUSD',
          day,
          fileOf((days[i] ?? []).filter((line, at) => !lacks(line, at + (i === 0 ? 0 : days[0].length)))),
        )
      for (const i of order) {
        const range = ['--start', DAYS[i] ?? '', '--end', i === 0 ? DAYS[1] : '2022-10-03']
        expect(ingestResult(await apart.run('ingest', 'AVAXBUSD', '--data', 'trades', ...range, '--json', '--quiet')).exit).toBe(0)
      }
      expect(await digestTree(`${apart.lake}/data`)).toEqual(digests)
    }
  })

  test.each([
    ['the end', (at: number) => at >= days[0].length * 0.4],
    ['the beginning', (at: number) => at < days[0].length * 0.4],
    ['both', (at: number) => at < 3 || at >= days[0].length - 1],
    ['nothing', () => false],
  ])('a day that is asked for alone lacks %s: REST tells it by the rows beside it', async (_name, lacks) => {
    const { attack, requests } = tradesOf(ALL)
    await using world = await createTickWorld(NOW, attack)
    await world.publish('spot', 'trades', 'AVAXBUSD', DAYS[0], fileOf(days[0].filter((_line, at) => !lacks(at))))
    const range = ['AVAXBUSD', '--data', 'trades', '--start', DAYS[0], '--end', DAYS[1], '--json', '--quiet']
    expect(ingestResult(await world.run('ingest', ...range))).toMatchObject({ exit: 0, days: { complete: 1 }, rows: days[0].length })
    expect(await idsIn(world, DAYS[0])).toEqual(days[0].map(idOf))
    const asked = requests.length
    expect(ingestResult(await world.run('ingest', ...range))).toMatchObject({ exit: 0, skipped: 1 })
    expect(requests).toHaveLength(asked)
  })

  test('rows that REST gave are not given up for the same archive without them', async () => {
    const { attack } = tradesOf(ALL)
    await using world = await createTickWorld(NOW, attack)
    await world.publish('spot', 'trades', 'AVAXBUSD', DAYS[0], fileOf(days[0].slice(0, 900)))
    const range = ['AVAXBUSD', '--data', 'trades', '--start', DAYS[0], '--end', DAYS[1], '--json', '--quiet']
    expect(ingestResult(await world.run('ingest', ...range))).toMatchObject({ exit: 0, rows: days[0].length })
    const digests = await digestTree(`${world.lake}/data`)
    expect(ingestResult(await world.run('ingest', ...range, '--force', '--no-rest')).exit).toBe(0)
    expect(await digestTree(`${world.lake}/data`)).toEqual(digests)
    // one that is published anew counts
    await world.publish('spot', 'trades', 'AVAXBUSD', DAYS[0], fileOf(days[0].slice(0, 800)))
    expect(ingestResult(await world.run('ingest', ...range, '--refresh'))).toMatchObject({ exit: 0, republished: 1 })
    expect(await digestTree(`${world.lake}/data`)).not.toEqual(digests)
    expect(await idsIn(world, DAYS[0])).toEqual(days[0].map(idOf))
  })

  test('rows that REST tells beside another one than is held are not believed', async () => {
    const { attack } = tradesOf(ALL, { tell: (rows) => rows.map((row) => ({ ...row, price: '1.00000000' })) })
    await using world = await createTickWorld(NOW, attack)
    await world.publish('spot', 'trades', 'AVAXBUSD', DAYS[0], fileOf(days[0].slice(0, 900)))
    const range = ['AVAXBUSD', '--data', 'trades', '--start', DAYS[0], '--end', DAYS[1], '--json', '--quiet']
    expect(ingestResult(await world.run('ingest', ...range))).toMatchObject({ exit: 0, rows: 900 })
    expect(await idsIn(world, DAYS[0])).toEqual(days[0].slice(0, 900).map(idOf))
  })

  test('a hole that REST has as well is proved by the rows on both sides of it, within a day and between two', async () => {
    const isGone = (_line: string, at: number): boolean => (at >= 500 && at < 503) || (at >= days[0].length - 2 && at < days[0].length + 2)
    const { attack } = tradesOf(ALL.filter((line, at) => !isGone(line, at)))
    const { world, told } = await ingestWithout(isGone, attack)
    await using open = world
    expect(told).toMatchObject({ exit: 0, days: { outage: 2 }, rows: ALL.length - 7, problems: [] })
    const gaps = queryCatalog<{ bars: number; evidence: string }>(open.lake, 'SELECT bars, evidence FROM all_gaps ORDER BY start_us')
    expect(gaps.map(({ bars }) => bars)).toEqual([3, 4])
    const timeOf = (at: number): number => Number(ALL[at]?.split(',')[4]) * 1000
    expect(gaps.map(({ evidence }) => JSON.parse(evidence) as unknown)).toEqual([
      { source: 'rest', before_us: timeOf(499), after_us: timeOf(503) },
      { source: 'rest', before_us: timeOf(days[0].length - 3), after_us: timeOf(days[0].length + 2) },
    ])
    expect((await open.run('verify')).exit).toBe(0)
  })

  test('the library gives the same rows, without a lake and with one', async () => {
    const { attack } = tradesOf(ALL)
    const { world } = await ingestWithout((_line, at) => at >= days[0].length - 40 && at < days[0].length + 30, attack)
    await using open = world
    const { CryptoKlineVisionData, DataProvider, DataSource, MarketType, toObjects } = library
    for (const useCache of [false, true]) {
      await open.withSources(async (sources) => {
        const lake = `${open.path}/library-${String(useCache)}`
        const client = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake, sources, useCache })
        try {
          const ask = { symbol: 'AVAXBUSD', dataset: 'trades', startTime: '2022-10-01T00:00:00Z', endTime: '2022-10-03T00:00:00Z' } as const
          const table = await client.getData({ ...ask, includeSourceInfo: true })
          const rows = toObjects(table)
          expect(rows.map((row) => [row['id'], row['price'], row['qty']])).toEqual(wanted.map(([id, price, qty]) => [id, price, qty]))
          const ofRest = rows.flatMap((row, at) => (row['_data_source'] === 'REST' ? [at] : []))
          expect(ofRest).toEqual(Array.from({ length: 70 }, (_none, i) => days[0].length - 40 + i))
          if (!useCache) return
          expect((await client.getData({ ...ask, enforceSource: DataSource.CACHE })).numRows).toBe(ALL.length)
        } finally {
          await client.close()
        }
      })
    }
  })

  test('times that REST tells by milliseconds contradict no finer ones that are held', async () => {
    const fine = (line: string): string => line.replace(/,(\d{13}),/, (_all, ms: string) => `,${ms}123,`)
    const { attack } = tradesOf(ALL)
    await using world = await createTickWorld(NOW, attack)
    await world.publish('spot', 'trades', 'AVAXBUSD', DAYS[0], fileOf(days[0].toSpliced(500, 3).map(fine)))
    const range = ['AVAXBUSD', '--data', 'trades', '--start', DAYS[0], '--end', DAYS[1], '--json', '--quiet']
    expect(ingestResult(await world.run('ingest', ...range))).toMatchObject({ exit: 0, days: { complete: 1 }, rows: days[0].length })
  })

  const at = days[0].length
  const refusing = { code: -2015, msg: 'Invalid API-key, IP, or permissions for action.' }
  test.each<[string, TellOptions, string]>([
    ['an empty list', { tell: () => [] }, 'no-witness'],
    [
      'an answer without the row before the hole',
      { tell: (rows) => rows.slice(1).filter(({ id }) => Number(id) > idOf(ALL[at + 1] ?? '')) },
      'no-witness',
    ],
    ['an answer that ends before the hole is over', { tell: (rows) => rows.slice(0, 1) }, 'no-witness'],
    [
      'another price beside the hole',
      { tell: (rows) => rows.map((row, i) => (i === 0 ? { ...row, price: '1.00000000' } : row)) },
      'contradiction',
    ],
    ['rows in another order', { tell: (rows) => rows.toReversed() }, 'rest-failed'],
    ['rows that were not asked for', { tell: (rows) => [{ ...rows[0], id: 1 }, ...rows] }, 'rest-failed'],
    ['more rows than were asked for', { tell: (rows) => [...rows, { ...rows.at(-1), id: 1e12 }] }, 'rest-failed'],
    ['times that go back', { tell: (rows) => rows.map((row, i) => (i === 2 ? { ...row, time: 1_600_000_000_000 } : row)) }, 'rest-failed'],
    ['a row without its price', { tell: (rows) => rows.map(({ price: _price, ...row }) => row) }, 'rest-failed'],
    ['a text', { tell: () => 'rows' }, 'rest-failed'],
    ['a refusal', { tell: () => refusing, status: 401 }, 'rest-failed'],
    ['an unknown symbol', { tell: () => ({ code: -1121, msg: 'Invalid symbol.' }), status: 400 }, 'unknown-symbol'],
  ])('%s proves nothing and gives nothing', async (_name, options, reason) => {
    const { attack } = tradesOf(ALL, options)
    // a hole between the days: the day that shows it has it
    const { world, told } = await ingestWithout((_line, i) => i >= at - 3 && i < at + 2, attack)
    await using open = world
    expect(told).toMatchObject({ exit: 3, days: { complete: 1, partial: 1 }, rows: ALL.length - 5 })
    expect((await rowsIn(open)).map(([id]) => id)).toEqual(ALL.toSpliced(at - 3, 5).map(idOf))
    const gaps = queryCatalog<{ evidence: string }>(open.lake, 'SELECT evidence FROM all_gaps')
    expect(gaps.map(({ evidence }) => (JSON.parse(evidence) as { reason: string }).reason)).toEqual([reason])
  })

  test('a server that never comes to the end is left, and a hole of more rows than a run may ask for is not asked for', async () => {
    const slow = tradesOf(ALL, { tell: (rows) => rows.slice(0, 2) })
    const { world, told } = await ingestWithout((_line, i) => i >= 500 && i < 900, slow.attack)
    await using open = world
    expect(told).toMatchObject({ exit: 3, days: { complete: 1, partial: 1 } })
    expect(slow.requests.length).toBeLessThan(20)
    expect(open.days()).toMatchObject([{ rows: days[0].length - 400 }, { rows: days[1].length }])
    const far = tradesOf([])
    await using other = await createTickWorld(NOW, far.attack)
    const jump = days[0].map((line, i) => (i < 500 ? line : line.replace(/^\d+/, (id) => String(Number(id) + 5_000_000))))
    await other.publish('spot', 'trades', 'AVAXBUSD', DAYS[0], fileOf(jump))
    const range = ['AVAXBUSD', '--data', 'trades', '--start', DAYS[0], '--end', DAYS[1], '--json', '--quiet']
    const refused = ingestResult(await other.run('ingest', ...range))
    expect(refused).toMatchObject({ exit: 3, days: { partial: 1 } })
    expect(refused.problems[0]?.message).toContain('5000000 rows are more than')
    // but for the rows before its first one and behind its last one
    expect(far.requests.map((asked) => asked.get('limit'))).toEqual(['2', '2'])
  })

  test('whatever lines are missing, the days are whole again, each line once', async () => {
    const stretch = fc.tuple(fc.integer({ min: 1, max: ALL.length - 60 }), fc.integer({ min: 1, max: 50 }))
    const nearMidnight = fc.tuple(fc.integer({ min: days[0].length - 40, max: days[0].length }), fc.integer({ min: 1, max: 40 }))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(stretch, nearMidnight), { minLength: 1, maxLength: 6 }), async (holes) => {
        const { attack } = tradesOf(ALL)
        const { world, told } = await ingestWithout((_line, i) => holes.some(([from, length]) => i >= from && i < from + length), attack)
        await using open = world
        expect(told).toMatchObject({ exit: 0, days: { complete: 2 }, rows: ALL.length })
        expect(await rowsIn(open)).toEqual(wanted)
      }),
      { numRuns: 6 },
    )
  })
})
