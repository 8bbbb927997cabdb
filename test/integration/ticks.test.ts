import { readFile, rm, writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { ingestResult, jsonOf } from '../support/ckvd.ts'
import { library } from '../support/library.ts'
import { digestTree, listFiles } from '../support/temp-lake.ts'
import { createTickWorld, readParquetRows, readRealArchive, readSample, sampleDays } from '../support/ticks.ts'
import { readFirstEntry } from '../support/zip-builder.ts'

const NOW = '2026-06-01T12:00:00Z'

/** The rows of a CSV as its text says, times in microseconds; `types` of its cells in order. */
function rowsOf(csv: string, types: readonly ('id' | 'number' | 'time' | 'flag')[]): unknown[][] {
  const lines = csv.trimEnd().split(/\r?\n/)
  const data = /^[a-z]/.test(lines[0] ?? '') ? lines.slice(1) : lines
  return data.map((line) =>
    line.split(',').map((cell, i) => {
      if (types[i] === 'flag') return cell.toLowerCase() === 'true'
      return types[i] === 'time' ? Number(cell) * (cell.length === 13 ? 1000 : 1) : Number(cell)
    }),
  )
}

const AGGREGATE = ['id', 'number', 'number', 'id', 'id', 'time', 'flag'] as const
const TRADE = ['id', 'number', 'number', 'number', 'time', 'flag', 'flag'] as const

describe('ticks of real days', () => {
  test('COIN-M aggregate trades: every row is that of the CSV, for another program and for the library, in a file of half the ZIP', async () => {
    await using world = await createTickWorld(NOW)
    const { zip, checksum } = await readRealArchive()
    await world.put(world.keyOf('cm', 'aggTrades', 'BTCUSD_PERP', '2026-05-08'), zip, checksum)
    const range = ['BTCUSD_PERP', '--market', 'cm', '--data', 'aggTrades', '--start', '2026-05-08', '--end', '2026-05-09']
    const told = ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))
    expect(told).toMatchObject({ exit: 0, days: { complete: 1 }, rows: 105_280, problems: [] })
    const expected = rowsOf(readFirstEntry(zip).toString('latin1'), AGGREGATE)
    const path = world.shardPath('cm', 'aggTrades', 'BTCUSD_PERP', '2026-05-08')
    const { names, types, rows } = await readParquetRows(path)
    expect(names).toEqual(['agg_trade_id', 'price', 'quantity', 'first_trade_id', 'last_trade_id', 'transact_time', 'is_buyer_maker'])
    expect(types).toEqual(['BIGINT', 'DOUBLE', 'DOUBLE', 'BIGINT', 'BIGINT', 'TIMESTAMP WITH TIME ZONE', 'BOOLEAN'])
    expect(rows).toEqual(expected)
    expect((await readFile(path)).length).toBeLessThan(zip.length / 2)
    const { CryptoKlineVisionData, DataProvider, DataSource, MarketType, toObjects } = library
    const client = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_COIN, { lake: world.lake })
    try {
      const table = await client.getData({
        ...{ symbol: 'BTCUSD_PERP', dataset: 'aggTrades', enforceSource: DataSource.CACHE },
        ...{ startTime: '2026-05-08T10:00:00Z', endTime: '2026-05-08T10:05:00Z' },
      })
      const from = Date.parse('2026-05-08T10:00:00Z') * 1000
      const wanted = expected.filter(([, , , , , time]) => Number(time) >= from && Number(time) < from + 300_000_000)
      expect(wanted.length).toBeGreaterThan(100)
      expect(toObjects(table).map((row) => [row['agg_trade_id'], row['price'], row['quantity'], row['is_buyer_maker']])).toEqual(
        wanted.map(([id, price, quantity, , , , maker]) => [id, price, quantity, maker]),
      )
    } finally {
      await client.close()
    }
  })

  test('spot trades of ten days without a break: ids go on from day to day, rows and flags are those of the files', async () => {
    await using world = await createTickWorld(NOW)
    const days = await sampleDays('AVAXBUSD-trades')
    expect(days).toHaveLength(10)
    for (const day of days) await world.publish('spot', 'trades', 'AVAXBUSD', day, await readSample(`AVAXBUSD-trades-${day}`))
    const range = ['AVAXBUSD', '--data', 'trades', '--start', '2022-10-01', '--end', '2022-10-11']
    const told = ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))
    expect(told).toMatchObject({ exit: 0, days: { complete: 10 }, problems: [] })
    const samples = await Promise.all(days.map(async (day) => rowsOf(await readSample(`AVAXBUSD-trades-${day}`), TRADE)))
    expect(told.rows).toBe(samples.flat().length)
    for (const [i, day] of days.entries()) {
      const { names, rows } = await readParquetRows(world.shardPath('spot', 'trades', 'AVAXBUSD', day))
      expect(names).toEqual(['id', 'price', 'qty', 'quote_qty', 'time', 'is_buyer_maker', 'is_best_match'])
      expect(rows).toEqual(samples[i])
    }
    expect(world.days().every(({ condition, evidence }) => condition === 'complete' && evidence === null)).toBe(true)
  })

  test('the last trades of a day that are missing are told with the next day, and with their ids; the month lends them where it has them', async () => {
    await using world = await createTickWorld(NOW)
    const [first, second] = await Promise.all(['01', '02'].map((day) => readSample(`AVAXBUSD-trades-2022-10-${day}`)))
    const lines = (first ?? '').trimEnd().split('\n')
    const ids = lines.slice(-3).map((line) => line.split(',')[0])
    await world.publish('spot', 'trades', 'AVAXBUSD', '2022-10-01', `${lines.slice(0, -3).join('\n')}\n`)
    await world.publish('spot', 'trades', 'AVAXBUSD', '2022-10-02', second ?? '')
    const range = ['AVAXBUSD', '--data', 'trades', '--start', '2022-10-01', '--end', '2022-10-03']
    const told = ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))
    expect(told).toMatchObject({ exit: 3, days: { complete: 1, partial: 1 } })
    expect(told.problems[0]?.message).toContain(`ids ${ids[0]} to ${ids[2]}`)
    await world.publish('spot', 'trades', 'AVAXBUSD', '2022-10-01', first ?? '')
    const hole = lines.toSpliced(1000, 50)
    await world.publish('spot', 'trades', 'AVAXBUSD', '2022-10-02', second ?? '')
    await world.publish('spot', 'trades', 'AVAXBUSD', '2022-10-01', `${hole.join('\n')}\n`)
    await world.publish('spot', 'trades', 'AVAXBUSD', '2022-10', `${first}${second}`)
    const mended = ingestResult(await world.run('ingest', ...range, '--refresh', '--json', '--quiet'))
    expect(mended).toMatchObject({ exit: 0, days: { complete: 2 }, problems: [] })
    const { rows } = await readParquetRows(world.shardPath('spot', 'trades', 'AVAXBUSD', '2022-10-01'))
    expect(rows).toEqual(rowsOf(first ?? '', TRADE))
  })

  test('spot aggregate trades are verified, exported and queried; a lost catalog is rebuilt, a damaged file found and mended', async () => {
    await using world = await createTickWorld(NOW)
    const csv = await readSample('AVAXBUSD-aggTrades-2023-10-15')
    const expected = rowsOf(csv, [...AGGREGATE, 'flag'])
    await world.publish('spot', 'aggTrades', 'AVAXBUSD', '2023-10-15', csv)
    const range = ['AVAXBUSD', '--data', 'aggTrades', '--start', '2023-10-15', '--end', '2023-10-16']
    expect(ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))).toMatchObject({ exit: 0, rows: expected.length })
    const digests = await digestTree(`${world.lake}/data`)
    expect(digests).toHaveLength(1)
    const known = world.days()
    await rm(`${world.lake}/catalog.sqlite`)
    expect(jsonOf(await world.run('verify', '--json'))).toMatchObject({ shards: 1, adopted: 1, bad: [], foreign: [] })
    expect(world.days()).toEqual(known)
    const path = world.shardPath('spot', 'aggTrades', 'AVAXBUSD', '2023-10-15')
    const bytes = await readFile(path)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await writeFile(path, bytes)
    const found = await world.run('verify', '--json')
    expect(found.exit).not.toBe(0)
    expect(jsonOf(found)).toMatchObject({ bad: [{ day: '2023-10-15', code: 'CKVD_SHARD_DIGEST' }] })
    expect((await world.run('verify', '--repair')).exit).toBe(0)
    expect(await digestTree(`${world.lake}/data`)).toEqual(digests)
    for (const format of ['parquet', 'csv', 'arrow']) {
      const out = `${world.path}/out-${format}`
      expect((await world.run('export', '--out', out, '--data', 'aggTrades', '--format', format)).exit).toBe(0)
      expect((await listFiles(`${out}/data`)).map((file) => file.split('/').at(-1))).toEqual([`AVAXBUSD-aggTrades-2023-10-15.${format}`])
    }
    const sql = 'SELECT count(*) AS n, sum(quantity) AS q, count(*) FILTER (is_buyer_maker) AS m FROM spot_aggTrades'
    for (const format of ['parquet', 'csv']) {
      const answer = await world.run('query', sql, '--from', `${world.path}/out-${format}`, '--format', 'csv')
      const sums = expected.reduce<[number, number]>(([q, m], row) => [q + Number(row[2]), m + (row[6] === true ? 1 : 0)], [0, 0])
      expect(answer).toMatchObject({ exit: 0, stderr: '' })
      const [n, q, m] = (answer.stdout.trim().split('\n')[1] ?? '').split(',').map(Number)
      expect([n, m]).toEqual([expected.length, sums[1]])
      expect(q).toBeCloseTo(sums[0], 6)
    }
  })
})

describe('ticks of made days', () => {
  const day = '2024-03-01'
  const at = (ms: number): number => Date.parse(`${day}T00:00:00Z`) + ms
  const tradeOf = (id: number, ms = id): string => `${id},10.5,2,21.0,${at(ms)},${id % 2 === 0 ? 'true' : 'false'}`
  const HEADER = 'id,price,qty,quote_qty,time,is_buyer_maker'
  const range = ['BTCUSDT', '--market', 'um', '--data', 'trades', '--start', day, '--end', '2024-03-02']

  test('trades of futures have real holes in their ids: the day is complete as published, and its evidence says so', async () => {
    await using world = await createTickWorld(NOW)
    const lines = [100, 101, 105, 106, 110].map((id) => tradeOf(id))
    await world.publish('um', 'trades', 'BTCUSDT', day, [HEADER, ...lines, lines[4], ''].join('\n'))
    const told = ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))
    expect(told).toMatchObject({ exit: 0, days: { complete: 1 }, rows: 5 })
    expect(world.days()).toMatchObject([{ condition: 'complete', rows: 5, expected: 5, evidence: 'as-published', duplicates: 1 }])
  })

  test.each([
    ['nothing but a header', `${HEADER}\n`],
    ['nothing', ''],
  ])('an archive with %s is a day whose rows nobody can tell', async (_name, csv) => {
    await using world = await createTickWorld(NOW)
    await world.publish('um', 'trades', 'BTCUSDT', '2024-02-29', [HEADER, tradeOf(1, -1000), ''].join('\n'))
    await world.publish('um', 'trades', 'BTCUSDT', day, csv)
    await world.publish('um', 'trades', 'BTCUSDT', '2024-03-02', [HEADER, tradeOf(9, 86_400_000), ''].join('\n'))
    const days = ['BTCUSDT', '--market', 'um', '--data', 'trades', '--start', '2024-02-29', '--end', '2024-03-03']
    const told = ingestResult(await world.run('ingest', ...days, '--json', '--quiet'))
    expect(told).toMatchObject({ exit: 3, rows: 2, days: { complete: 2 } })
    expect(told.problems).toMatchObject([{ day }])
    expect((await world.run('verify')).exit).toBe(0)
  })

  test('a day with forty holes says each of them in its file, which rebuilds a lost catalog', async () => {
    await using world = await createTickWorld(NOW)
    const lines = Array.from({ length: 41 }, (_none, i) => `${tradeOf(10 * i + 1, i * 1000)},True`.replace(/true|false/, 'False'))
    await world.publish('spot', 'trades', 'BTCUSDT', day, `${lines.join('\n')}\n`)
    const told = ingestResult(await world.run('ingest', 'BTCUSDT', ...range.slice(3), '--market', 'spot', '--json', '--quiet'))
    expect(told).toMatchObject({ exit: 3, rows: 41, days: { partial: 1 } })
    expect(told.problems[0]?.message).toMatch(/^360 of 401 /)
    await rm(`${world.lake}/catalog.sqlite`)
    expect(jsonOf(await world.run('verify', '--json'))).toMatchObject({ adopted: 1, bad: [] })
    expect(world.days()).toMatchObject([{ condition: 'partial', rows: 41, expected: 401 }])
  })

  test('several trades of one time stay, in the order of their ids, with a header or without one', async () => {
    const stored = await Promise.all(
      [[HEADER], []].map(async (head) => {
        await using world = await createTickWorld(NOW)
        const lines = [4, 2, 3, 1].map((id) => tradeOf(id, 5))
        await world.publish('um', 'trades', 'BTCUSDT', day, [...head, ...lines, ''].join('\r\n'))
        expect(ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))).toMatchObject({ exit: 0, rows: 4 })
        return (await readParquetRows(world.shardPath('um', 'trades', 'BTCUSDT', day))).rows.map(([id]) => id)
      }),
    )
    expect(stored).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ])
  })

  test.each([
    ['a flag in another word', '7,10.5,2,21.0,TIME,yes', 'Expected true or false as is_buyer_maker, found "yes"'],
    ['a negative amount', '7,10.5,-2,21.0,TIME,true', 'Expected a number as qty, found "-2"'],
    ['an id with a fraction', '7.5,10.5,2,21.0,TIME,true', 'Expected a whole number as id, found "7.5"'],
    ['a column too many', '7,10.5,2,21.0,TIME,true,True', 'Expected 6 columns, found 7'],
    ['a time that is none', '7,10.5,2,21.0,1709251200,true', 'Expected a time of 13 or 16 digits as time'],
  ])('%s ends in an error with line and column, and nothing is stored', async (_name, line, message) => {
    await using world = await createTickWorld(NOW)
    await world.publish('um', 'trades', 'BTCUSDT', day, [HEADER, tradeOf(6), line.replace('TIME', String(at(7))), ''].join('\n'))
    const told = ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))
    expect(told).toMatchObject({ exit: 3, rows: 0 })
    expect(told.problems[0]?.message).toContain(message)
    expect(told.problems[0]?.message).toContain('line 3')
    expect((await listFiles(`${world.lake}/data`)).length).toBe(0)
  })

  test.each([
    ['two of the last rows stand in the other order', (lines: string[]) => [...lines.slice(0, -2), ...lines.slice(-2).reverse()], null],
    ['two in the middle do', (lines: string[]) => lines.toSpliced(70_000, 2, lines[70_001] ?? '', lines[70_000] ?? ''), null],
    ['a row right behind a full group is none', (lines: string[]) => lines.with(65_540, 'nothing'), 'Expected 6 columns, found 1'],
    ['the last row is none', (lines: string[]) => lines.with(-1, 'nothing'), 'Expected 6 columns, found 1'],
  ])('of a large day %s: nothing is lost, and nothing else ends', async (_name, change, message) => {
    await using world = await createTickWorld(NOW)
    const lines = Array.from({ length: 140_000 }, (_none, i) => tradeOf(i + 1, i * 500))
    await world.publish('um', 'trades', 'BTCUSDT', day, [HEADER, ...change(lines), ''].join('\n'))
    const told = ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))
    if (message === null) {
      expect(told).toMatchObject({ exit: 0, rows: 140_000, problems: [] })
      const { rows } = await readParquetRows(world.shardPath('um', 'trades', 'BTCUSDT', day))
      expect(rows.map(([id]) => id)).toEqual(Array.from({ length: 140_000 }, (_none, i) => i + 1))
    } else expect(told).toMatchObject({ exit: 3, rows: 0, problems: [{ message: expect.stringContaining(message) as string }] })
  })

  test('of a large day any part is its rows, wherever it begins and ends, in one table and in batches', async () => {
    // twelve rows share each time, so that those of one time lie in two groups
    const timeOf = (i: number): number => Math.floor(i / 12) * 5000
    const lines = Array.from({ length: 200_000 }, (_none, i) => tradeOf(i + 1, timeOf(i)))
    await using world = await createTickWorld(NOW)
    await world.publish('um', 'trades', 'BTCUSDT', day, [HEADER, ...lines, ''].join('\n'))
    expect(ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))).toMatchObject({ exit: 0, rows: 200_000 })
    const variables = process.env
    process.env = { ...variables, CKVD_NOW: NOW, CKVD_STATE: `${world.path}/state` }
    const { CryptoKlineVisionData, DataProvider, DataSource, MarketType } = library
    const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT, {
      lake: world.lake,
      enforceSource: DataSource.CACHE,
    })
    try {
      const boundary = timeOf(65_536)
      const parts = [
        [0, 1],
        [boundary, boundary + 1],
        [boundary - 5000, boundary],
        [boundary - 4999, boundary + 4999],
        [boundary - 1, timeOf(2 * 65_536) + 1],
        [timeOf(199_999), 86_400_000],
        [timeOf(199_999) + 1, 86_400_000],
        [7_000_000, 50_000_000],
      ] as const
      for (const [from, to] of parts) {
        const ask = {
          symbol: 'BTCUSDT',
          dataset: 'trades',
          startTime: new Date(at(from)).toISOString(),
          endTime: new Date(at(to)).toISOString(),
        }
        const expected = Array.from({ length: 200_000 }, (_none, i) => i).filter((i) => timeOf(i) >= from && timeOf(i) < to)
        const ids = (await ckvd.getData(ask)).getChild('id')?.toArray() as BigInt64Array
        expect(Array.from(ids, Number)).toEqual(expected.map((i) => i + 1))
        const batches: number[] = []
        for await (const table of ckvd.getBatches({ ...ask, batchRows: 10_000 })) {
          expect(table.numRows).toBeLessThanOrEqual(10_000)
          batches.push(...Array.from(table.getChild('id')?.toArray() as BigInt64Array, Number))
        }
        expect(batches).toEqual(expected.map((i) => i + 1))
      }
      expect(() => ckvd.getBatches({ symbol: 'BTCUSDT', dataset: 'trades', days: 1, batchRows: 0 })).toThrow(/batchRows/)
      // a byte that is another one: nothing of the file is believed
      const path = world.shardPath('um', 'trades', 'BTCUSDT', day)
      const bytes = await readFile(path)
      await writeFile(path, bytes.with(1000, (bytes[1000] ?? 0) ^ 1))
      const ask = { symbol: 'BTCUSDT', dataset: 'trades', startTime: `${day}T01:00:00Z`, endTime: `${day}T01:01:00Z` }
      await expect(ckvd.getData(ask)).rejects.toThrow(/damaged/)
    } finally {
      process.env = variables
      await ckvd.close()
    }
  })

  test('days of hundreds of thousands of rows are several row groups, the same bytes each time', async () => {
    const lines = Array.from({ length: 150_000 }, (_none, i) => tradeOf(i + 1, i * 500))
    const lakes = await Promise.all(
      [1, 2].map(async () => {
        await using world = await createTickWorld(NOW)
        await world.publish('um', 'trades', 'BTCUSDT', day, [HEADER, ...lines, ''].join('\n'))
        expect(ingestResult(await world.run('ingest', ...range, '--json', '--quiet'))).toMatchObject({ exit: 0, rows: 150_000 })
        expect((await readParquetRows(world.shardPath('um', 'trades', 'BTCUSDT', day))).rows.map(([id]) => id)).toEqual(
          Array.from({ length: 150_000 }, (_none, i) => i + 1),
        )
        const out = await world.run('fetch', ...range, '--source', 'cache', '--format', 'csv')
        expect(out.stdout.split('\n')).toHaveLength(150_002)
        return await digestTree(`${world.lake}/data`)
      }),
    )
    expect(lakes[0]).toEqual(lakes[1])
  })
})
