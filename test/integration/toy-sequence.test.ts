import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Dataset } from '../../src/dataset/dataset.ts'
import type * as Registry from '../../src/dataset/registry.ts'
import type { IngestResult } from '../../src/ingest/result.ts'
import type * as Sources from '../../src/acquire/connections.ts'
import type * as SourceSettings from '../../src/acquire/rest/connection-settings.ts'
import type * as Reader from '../../src/read/kline-reader.ts'
import type * as Access from '../../src/read/lake-access.ts'
import { resolveSettings } from '../../config/settings.ts'
import { createLogger } from '../../src/log.ts'
import type { Columns } from '../../src/model/columns.ts'
import { DataSource } from '../../src/question/names.ts'
import { sharedPool } from '../support/dist.ts'
import { runHere } from '../support/ckvd.ts'
import type { TestExchange } from '../support/exchange.ts'
import { startExchange } from '../support/exchange.ts'
import { createTempDirectory, queryCatalog } from '../support/temp-lake.ts'
import { buildArchive } from '../support/zip-builder.ts'

/*
 * A data set that exists nowhere and is counted by its publisher: this file describes it, and no other file knows it. Its rows are told apart
 * by their ids, several have one time, and what is missing are the ids between those that are there.
 */
const TICKETS: Dataset = {
  name: 'tickets',
  folder: 'tickets',
  hasInterval: false,
  grid: '1h',
  markets: ['um'],
  chunking: 'day',
  columns: [
    { key: 'openTime', name: 'sold_at', type: 'timestamp' },
    { key: 'ticket', name: 'ticket_id', type: 'int64', least: 0 },
    { key: 'price', name: 'price', type: 'float64', least: 0 },
  ],
  csv: 'columns',
  rules: null,
  completeness: { kind: 'sequence', id: 'ticket' },
  rest: null,
}
/** The same, but that REST could be asked if it were on. */
const VOUCHERS: Dataset = { ...TICKETS, name: 'vouchers', folder: 'vouchers', rest: 'klines' }

const NOW = '2024-03-20T12:00:00Z'
const DAYS = ['2024-03-01', '2024-03-02', '2024-03-03'] as const
const MINUTE_MS = 60_000

/** A ticket: its id, the minute of the day, its price. */
type Ticket = readonly [id: number, minute: number, price: number]

/** 24 tickets a day, three in the same minute of every third hour; the ids go on from day to day. */
function ticketsOf(day: string): Ticket[] {
  const first = 1000 + 24 * DAYS.indexOf(day as (typeof DAYS)[number])
  return Array.from({ length: 24 }, (_none, i): Ticket => [first + i, Math.floor(i / 3) * 180 + 5, i / 8])
}

function csvOf(day: string, tickets: readonly Ticket[]): string {
  const rows = tickets.map(([id, minute, price]) => `${Date.parse(`${day}T00:00:00Z`) + minute * MINUTE_MS},${id},${price}`)
  return ['sold_at,ticket_id,price', ...rows, ''].join('\n')
}

interface DayFacts {
  readonly condition: string
  readonly revision: number
}

const without = (tickets: readonly Ticket[], ...ids: number[]): Ticket[] => tickets.filter(([id]) => !ids.includes(id))

type Told = IngestResult & Record<string, unknown>

/** A bucket of archives, and the commands on a lake of it. */
async function serve(dataset = 'tickets') {
  const temp = await createTempDirectory()
  let exchange: TestExchange | undefined
  let port = 0
  /** the exchange with what is published by now, at the same address */
  const openExchange = async (): Promise<TestExchange> => {
    exchange ??= await startExchange(NOW, { archive: join(temp.path, 'vision'), port })
    port = Number(new URL(exchange.sandbox.urls.vision).port)
    return exchange
  }
  const publish = async (period: string, text: string) => {
    const form = period.length === 7 ? 'monthly' : 'daily'
    const path = join(temp.path, 'vision', `data/futures/um/${form}/${dataset}/BTCUSDT/BTCUSDT-${dataset}-${period}.zip`)
    await mkdir(dirname(path), { recursive: true })
    const { zip, checksum } = buildArchive(`BTCUSDT-${dataset}-${period}`, text)
    await writeFile(path, zip)
    await writeFile(`${path}.CHECKSUM`, checksum)
    await exchange?.[Symbol.asyncDispose]()
    exchange = undefined
  }
  const run = async (...args: string[]) => {
    const { env } = await openExchange()
    const { exit, stdout, stderr } = await runHere([...args, '--lake', temp.lake, '--json'], { env, stdin: 'BTCUSDT\n' })
    if (stdout === '') throw new Error(stderr)
    return { exit, told: JSON.parse(stdout) as Told }
  }
  const ingest = (start: string, end: string, ...more: string[]) =>
    run('ingest', '--universe', '-', '--market', 'um', '--data', dataset, '--start', start, '--end', end, ...more)
  const shard = async (day: string) => {
    const table = tableFromIPC(await readFile(join(temp.lake, `data/futures/um/daily/${dataset}/BTCUSDT/BTCUSDT-${dataset}-${day}.arrow`)))
    const [times, ids, prices] = ['sold_at', 'ticket_id', 'price'].map((name) => table.getChild(name)?.data[0]?.values as Iterable<unknown>)
    const minutes = [...(times as Iterable<bigint>)].map((us) => (Number(us) / 1000 - Date.parse(`${day}T00:00:00Z`)) / MINUTE_MS)
    const [idList, priceList] = [[...(ids as Iterable<bigint>)].map(Number), [...(prices as Iterable<number>)]]
    return minutes.map((minute, i) => [idList[i], minute, priceList[i]])
  }
  return {
    path: temp.path,
    lake: temp.lake,
    publish,
    /** the three days, but for those that are given */
    publishDays: async (others: Readonly<Record<string, readonly Ticket[]>> = {}) => {
      for (const day of DAYS) await publish(day, csvOf(day, others[day] ?? ticketsOf(day)))
    },
    run,
    env: async () => (await openExchange()).env,
    ingest,
    ingestAll: (...more: string[]) => ingest('2024-03-01', '2024-03-04', ...more),
    shard,
    gaps: () =>
      queryCatalog<{ start_us: number; end_us: number; bars: number }>(
        temp.lake,
        'SELECT start_us, end_us, bars FROM all_gaps ORDER BY start_us',
      ).map((gap) => ({
        from: new Date(gap.start_us / 1000).toISOString().slice(0, 16),
        to: new Date(gap.end_us / 1000).toISOString().slice(0, 16),
        rows: gap.bars,
      })),
    days: () =>
      queryCatalog<DayFacts>(
        temp.lake,
        'SELECT day, condition, rows, expected, revision, duplicates, conflicts FROM all_days ORDER BY day',
      ),
    [Symbol.asyncDispose]: async () => {
      await exchange?.[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}

/** What a call of the library does, of a data set that none of its options names yet: lake, then Vision. */
async function fetchRows(lake: string, env: Readonly<Record<string, string>>, [start, end]: readonly [string, string]) {
  const load = <Module>(path: string) => import(new URL(`../../dist/${path}`, import.meta.url).href) as Promise<Module>
  const { KlineReader } = await load<typeof Reader>('src/read/kline-reader.js')
  const { LakeAccess } = await load<typeof Access>('src/read/lake-access.js')
  const { createConnections } = await load<typeof Sources>('src/acquire/connections.js')
  const { connectionSettings } = await load<typeof SourceSettings>('src/acquire/rest/connection-settings.js')
  const logger = createLogger({ level: 'ERROR', destination: { write: () => true } })
  const { settings } = resolveSettings({ cwd: lake, env, flags: { lake } })
  const clockMs = () => Date.parse(NOW)
  const connections = createConnections({ ...connectionSettings(settings), clockMs, env, onMisplaced: () => undefined })
  const access = new LakeAccess(lake, logger)
  const reader = new KlineReader({
    ...{ connections, lake: access, concurrency: 2, nowMs: clockMs, logger },
    pool: () => sharedPool,
    origin: () => 'sandbox',
  })
  const steps: string[] = []
  try {
    const { block } = await reader.read(
      {
        series: { dataset: 'tickets', market: 'um', symbol: 'BTCUSDT', interval: '1h' },
        range: { startUs: Date.parse(start) * 1000, endUs: Date.parse(end) * 1000 },
        columns: null,
        allowsHoles: false,
        source: DataSource.AUTO,
        useCache: true,
        signal: new AbortController().signal,
        onStep: ({ source, rows }) => steps.push(`${source} ${rows}`),
        onProgress: () => undefined,
      },
      logger,
    )
    const ids: Columns = block
    return { steps, ids: Array.from(ids['ticket'] as BigInt64Array, Number) }
  } finally {
    await reader.drain()
    await Promise.all([connections.close(), access.close()])
  }
}

describe('a data set that is counted by its publisher, which this file alone describes', () => {
  beforeAll(async () => {
    const registry = (await import(new URL('../../dist/src/dataset/registry.js', import.meta.url).href)) as typeof Registry
    registry.registerDataset(TICKETS)
    registry.registerDataset(VOUCHERS)
  })

  test('is ingested with several rows of one time, verified, rebuilt from its shards, covered and exported', async () => {
    await using world = await serve()
    await world.publishDays()
    expect(await world.ingestAll()).toMatchObject({ exit: 0, told: { days: { complete: 3 }, stored: 3, rows: 72, problems: [] } })
    for (const day of DAYS) expect(await world.shard(day)).toEqual(ticketsOf(day))
    expect(await world.ingestAll()).toMatchObject({ exit: 0, told: { stored: 0, skipped: 3 } })
    const known = world.days()
    expect(known).toMatchObject(DAYS.map((day) => ({ day, condition: 'complete', rows: 24, expected: 24, revision: 1 })))
    await rm(join(world.lake, 'catalog.sqlite'))
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { shards: 3, adopted: 3, bad: [], foreign: [] } })
    expect(world.days()).toEqual(known)
    expect(await world.run('coverage')).toMatchObject({
      exit: 0,
      told: { series: [{ dataset: 'tickets', days: { complete: 3 }, rows: 72 }] },
    })
    const out = join(world.path, 'out')
    expect(await world.run('export', '--out', out, '--data', 'tickets', '--format', 'csv')).toMatchObject({ exit: 0 })
    const files = (await readdir(out, { recursive: true })).filter((name) => /tickets.*\.csv$/.test(name))
    expect(files).toHaveLength(1)
    const lines = (await readFile(join(out, files[0] ?? ''), 'utf8')).trim().split('\n')
    expect(lines[0]).toBe('sold_at,ticket_id,price')
    expect(lines.slice(1).map((line) => Number(line.split(',')[1]))).toEqual(Array.from({ length: 72 }, (_none, i) => 1000 + i))
  })

  test('is fetched by calls, those of one time too, from Vision and then from the lake; holes are told, also beside days of the lake', async () => {
    await using world = await serve()
    await world.publishDays({ '2024-03-03': without(ticketsOf('2024-03-03'), 1048, 1060) })
    expect((await world.ingest('2024-03-02', '2024-03-03')).exit).toBe(0)
    const fetch = async (start: string, end: string) => fetchRows(world.lake, await world.env(), [start, end])
    const idsFrom = (first: number, count: number) => Array.from({ length: count }, (_none, i) => first + i)
    expect(await fetch('2024-03-01T03:05Z', '2024-03-02T03:06Z')).toEqual({ steps: ['CACHE 24', 'VISION 24'], ids: idsFrom(1003, 27) })
    expect(await fetch('2024-03-01T03:05Z', '2024-03-01T03:06Z')).toEqual({ steps: ['CACHE 24'], ids: [1003, 1004, 1005] })
    await expect(fetch('2024-03-03T00:00Z', '2024-03-03T06:00Z')).rejects.toMatchObject({
      code: 'CKVD_PARTIAL',
      message: expect.stringContaining('id 1048') as string,
    })
    expect(world.days()[2]).toMatchObject({ condition: 'unexplainable', rows: 22, expected: 24 })
  })

  test('a hole inside a day is told with its count, place and ids, and stays told until the archive has the rows', async () => {
    await using world = await serve()
    await world.publishDays({ '2024-03-02': without(ticketsOf('2024-03-02'), 1030, 1031) })
    const { exit, told } = await world.ingestAll()
    expect({ exit, told }).toMatchObject({ exit: 3, told: { days: { complete: 2, unexplainable: 1 }, rows: 70 } })
    expect(told.problems).toMatchObject([{ dataset: 'tickets', day: '2024-03-02', condition: 'unexplainable' }])
    expect(told.problems[0]?.message).toMatch(/^2 of 24 .*ids 1030 to 1031\.$/)
    expect(world.gaps()).toEqual([{ from: '2024-03-02T03:05', to: '2024-03-02T06:05', rows: 2 }])
    expect((await world.ingestAll()).told.problems).toEqual(told.problems)
    expect(world.days()[1]).toMatchObject({ rows: 22, expected: 24, revision: 1 })
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { bad: [] } })
    expect((await world.run('coverage')).exit).toBe(3)
    await world.publish('2024-03-02', csvOf('2024-03-02', ticketsOf('2024-03-02')))
    expect(await world.ingestAll()).toMatchObject({ exit: 0, told: { days: { complete: 3 }, problems: [] } })
    expect(world.gaps()).toEqual([])
  })

  test('holes that share a time are one, and one of a single row has its id', async () => {
    await using world = await serve()
    await world.publishDays({ '2024-03-02': without(ticketsOf('2024-03-02'), 1025, 1028, 1040) })
    expect((await world.ingestAll()).told.problems[0]?.message).toMatch(/^3 of 24 /)
    // between the first and the third ticket of 00:05; between those of 03:05; between those of 15:05
    expect(world.gaps()).toEqual([
      { from: '2024-03-02T00:05', to: '2024-03-02T00:05', rows: 1 },
      { from: '2024-03-02T03:05', to: '2024-03-02T03:05', rows: 1 },
      { from: '2024-03-02T15:05', to: '2024-03-02T15:05', rows: 1 },
    ])
    await world.publish('2024-03-02', csvOf('2024-03-02', without(ticketsOf('2024-03-02'), 1025, 1026)))
    expect((await world.ingestAll()).told.problems[0]?.message).toMatch(/^2 of 24 .*ids 1025 to 1026\.$/)
    await world.publish('2024-03-02', csvOf('2024-03-02', without(ticketsOf('2024-03-02'), 1028, 1030)))
    expect((await world.ingestAll()).told.problems[0]?.message).toMatch(/^2 of 24 .*id 1028, id 1030\.$/)
    expect(world.gaps()).toEqual([{ from: '2024-03-02T03:05', to: '2024-03-02T06:05', rows: 2 }])
  })

  test('a hole between two days is told with the later one, again and again, and is gone when the rows are there', async () => {
    await using world = await serve()
    await world.publishDays({ '2024-03-02': without(ticketsOf('2024-03-02'), 1024, 1025, 1026) })
    const { exit, told } = await world.ingestAll()
    expect({ exit, told }).toMatchObject({ exit: 3, told: { days: { complete: 2, unexplainable: 1 } } })
    expect(told.problems).toMatchObject([{ day: '2024-03-02', condition: 'unexplainable' }])
    expect(told.problems[0]?.message).toMatch(/^3 of 24 .*ids 1024 to 1026\.$/)
    expect(world.gaps()).toEqual([{ from: '2024-03-02T00:00', to: '2024-03-02T03:05', rows: 3 }])
    expect((await world.ingestAll()).told.problems).toEqual(told.problems)
    expect(world.days().map(({ revision }) => revision)).toEqual([1, 1, 1])
    // what the shards say of themselves is enough
    await rm(join(world.lake, 'catalog.sqlite'))
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { adopted: 3, bad: [] } })
    expect(world.days()[1]).toMatchObject({ condition: 'partial', rows: 21, expected: 24 })
    expect((await world.ingestAll()).told.problems).toEqual(told.problems)
    expect(world.days()[1]).toMatchObject({ condition: 'unexplainable', rows: 21, expected: 24, revision: 1 })
    await world.publish('2024-03-02', csvOf('2024-03-02', ticketsOf('2024-03-02')))
    expect(await world.ingestAll()).toMatchObject({ exit: 0, told: { days: { complete: 3 } } })
  })

  test('of days that come one by one the one that comes is told, before or after the other; taken anew together, the later one', async () => {
    await using world = await serve()
    await world.publishDays({ '2024-03-01': without(ticketsOf('2024-03-01'), 1023), '2024-03-03': without(ticketsOf('2024-03-03'), 1048) })
    expect((await world.ingest('2024-03-02', '2024-03-03')).exit).toBe(0)
    expect((await world.ingest('2024-03-03', '2024-03-04')).told.problems).toMatchObject([{ day: '2024-03-03' }])
    expect(world.gaps()).toEqual([{ from: '2024-03-03T00:00', to: '2024-03-03T00:05', rows: 1 }])
    const before = await world.ingest('2024-03-01', '2024-03-02')
    expect(before.told.problems).toMatchObject([{ day: '2024-03-01' }])
    expect(before.told.problems[0]?.message).toMatch(/^1 of 24 .*id 1023\.$/)
    expect(world.gaps()[0]).toEqual({ from: '2024-03-01T21:05', to: '2024-03-02T00:00', rows: 1 })
    expect(world.days().map(({ condition }) => condition)).toEqual(['unexplainable', 'complete', 'unexplainable'])
    const told = async (...more: string[]) => (await world.ingestAll(...more)).told.problems
    // one problem of the series, with its days
    const [days, anew] = [/^2 days \(2024-03-01, 2024-03-03\), 2024-03-01 the first: 1 of 24 /, /^2 days \(2024-03-02\.\.2024-03-03\), /]
    expect(await told()).toMatchObject([{ day: null, days: 2, message: expect.stringMatching(days) as string }])
    expect(await told('--force')).toMatchObject([{ day: null, days: 2, message: expect.stringMatching(anew) as string }])
    expect(world.days().map(({ condition }) => condition)).toEqual(['complete', 'unexplainable', 'unexplainable'])
  })

  describe('in the archive of a month', () => {
    const days = Array.from({ length: 31 }, (_none, i) => `2024-01-${String(i + 1).padStart(2, '0')}`)
    /** two tickets a day, in one minute */
    const rowsOf = (day: string): Ticket[] => [0, 1].map((i): Ticket => [days.indexOf(day) * 2 + i, 60, 1])
    const monthOf = (...missing: number[]): string => {
      const lines = days.flatMap((day) =>
        csvOf(day, without(rowsOf(day), ...missing))
          .trim()
          .split('\n')
          .slice(1),
      )
      return ['sold_at,ticket_id,price', ...lines, ''].join('\n')
    }

    test('holes between its days are told with the later one; a day without a row lacks one at least', async () => {
      await using world = await serve()
      await world.publish('2024-01', monthOf(7, 20, 21))
      const { told } = await world.ingest('2024-01-01', '2024-02-01')
      expect(told).toMatchObject({ days: { complete: 29, unexplainable: 2 }, rows: 59 })
      expect(told.problems).toMatchObject([{ day: null, days: 2, condition: 'unexplainable' }])
      expect(told.problems[0]?.message).toMatch(/^2 days \(2024-01-05, 2024-01-11\), /)
      expect(world.gaps()).toEqual([
        { from: '2024-01-05T00:00', to: '2024-01-05T01:00', rows: 1 },
        { from: '2024-01-11T00:00', to: '2024-01-12T00:00', rows: 1 },
      ])
    })

    test('a ticket that the archive of its day has with another price is a contradiction, one that it has alone is none', async () => {
      await using world = await serve()
      await world.publish('2024-01', monthOf(19))
      await world.publish('2024-01-10', csvOf('2024-01-10', rowsOf('2024-01-10')))
      await world.publish('2024-01-20', csvOf('2024-01-20', [...rowsOf('2024-01-20').slice(0, 1), [39, 60, 2]]))
      const { exit, told } = await world.ingest('2024-01-01', '2024-02-01', '--cross-check')
      expect({ exit, told }).toMatchObject({ exit: 3, told: { days: { complete: 30, partial: 1 }, rows: 62 } })
      expect(told.problems).toMatchObject([{ day: '2024-01-20', condition: 'partial' }])
      expect(told.problems[0]?.message).toContain('the daily archive and the monthly archive contradict each other')
    })
  })

  test('rows that are there twice collapse; one id with two contents is a contradiction, and told', async () => {
    await using world = await serve()
    const tickets = ticketsOf('2024-03-02')
    const twice: Ticket[] = [...tickets, ...tickets.slice(0, 5)]
    await world.publishDays({ '2024-03-02': twice, '2024-03-03': [...ticketsOf('2024-03-03'), [1050, 900, 7.5]] })
    const { exit, told } = await world.ingestAll()
    expect({ exit, told }).toMatchObject({ exit: 0, told: { days: { complete: 3 }, rows: 72 } })
    expect(world.days()).toMatchObject([{}, { rows: 24, duplicates: 5, conflicts: 0 }, { rows: 24, duplicates: 0, conflicts: 1 }])
    expect(await world.shard('2024-03-02')).toEqual(tickets)
    const third = await world.shard('2024-03-03')
    expect(third.filter(([id]) => id === 1050)).toEqual([[1050, 900, 7.5]])
    expect(third.map(([, minute]) => minute)).toEqual(third.map(([, minute]) => minute).sort((a, b) => Number(a) - Number(b)))
    expect(told['differences']).toMatchObject([{ day: '2024-03-03', conflicts: 1 }])
    expect(JSON.stringify(told['differences'])).toContain('id 1050')
    expect(await world.run('verify')).toMatchObject({ exit: 0, told: { bad: [] } })
  })

  test('where REST could tell and is off, a hole makes the day partial', async () => {
    await using world = await serve('vouchers')
    await world.publishDays({ '2024-03-02': without(ticketsOf('2024-03-02'), 1024, 1030), '2024-03-03': ticketsOf('2024-03-03') })
    const { exit, told } = await world.ingestAll('--no-rest')
    expect({ exit, told }).toMatchObject({ exit: 3, told: { days: { complete: 2, partial: 1 } } })
    expect(told.problems[0]?.message).toMatch(/^2 of 24 /)
    expect(world.gaps().map(({ rows }) => rows)).toEqual([1, 1])
    expect((await world.ingestAll('--no-rest')).told.problems).toEqual(told.problems)
    expect(world.days()[1]).toMatchObject({ condition: 'partial', rows: 22, expected: 24, revision: 1 })
  })
})
