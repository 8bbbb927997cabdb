import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CommandResult } from '../support/ckvd.ts'
import { jsonOf } from '../support/ckvd.ts'
import type { BucketArchive, World } from '../support/cases.ts'
import { createWorld, csvRows, daysBetween, HOUR_MS, MINUTE_MS } from '../support/cases.ts'
import { readWithPolars, SHARD_SCHEMA } from '../support/foreign-reader.ts'
import { library } from '../support/library.ts'
import { listFiles } from '../support/temp-lake.ts'
import { runHere as runOnTerminal } from '../unit/cli/support.ts'

interface Summary {
  readonly exit: number
  readonly series: readonly {
    readonly market: string
    readonly symbol: string
    readonly bars: { readonly complete: number; readonly outage: number; readonly incomplete: number }
    readonly unexplained: readonly { readonly day: string; readonly condition: string }[]
    readonly check: {
      readonly compared: number
      readonly equal: number
      readonly not_comparable: number
      readonly differences: readonly Record<string, unknown>[]
    } | null
  }[]
}

const resample = (world: World, ...args: string[]): Promise<CommandResult> => world.ckvd(['resample', ...args])
const check = async (world: World, ...args: string[]): Promise<Summary> =>
  jsonOf(await resample(world, ...args, '--check', '--json')) as Summary

describe('the sandbox, whose intervals agree with each other', () => {
  let world: World

  beforeAll(async () => {
    const market = { firstDay: '2023-12-20', opensAt: '08:30' } as const
    world = await createWorld({
      now: '2024-02-20T12:00:00Z',
      markets: [
        { market: 'spot', symbol: 'BTCUSDT', ...market },
        { market: 'um', symbol: 'ETHUSDT', ...market },
        { market: 'cm', symbol: 'BTCUSD_PERP', ...market },
      ],
      faults: [{ kind: 'outage', market: 'spot', symbol: 'BTCUSDT', from: '2024-01-10T03:41:00Z', to: '2024-01-10T05:07:00Z' }],
    })
    const intervals = '1m,3m,5m,1h,4h,1d,3d,1w,1M'
    for (const [name, symbol] of [
      ['spot', 'BTCUSDT'],
      ['um', 'ETHUSDT'],
      ['cm', 'BTCUSD_PERP'],
    ] as const)
      expect(await world.ingest({ market: name, symbols: [symbol], intervals, end: '2024-02-20' })).toMatchObject({ exit: 0 })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  test.each([
    // bars that open in 62 days, the first of them from 08:30 on; bars of which the outage from 03:41 to 05:07 took a part
    ['1m', '3m', 310 + 61 * 480, 2],
    ['1m', '1h', 16 + 61 * 24, 2],
    ['1m', '1d', 62, 1],
    ['1m', '3d', 21, 1],
    ['1m', '1w', 10, 1],
    ['1m', '1M', 3, 1],
    ['5m', '4h', 4 + 61 * 6, 2],
    ['1h', '3d', 21, 1],
    ['1d', '1w', 10, 0],
    ['1d', '1M', 3, 0],
  ])('%s made into %s is the exchange’s own, bar by bar, in all three markets', async (from, to, bars, outages) => {
    const { exit, series } = await check(world, '--from', from, '--to', to)
    expect([exit, series.map(({ market }) => market)]).toEqual([0, ['spot', 'um', 'cm']])
    for (const { market, bars: counts, check: result } of series) {
      expect(result?.differences.filter(({ kind }) => kind !== 'rounding')).toEqual([])
      expect(result?.equal).toBe(result?.compared)
      // um and cm have no outage
      if (market !== 'spot') expect([counts.complete + counts.incomplete, counts.outage]).toEqual([bars, 0])
      else expect(counts.outage).toBe(outages)
      // chunks of a month that is not over are not in the lake
      expect(result?.compared).toBeGreaterThanOrEqual(counts.complete + counts.outage - 9)
      expect(result?.compared).toBeGreaterThan(0)
    }
  })

  test('rows of nulls in a table of the library are missing bars', async () => {
    await using client = library.CryptoKlineVisionData.create(library.DataProvider.BINANCE, library.MarketType.SPOT, { lake: world.lake })
    const table = await client.getData({
      symbol: 'BTCUSDT',
      startTime: '2024-01-10T00:00:00Z',
      endTime: '2024-01-11T00:00:00Z',
      interval: library.Interval.MINUTE_1,
      enforceSource: library.DataSource.CACHE,
      autoReindex: true,
    })
    expect([table.numRows, table.getChild('open')?.nullCount]).toEqual([1440, 86])
    const hours = library.resample(table, { to: library.Interval.HOUR_1 })
    // 04:00 has no minute, 03:00 and 05:00 have some
    expect(hours.numRows).toBe(21)
    expect(JSON.parse(hours.schema.metadata.get('ckvd.incomplete') ?? '')).toMatchObject([{ bars: 41 }, { bars: 53 }])
  })
})

/** Two days of real-looking bars, in two lengths; `edit` changes the CSV of the hours. */
function archives(edit: (csv: string) => string = (csv) => csv): BucketArchive[] {
  return daysBetween('2024-01-01', '2024-01-03').flatMap((period) => {
    const minutes = csvRows(`${period}T00:00Z`, new Date(Date.parse(period) + 24 * HOUR_MS).toISOString(), MINUTE_MS)
    const hours = Array.from({ length: 24 }, (_none, hour) => hourOf(minutes.split('\n').slice(hour * 60, hour * 60 + 60))).join('')
    return [
      { symbol: 'AAAUSDT', interval: '1m', period, csv: minutes },
      { symbol: 'AAAUSDT', interval: '1h', period, csv: period === '2024-01-02' ? edit(hours) : hours },
    ]
  })
}

/** The hour of sixty CSV lines, by whole numbers of the last decimal. */
function hourOf(lines: readonly string[]): string {
  const rows = lines.map((line) => line.split(','))
  const units = (text: string): bigint => BigInt(text.replace('.', ''))
  const text = (value: bigint): string => `${value / 100_000_000n}.${String(value % 100_000_000n).padStart(8, '0')}`
  const sum = (column: number): string => text(rows.reduce((total, row) => total + units(row[column]!), 0n))
  const sorted = (column: number): string[] => rows.map((row) => row[column]!).sort((a, b) => Number(a) - Number(b))
  const [first, last] = [rows[0]!, rows.at(-1)!]
  const count = rows.reduce((total, row) => total + Number(row[8]), 0)
  const prices = [first[1], sorted(2).at(-1), sorted(3)[0], last[4]]
  return `${[first[0], ...prices, sum(5), last[6], sum(7), count, sum(9), sum(10), 0].join(',')}\n`
}

describe('ckvd resample', () => {
  let world: World

  beforeAll(async () => {
    world = await createWorld({ now: '2024-01-04T12:00:00Z', bucket: archives() })
    expect(await world.ingest({ symbols: ['AAAUSDT'], intervals: '1m,1h', end: '2024-01-03' })).toMatchObject({ exit: 0 })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  test('prints bars for people, and how many are complete; nothing is stored in the lake', async () => {
    const before = await listFiles(join(world.lake, 'data'))
    const { exit, stdout, stderr } = await resample(world, 'aaausdt', '--to', '1h', '--format', 'table')
    expect(exit).toBe(0)
    expect(stdout).toMatch(/^market {2}symbol +open_time +open/)
    expect(stdout.match(/2024-01-0\dT\d\d:00:00\.000000Z/g)).toHaveLength(48)
    expect(stderr).toMatch(/^series +complete +outage +incomplete\nspot AAAUSDT 1h +48 +0 +0\n1h made of 1m\. All smaller bars/m)
    expect(await listFiles(join(world.lake, 'data'))).toEqual(before)
  })

  test('a narrow terminal is shown what people look at, and told what it is not', async () => {
    const { exit, stdout } = await runOnTerminal(['resample', 'AAAUSDT', '--to', '12h'], {
      cwd: world.folder,
      env: world.env,
      terminal: true,
    })
    expect(exit).toBe(0)
    expect(stdout).toContain('│ AAAUSDT │ 2024-01-01T00:00:00.000000Z │')
    expect(stdout).toContain('4 bars, 6 of 13 columns shown; --out FILE.csv has all')
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  })

  test('CSV, JSON and Arrow hold the same bars, which are the hours of the archive', async () => {
    const csv = await resample(world, 'AAAUSDT', '--to', '1h', '--format', 'csv', '--end', '2024-01-02')
    const json = await resample(world, 'AAAUSDT', '--to', '1h', '--format', 'json', '--end', '2024-01-02')
    const path = join(world.folder, 'bars.arrow')
    const arrow = await resample(world, 'AAAUSDT', '--to', '1h', '--format', 'arrow', '--out', path, '--end', '2024-01-02', '--json')
    expect([csv.exit, json.exit, arrow.exit]).toEqual([0, 0, 0])
    expect(jsonOf(arrow)).toMatchObject({ command: 'resample', from: '1m', to: '1h', out: path, series: [{ bars: { complete: 24 } }] })

    const objects = JSON.parse(json.stdout) as Record<string, string | number>[]
    const [head = '', ...lines] = csv.stdout.trimEnd().split('\n')
    expect(head).toBe(Object.keys(objects[0]!).join(','))
    expect(lines).toEqual(objects.map((object) => Object.values(object).join(',')))

    const bytes = await readFile(path)
    const seen = readWithPolars(bytes)
    expect(seen.schema.slice(2)).toEqual(SHARD_SCHEMA)
    expect([seen.rows, seen.nulls]).toEqual([24, 0])
    const table = tableFromIPC(bytes)
    expect([table.schema.metadata.get('ckvd.interval'), table.schema.metadata.get('ckvd.resampled_from')]).toEqual(['1h', '1m'])
    expect([...(table.getChild('symbol') as Iterable<string>)]).toEqual(Array.from({ length: 24 }, () => 'AAAUSDT'))
    const exchange = (await world.bars('AAAUSDT', '1h')).slice(0, 24)
    const names = table.schema.fields.map(({ name }) => name).slice(2)
    const cells = Array.from({ length: 24 }, (_none, row) =>
      names.map((name) => (table.getChild(name)?.data[0]?.values as Float64Array)[row]),
    )
    expect(cells).toEqual(exchange)
    expect(objects.map((object) => object['volume'])).toEqual(exchange.map((bar) => bar[5]))
  })

  test('--incomplete adds bars with missing ones, marked; they are left out otherwise', async () => {
    const week = ['AAAUSDT', '--to', '1w', '--format', 'json']
    expect(JSON.parse((await resample(world, ...week)).stdout)).toEqual([])
    expect(JSON.parse((await resample(world, ...week, '--incomplete')).stdout)).toMatchObject([
      { open_time: '2024-01-01T00:00:00.000000Z', close_time: '2024-01-07T23:59:59.999000Z', bars: 2880, expected_bars: 10_080 },
    ])
    // a bar opens in the range and is made of bars after it, too
    const days = await resample(world, 'AAAUSDT', '--to', '12h', '--format', 'json', '--start', '2024-01-01', '--end', '2024-01-02')
    expect((JSON.parse(days.stdout) as unknown[]).length).toBe(2)
  })

  test.each([
    [['--to', '7m'], /Expected `--to` to be one of 1s, 1m, .*got "7m"/],
    [['--from', '3m', '--to', '5m'], /Expected an interval that is made of whole bars of 3m, got 5m/],
    [[], /Expected `--to NAME`, got nothing/],
    [['BBBUSDT', '--to', '1h'], /Expected 1m bars of BBBUSDT in the lake .*found none.*ckvd ingest --intervals 1m/],
    [['--to', '1h', '--format', 'arrow'], /Expected `--out FILE` with `--format arrow`/],
    [['--to', '1h', '--start', '2024-01-02', '--end', '2024-01-02'], /Expected `--start` before `--end`/],
  ])('refuses %j', async (args, message) => {
    const { exit, stdout, stderr } = await resample(world, ...args)
    expect([exit, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(message)
  })

  test('an output in the lake is refused, one that cannot be written as well, and what fails leaves no file', async () => {
    const inside = join(world.lake, 'data/spot/daily/klines/AAAUSDT/2h.csv')
    const first = await resample(world, '--to', '2h', '--format', 'csv', '--out', inside)
    expect([first.exit, first.stderr]).toEqual([2, expect.stringContaining('outside of the lake')])
    const over = await resample(world, '--to', '2h', '--format', 'csv', '--out', join(world.lake, 'lake.json'))
    expect([over.exit, over.stderr]).toEqual([2, expect.stringContaining('outside of the lake')])
    const second = await resample(world, '--to', '2h', '--format', 'csv', '--out', join(world.folder, 'no/such/folder.csv'))
    expect([second.exit, second.stderr]).toEqual([
      4,
      expect.stringMatching(/CKVD_REPORT_IO: .*there is no such file or directory \(ENOENT\)/),
    ])
    expect((await listFiles(world.folder)).filter((name) => /2h|folder|tmp$/.test(name))).toEqual([])
  })

  test('a table of the library gives the same bars, its gaps are missing bars, and its columns may be few', async () => {
    await using client = library.CryptoKlineVisionData.create(library.DataProvider.BINANCE, library.MarketType.SPOT, {
      lake: world.lake,
    })
    const request = {
      symbol: 'AAAUSDT',
      startTime: '2024-01-01T00:07:00Z',
      endTime: '2024-01-02T00:00:00Z',
      enforceSource: library.DataSource.CACHE,
    }
    const table = await client.getData({ ...request, interval: library.Interval.MINUTE_1 })
    const hours = library.resample(table, { to: library.Interval.HOUR_1 })
    const exchange = (await world.bars('AAAUSDT', '1h')).slice(1, 24)
    expect([hours.numRows, hours.schema.metadata.get('ckvd.interval')]).toEqual([23, '1h'])
    expect(JSON.parse(hours.schema.metadata.get('ckvd.incomplete') ?? '')).toEqual([
      { open_time: 1_704_067_200_000_000, bars: 53, expected: 60 },
    ])
    expect([...(hours.getChild('volume')?.data[0]?.values as Float64Array)]).toEqual(exchange.map((bar) => bar[5]))
    const all = library.resample(table, { to: library.Interval.HOUR_1, includeIncomplete: true })
    expect([all.numRows, all.getChild('bars')?.get(0), all.getChild('expected_bars')?.get(0)]).toEqual([24, 53, 60])

    const columns = await client.getColumns({ ...request, interval: library.Interval.MINUTE_1, columns: ['open_time', 'close'] })
    const few = library.resample(columns, { from: library.Interval.MINUTE_1, to: library.Interval.HOUR_1 })
    expect(Object.keys(few.columns)).toEqual(['open_time', 'close'])
    expect([...few.columns.close]).toEqual(exchange.map((bar) => bar[4]))
    expect(() => library.resample(columns, { to: library.Interval.HOUR_1 })).toThrow(/Expected `from`/)
    for (const [given, options, message] of [
      [{}, { to: '1h' }, /Expected an Arrow Table, or what `getColumns` gives/],
      [null, { to: '1h' }, /Expected an Arrow Table/],
      [{ columns: 3 }, { to: '1h' }, /Expected an Arrow Table/],
      [{ columns: null }, { to: '1h' }, /Expected an Arrow Table/],
      [{ columns: {} }, { from: '1m', to: '1h' }, /Expected the column open_time/],
      [table, undefined, /Expected options with `to`/],
      [table, {}, /Expected `to` to be one of/],
    ] as [never, never, RegExp][])
      expect(() => library.resample(given, options) as unknown).toThrow(
        expect.objectContaining({ code: 'CKVD_USAGE', message: expect.stringMatching(message) as string }) as Error,
      )
    expect(() => library.resample(hours, { to: library.Interval.MINUTE_5 })).toThrow(
      expect.objectContaining({ code: 'CKVD_USAGE' }) as Error,
    )
  })
})

describe('--check', () => {
  test('lists every cell that differs, bars that only one side has, and bars off the grid: exit 3', async () => {
    // of the second day: one more trade at 05:00, no 07:00, and 09:00 opens half a second late
    const edit = (csv: string): string => {
      const lines = csv.trimEnd().split('\n')
      lines[5] = lines[5]!.split(',').with(8, '1021').join(',')
      lines[9] = lines[9]!.replace(/^(\d{10})000,/, '$1500,')
      return `${lines.toSpliced(7, 1).join('\n')}\n`
    }
    await using world = await createWorld({ now: '2024-01-04T12:00:00Z', bucket: archives(edit) })
    expect(await world.ingest({ symbols: ['AAAUSDT'], intervals: '1m,1h', end: '2024-01-03' })).toMatchObject({ exit: 0 })
    const { exit, series } = await check(world, 'AAAUSDT', '--to', '1h')
    expect([exit, series[0]?.check]).toEqual([
      3,
      {
        compared: 48,
        equal: 45,
        not_comparable: 0,
        differences: [
          { kind: 'value', open_time: '2024-01-02T05:00:00.000000Z', column: 'count', resampled: 1020, exchange: 1021 },
          { kind: 'only-resampled', open_time: '2024-01-02T07:00:00.000000Z', column: null, resampled: null, exchange: null },
          {
            kind: 'off-grid',
            open_time: '2024-01-02T09:00:00.000000Z',
            column: 'open_time',
            resampled: '2024-01-02T09:00:00.000000Z',
            exchange: '2024-01-02T09:00:00.500000Z',
          },
        ],
      },
    ])
    const text = await resample(world, 'AAAUSDT', '--to', '1h', '--check')
    expect([text.exit, text.stdout]).toEqual([
      3,
      expect.stringMatching(/^3 differences:\n.*count: 1020 resampled, 1021 of the exchange\n/m),
    ])
    expect(text.stdout).toMatch(/3 of 48 compared bars differ\..*\(exit 3\)\n$/)
    // the first day alone has none
    expect(await check(world, 'AAAUSDT', '--to', '1h', '--end', '2024-01-02')).toMatchObject({
      exit: 0,
      series: [{ check: { equal: 24 } }],
    })
  })

  test('a bar of the exchange where no smaller one exists is a difference when that is known, and not comparable when it is not', async () => {
    const bucket = archives().map((archive) =>
      archive.interval === '1m' && archive.period === '2024-01-01'
        ? { ...archive, csv: archive.csv.split('\n').toSpliced(180, 60).join('\n') }
        : archive,
    )
    await using world = await createWorld({ now: '2024-01-04T12:00:00Z', bucket })
    const ask = { symbols: ['AAAUSDT'], intervals: '1m,1h', end: '2024-01-03' }
    expect(await world.ingest({ ...ask, flags: ['--no-rest'] })).toMatchObject({ exit: 3 })
    const unknown = await check(world, 'AAAUSDT', '--to', '1h')
    expect([unknown.exit, unknown.series[0]?.unexplained, unknown.series[0]?.check]).toMatchObject([
      3,
      [{ day: '2024-01-01', condition: 'partial' }],
      { compared: 47, equal: 47, not_comparable: 1, differences: [] },
    ])
    expect((await resample(world, 'AAAUSDT', '--to', '1h')).stderr).toMatch(
      /1 day of smaller bars is not explained:\n {2}spot AAAUSDT 1m {2}2024-01-01 {2}partial: CKVD_PARTIAL: REST is off/,
    )
    // REST has none either: an outage of the minutes
    expect(await world.ingest(ask)).toMatchObject({ exit: 0 })
    const known = await check(world, 'AAAUSDT', '--to', '1h')
    expect([known.exit, known.series[0]?.check?.differences]).toMatchObject([
      3,
      [{ kind: 'only-exchange', open_time: '2024-01-01T03:00:00.000000Z' }],
    ])
  })

  test('a shard that was altered is no source: exit 3, and no output', async () => {
    await using world = await createWorld({ now: '2024-01-04T12:00:00Z', bucket: archives() })
    await world.ingest({ symbols: ['AAAUSDT'], intervals: '1m', end: '2024-01-03' })
    const path = join(world.lake, 'data/spot/daily/klines/AAAUSDT/1m/AAAUSDT-1m-2024-01-02.arrow')
    const bytes = await readFile(path)
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(path, bytes)
    const { exit, stderr } = await resample(world, 'AAAUSDT', '--to', '1h', '--format', 'csv', '--out', join(world.folder, 'out.csv'))
    expect([exit, stderr]).toEqual([3, expect.stringMatching(/CKVD_SHARD_DIGEST.*2024-01-02/)])
    expect((await listFiles(world.folder)).filter((name) => name.includes('out.csv'))).toEqual([])
  })
})
