import { describe, expect, test } from 'vitest'
import { ingestResult, jsonOf } from '../support/ckvd.ts'
import { createTickWorld, readSample, sampleDays } from '../support/ticks.ts'

/*
 * Bars by time, by count and by amount, made of real trades and aggregates, beside bars that are made here of the text of the same files, with
 * decimals as whole numbers.
 */

const NOW = '2026-06-01T12:00:00Z'
const SCALE = 100_000_000n

/** A decimal of at most eight places, in its last place. */
function unitsOf(text: string): bigint {
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(whole) * SCALE + BigInt(fraction.padEnd(8, '0'))
}

interface Row {
  readonly timeMs: number
  readonly price: number
  readonly quantity: bigint
  readonly value: bigint
  readonly trades: number
  readonly isTakerBuyer: boolean
}

/** Rows of trades: id, price, qty, quote_qty, time, is_buyer_maker, is_best_match. */
function tradesOf(csv: string): Row[] {
  return linesOf(csv).map(([, price = '', qty = '', quote = '', time, maker = '']) => ({
    ...{ timeMs: Number(time), price: Number(price), quantity: unitsOf(qty), value: unitsOf(quote), trades: 1 },
    isTakerBuyer: maker.toLowerCase() === 'false',
  }))
}

/** Rows of aggregates: id, price, quantity, first and last id, time, is_buyer_maker, is_best_match. */
function aggregatesOf(csv: string): Row[] {
  return linesOf(csv).map(([, price = '', quantity = '', first, last, time, maker = '']) => ({
    ...{ timeMs: Number(time), price: Number(price), quantity: unitsOf(quantity), value: (unitsOf(price) * unitsOf(quantity)) / SCALE },
    ...{ trades: Number(last) - Number(first) + 1, isTakerBuyer: maker.toLowerCase() === 'false' },
  }))
}

function linesOf(csv: string): string[][] {
  return csv
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.split(','))
}

const numberOf = (units: bigint): number => Number(`${units / SCALE}.${String(units % SCALE).padStart(8, '0')}`)

/** Bars of rows that `isEnd` cuts: true of a row with which, or `isNext` of one before which, a bar ends. */
function barsOf(rows: readonly Row[], isEnd: (bar: readonly Row[]) => boolean, isNext: (bar: readonly Row[], row: Row) => boolean) {
  const bars: Row[][] = []
  let bar: Row[] = []
  for (const row of rows) {
    if (bar.length > 0 && isNext(bar, row)) {
      bars.push(bar)
      bar = []
    }
    bar.push(row)
    if (!isEnd(bar)) continue
    bars.push(bar)
    bar = []
  }
  return { whole: bars, rest: bar }
}

const sum = (rows: readonly Row[], pick: (row: Row) => bigint): bigint => rows.reduce((total, row) => total + pick(row), 0n)

/** What a bar must be, as the cells of a CSV: open, high, low, close, volume, quote volume, count, taker volumes. */
function cellsOf(bar: readonly Row[]): number[] {
  const prices = bar.map(({ price }) => price)
  const takers = bar.filter(({ isTakerBuyer }) => isTakerBuyer)
  const [first, last] = [prices[0] as number, prices.at(-1) as number]
  return [
    ...[first, Math.max(...prices), Math.min(...prices), last],
    ...[numberOf(sum(bar, ({ quantity }) => quantity)), numberOf(sum(bar, ({ value }) => value))],
    bar.reduce((total, { trades }) => total + trades, 0),
    ...[numberOf(sum(takers, ({ quantity }) => quantity)), numberOf(sum(takers, ({ value }) => value))],
  ]
}

interface Told {
  readonly openMs: number
  readonly closeUs: number
  readonly cells: number[]
}

function toldOf(csv: string): Told[] {
  return csv
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [, , open = '', o, h, l, c, volume, close = '', quote, count, taker, takerQuote] = line.split(',')
      const closeUs = Date.parse(`${close.slice(0, 23)}Z`) * 1000 + Number(close.slice(23, 26))
      return { openMs: Date.parse(open), closeUs, cells: [o, h, l, c, volume, quote, count, taker, takerQuote].map(Number) }
    })
}

const never = (): boolean => false

describe('bars of a size', () => {
  test('of real trades are what their text says, by count, by amount and by time; the last one, which is not full, is told apart', async () => {
    await using world = await createTickWorld(NOW)
    const days = (await sampleDays('AVAXBUSD-trades')).slice(0, 2)
    const rows: Row[] = []
    for (const day of days) {
      const csv = await readSample(`AVAXBUSD-trades-${day}`)
      await world.publish('spot', 'trades', 'AVAXBUSD', day, csv)
      rows.push(...tradesOf(csv))
    }
    const range = ['--start', '2022-10-01', '--end', '2022-10-03']
    const told = ingestResult(await world.run('ingest', 'AVAXBUSD', '--data', 'trades', ...range, '--json', '--quiet'))
    expect(told).toMatchObject({ exit: 0, rows: rows.length })
    const atLeast = (amount: bigint, pick: (row: Row) => bigint) => (bar: readonly Row[]) => sum(bar, pick) >= amount
    const slotOf = (ms: number, { timeMs }: Row): number => Math.floor(timeMs / ms)
    const sizes = [
      ['1000trades', barsOf(rows, (bar) => bar.length >= 1000, never)],
      [
        '500AVAX',
        barsOf(
          rows,
          atLeast(500n * SCALE, ({ quantity }) => quantity),
          never,
        ),
      ],
      [
        '25000.5BUSD',
        barsOf(
          rows,
          atLeast(unitsOf('25000.5'), ({ value }) => value),
          never,
        ),
      ],
      ['7m', barsOf(rows, never, (bar, row) => slotOf(420_000, bar[0] as Row) !== slotOf(420_000, row))],
    ] as const
    for (const [size, { whole, rest }] of sizes) {
      const out = await world.run('resample', 'AVAXBUSD', '--by', size, ...range, '--format', 'csv')
      expect(out.exit).toBe(0)
      // the grid of seven minutes does not begin with the day
      const expected =
        size === '7m'
          ? whole.filter(([first]) => Math.floor((first as Row).timeMs / 420_000) * 420_000 >= Date.parse('2022-10-01T00:00Z'))
          : whole
      const bars = toldOf(out.stdout)
      expect(bars.map(({ cells }) => cells)).toEqual(expected.map(cellsOf))
      expect(expected.length).toBeGreaterThan(20)
      const times = expected.map((bar) => {
        const [first, last] = [bar[0] as Row, bar.at(-1) as Row]
        const openMs = Math.floor(first.timeMs / 420_000) * 420_000
        return size === '7m' ? { openMs, closeUs: (openMs + 420_000) * 1000 - 1 } : { openMs: first.timeMs, closeUs: last.timeMs * 1000 }
      })
      expect(bars.map(({ openMs, closeUs }) => ({ openMs, closeUs }))).toEqual(times)
      const summary = jsonOf(
        await world.run('resample', 'AVAXBUSD', '--by', size, ...range, '--json', '--out', `${world.path}/${size}.csv`, '--incomplete'),
      )
      expect(summary).toMatchObject({ exit: 0, from: 'trades', to: size, series: [{ bars: { complete: expected.length, outage: 0 } }] })
      expect(rest.length).toBeGreaterThan(0)
    }
  })

  test('of aggregates they count trades, and are worth their quantity at their price', async () => {
    await using world = await createTickWorld(NOW)
    const csv = await readSample('AVAXBUSD-aggTrades-2023-10-15')
    await world.publish('spot', 'aggTrades', 'AVAXBUSD', '2023-10-15', csv)
    await world.run('ingest', 'AVAXBUSD', '--data', 'aggTrades', '--start', '2023-10-15', '--end', '2023-10-16', '--quiet')
    const count = (bar: readonly Row[]): number => bar.reduce((total, { trades }) => total + trades, 0)
    const { whole } = barsOf(aggregatesOf(csv), (bar) => count(bar) >= 100, never)
    const out = await world.run('resample', 'AVAXBUSD', '--data', 'aggTrades', '--by', '100trades', '--format', 'csv')
    expect(toldOf(out.stdout).map(({ cells }) => cells)).toEqual(whole.map(cellsOf))
    expect(whole.length).toBeGreaterThan(10)
    const hours = await world.run('resample', 'AVAXBUSD', '--data', 'aggTrades', '--to', '1h', '--format', 'csv')
    expect(toldOf(hours.stdout).reduce((total, { cells }) => total + (cells[6] ?? 0), 0)).toBe(count(aggregatesOf(csv)))
  })

  test('no whole one reaches over a hole: neither over a day that is not there nor over ids that are missing', async () => {
    await using world = await createTickWorld(NOW)
    const [first = '', second = '', third = ''] = await sampleDays('AVAXBUSD-trades')
    const csvs = await Promise.all([first, second, third].map((day) => readSample(`AVAXBUSD-trades-${day}`)))
    const lines = (csvs[0] as string).trimEnd().split('\n')
    const holed = [...lines.slice(0, 5000), ...lines.slice(5010)]
    await world.publish('spot', 'trades', 'AVAXBUSD', first, `${holed.join('\n')}\n`)
    await world.publish('spot', 'trades', 'AVAXBUSD', third, csvs[2] as string)
    const range = ['--start', first, '--end', '2022-10-04']
    expect(ingestResult(await world.run('ingest', 'AVAXBUSD', '--data', 'trades', ...range, '--json', '--quiet'))).toMatchObject({
      exit: 3,
    })
    const parts = [tradesOf(holed.slice(0, 5000).join('\n')), tradesOf(holed.slice(5000).join('\n')), tradesOf(csvs[2] as string)]
    const expected = parts.flatMap((rows) => barsOf(rows, (bar) => bar.length >= 300, never).whole)
    const out = await world.run('resample', 'AVAXBUSD', '--by', '300trades', ...range, '--format', 'csv')
    expect(out).toMatchObject({ exit: 3, stderr: expect.stringContaining('Some trades are missing without explanation') as string })
    expect(toldOf(out.stdout).map(({ cells }) => cells)).toEqual(expected.map(cellsOf))
    // by time the bar with the hole is left out, and those of the day that is not there
    const minutes = toldOf((await world.run('resample', 'AVAXBUSD', '--data', 'trades', '--to', '1m', ...range, '--format', 'csv')).stdout)
    const holeMs = Math.floor((parts[1]?.[0]?.timeMs ?? 0) / 60_000) * 60_000
    expect(minutes.some(({ openMs }) => openMs === holeMs)).toBe(false)
    expect(minutes.some(({ openMs }) => openMs === holeMs + 120_000 || openMs === holeMs + 180_000)).toBe(true)
    expect(minutes.every(({ openMs }) => new Date(openMs).toISOString().slice(0, 10) !== second)).toBe(true)
  })

  test('a hole between two days is in bars of both, with whichever of them it is told, and a day that has not come is one', async () => {
    const [first = '', second = '', third = ''] = await sampleDays('AVAXBUSD-trades')
    const [one = '', two = '', three = ''] = await Promise.all([first, second, third].map((day) => readSample(`AVAXBUSD-trades-${day}`)))
    const cut = (csv: string, from: number, to: number): string => {
      const lines = csv.trimEnd().split('\n')
      return `${lines.slice(Math.floor(from * lines.length), Math.floor(to * lines.length)).join('\n')}\n`
    }
    const bars = async (world: Awaited<ReturnType<typeof createTickWorld>>, ...args: string[]) => {
      const told = await world.run('resample', 'AVAXBUSD', '--data', 'trades', ...args, '--format', 'csv')
      return { exit: told.exit, days: toldOf(told.stdout).map(({ openMs }) => new Date(openMs).toISOString().slice(0, 10)) }
    }
    // the end of a day is missing: it is told with the day after it
    await using endless = await createTickWorld(NOW)
    await endless.publish('spot', 'trades', 'AVAXBUSD', first, cut(one, 0, 0.4))
    await endless.publish('spot', 'trades', 'AVAXBUSD', second, two)
    await endless.run('ingest', 'AVAXBUSD', '--data', 'trades', '--start', first, '--end', third, '--quiet')
    expect(await bars(endless, '--to', '1d', '--start', first, '--end', second)).toEqual({ exit: 3, days: [] })
    expect(await bars(endless, '--to', '1d', '--start', first, '--end', third)).toEqual({ exit: 3, days: [] })
    // the beginning of a day is missing: it is told with the day before it, which came later
    await using headless = await createTickWorld(NOW)
    await headless.publish('spot', 'trades', 'AVAXBUSD', first, one)
    await headless.publish('spot', 'trades', 'AVAXBUSD', second, cut(two, 0.4, 1))
    await headless.run('ingest', 'AVAXBUSD', '--data', 'trades', '--start', second, '--end', third, '--quiet')
    await headless.run('ingest', 'AVAXBUSD', '--data', 'trades', '--start', first, '--end', second, '--quiet')
    expect((await bars(headless, '--to', '1d', '--start', first, '--end', third)).days).toEqual([])
    expect((await bars(headless, '--to', '1d', '--start', second, '--end', third)).days).toEqual([])
    // a day in the midst that is not there yet
    const now = '2022-10-04T12:00:00Z'
    await using early = await createTickWorld(now)
    await early.publish('spot', 'trades', 'AVAXBUSD', first, one)
    await early.run('ingest', 'AVAXBUSD', '--data', 'trades', '--start', first, '--end', third, '--quiet')
    await early.publish('spot', 'trades', 'AVAXBUSD', third, three)
    await early.run('ingest', 'AVAXBUSD', '--data', 'trades', '--start', third, '--end', '2022-10-04', '--quiet')
    const told = await early.run('resample', 'AVAXBUSD', '--by', '300trades', '--format', 'csv')
    const expected = [one, three].flatMap((csv) => barsOf(tradesOf(csv), (bar) => bar.length >= 300, never).whole)
    expect(toldOf(told.stdout).map(({ cells }) => cells)).toEqual(expected.map(cellsOf))
  })

  test('what is refused of one symbol is told before a bar of another is written; where none is named, those that trade in the asset are taken', async () => {
    await using world = await createTickWorld(NOW)
    const csv = await readSample('AVAXBUSD-trades-2022-10-01')
    await world.publish('spot', 'trades', 'AVAXBUSD', '2022-10-01', csv)
    await world.publish('spot', 'trades', 'BTCUSDT', '2022-10-01', csv)
    await world.run('ingest', 'AVAXBUSD', 'BTCUSDT', '--data', 'trades', '--start', '2022-10-01', '--end', '2022-10-02', '--quiet')
    const refused = await world.run('resample', 'AVAXBUSD', 'BTCUSDT', '--by', '500AVAX', '--format', 'csv')
    expect(refused).toMatchObject({ exit: 2, stdout: '', stderr: expect.stringContaining('an asset that BTCUSDT trades in') as string })
    const all = await world.run('resample', '--by', '500AVAX', '--format', 'csv')
    expect(all.exit).toBe(0)
    expect(
      new Set(
        all.stdout
          .trimEnd()
          .split('\n')
          .slice(1)
          .map((line) => line.split(',')[1]),
      ),
    ).toEqual(new Set(['AVAXBUSD']))
  })

  test.each([
    [['--by', '10BTC'], 'Expected an asset that AVAXBUSD trades in (AVAX or BUSD), got BTC'],
    [['--by', '10SD'], 'Expected an asset that AVAXBUSD trades in (AVAX or BUSD), got SD'],
    [['--by', '90s', '--data', 'klines'], 'Expected a time that is made of whole bars of 1m, got 90s'],
    [['--by', '0trades'], '--by'],
    [['--by', '1.5trades'], '--by'],
    [['--by', '7d', '--data', 'klines', '--from', '1w'], 'Expected a time that is made of whole bars of 1w, got 7d'],
    [['--by', '7m', '--to', '1h'], 'Expected --by or --to, got both'],
    [['--by', '7m', '--check'], 'Expected --by or --check, got both'],
    [['--by', '1000trades', '--from', '1m'], 'Expected `--from` with bars, got --from 1m with trades'],
    [['--data', 'trades', '--to', '1h', '--from', '5m'], 'Expected `--from` with bars, got --from 5m with trades'],
    [['--data', 'trades', '--to', '1w'], 'Expected bars of a day or less of trades, got 1w'],
    [['--data', 'trades'], '--to'],
    [['--data', 'fundingRate', '--to', '1d'], 'Expected --data to be klines, trades or aggTrades'],
  ])('%s is refused', async (flags, words) => {
    await using world = await createTickWorld(NOW)
    await world.publish('spot', 'trades', 'AVAXBUSD', '2022-10-01', await readSample('AVAXBUSD-trades-2022-10-01'))
    await world.run('ingest', 'AVAXBUSD', '--data', 'trades', '--start', '2022-10-01', '--end', '2022-10-02', '--quiet')
    expect(await world.run('resample', 'AVAXBUSD', ...flags)).toMatchObject({
      exit: 2,
      stdout: '',
      stderr: expect.stringContaining(words) as string,
    })
  })
})
