import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { INTERVALS, nestsIn } from '../../src/model/interval.ts'
import type { Interval } from '../../src/model/interval.ts'
import type { BucketArchive } from '../support/cases.ts'
import { createWorld } from '../support/cases.ts'
import { jsonOf } from '../support/ckvd.ts'
import { columnsOf, library } from '../support/library.ts'
import { SHARED } from '../support/shared.ts'
import { readFirstEntry } from '../support/zip-builder.ts'
import type { ExactRow } from '../unit/sandbox/client.ts'
import { exactRow, mergeRows } from '../unit/sandbox/client.ts'

/* Bars that the exchange published in two lengths, in archives or over REST: the larger ones made of the smaller ones, cell by cell. */

/** What each recorded body is (the bodies do not say; see the folder's README, and the prices). */
const REST_BODIES: Readonly<Record<string, string>> = {
  'api_v3_klines.0': 'spot BTCUSDT 5m',
  'api_v3_klines.1': 'spot BTCUSDT 1m',
  'api_v3_klines.2': 'spot BTCUSDT 1m',
  'api_v3_klines.3': 'spot BTCUSDT 1d',
  'api_v3_klines.4': 'spot BTCUSDT 1d',
  'api_v3_klines.5': 'spot BTCUSDT 1h',
  'api_v3_klines.6': 'spot BTCUSDT 1h',
  'api_v3_klines.7': 'spot BTCUSDT 1d',
  'api_v3_klines.8': 'spot BTCUSDT 1d',
  'api_v3_klines.9': 'spot ETHBTC 1d',
  'api_v3_klines.10': 'spot BTCUSDT 1h',
  'api_v3_klines.11': 'spot ETHBTC 1d',
  'api_v3_klines.12': 'spot BTCUSDT 5m',
  'dapi_v1_klines.1': 'cm BTCUSD_PERP 1d',
  'dapi_v1_klines.2': 'cm BTCUSD_PERP 1M',
  'dapi_v1_klines.3': 'cm LTCUSD_PERP 5m',
  'fapi_v1_klines.0': 'um LTCUSDT 5m',
  'fapi_v1_klines.1': 'um LTCUSDT 5m',
  'fapi_v1_klines.2': 'um BTCUSDT 1d',
  'fapi_v1_klines.3': 'um BTCUSDT 1d',
  'fapi_v1_klines.4': 'um BTCUSDT 1d',
  'fapi_v1_klines.5': 'um LTCUSDT 5m',
}

/** Twelve cells as text, times in milliseconds. */
type Row = readonly string[]

/** All rows of the folder: series (`spot BTCUSDT 1m`) to open time to row. */
function readAll(root: string): Map<string, Map<number, Row>> {
  const all = new Map<string, Map<number, Row>>()
  const add = (series: string, cells: readonly (string | number)[]): void => {
    const row = cells.map((cell, i) => (i === 0 || i === 6 ? String(cell).slice(0, 13) : String(cell)))
    const rows = all.get(series) ?? new Map<number, Row>()
    all.set(series, rows.set(Number(row[0]), row))
  }
  for (const name of readdirSync(join(root, 'vision/data'), { recursive: true, encoding: 'utf8' }).sort()) {
    const match = /(spot|um|cm)\/(?:daily|monthly)\/klines\/([^/]+)\/([^/]+)\/.*\.zip$/.exec(name)
    if (match === null) continue
    const text = readFirstEntry(readFileSync(join(root, 'vision/data', name))).toString()
    for (const line of text.split(/\r?\n/)) if (/^\d/.test(line)) add(`${match[1]} ${match[2]} ${match[3]}`, line.split(','))
  }
  for (const [name, series] of Object.entries(REST_BODIES))
    for (const cells of JSON.parse(readFileSync(join(root, `rest/${name}.json`), 'utf8')) as (string | number)[][]) add(series, cells)
  return all
}

const UNITS = 100_000_000n

/** The double next to an exact decimal. */
function nearest(units: bigint): number {
  return Number(`${units / UNITS}.${String(units % UNITS).padStart(8, '0')}`)
}

/**
 * All cells of real bars that are not the exchange's own, and all of one kind: quote volumes of hours with 17 digits, which float64 has
 * rounded, make a day's sum that is the double beside.
 */
const ROUNDED = [
  ['2021-02-02', 'taker_buy_quote_volume', 1364790964.6368997, 1364790964.6368995],
  ['2021-02-06', 'quote_asset_volume', 3922095148.92815, 3922095148.9281507],
  ['2021-02-07', 'taker_buy_quote_volume', 1574482907.5639024, 1574482907.5639021],
  ['2021-02-13', 'taker_buy_quote_volume', 1462495399.9928114, 1462495399.9928117],
].map(([day, column, ours, theirs]) => ({
  text: `${day}T00:00 ${column}: ${ours} for ${theirs}`,
  json: { kind: 'rounding', open_time: `${day}T00:00:00.000000Z`, column, resampled: ours, exchange: theirs },
}))

/** A large bar's cells, as numbers, from exact ones; column names as the library has them. */
function numbersOf({ prices, sums: [volume, quote, count, taker, takerQuote] }: Pick<ExactRow, 'prices' | 'sums'>): Record<string, number> {
  const [open, high, low, close] = prices.map(nearest)
  const sums = { volume: nearest(volume), quote_asset_volume: nearest(quote), count: Number(count) }
  return {
    open: open!,
    high: high!,
    low: low!,
    close: close!,
    ...sums,
    taker_buy_volume: nearest(taker),
    taker_buy_quote_volume: nearest(takerQuote),
  }
}

/** The start of a slot as a calendar tells it, in milliseconds. */
function slotOf(ms: number, interval: Interval): number {
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, M: 0 }[interval.slice(-1)] ?? 0
  if (interval === '1M') return Date.parse(`${new Date(ms).toISOString().slice(0, 7)}-01T00:00Z`)
  const length = Number(interval.slice(0, -1)) * unit
  // a Monday, and the day on which the first three-day bar of BTCUSDT opens
  const firsts: Partial<Record<Interval, string>> = { '1w': '2024-01-01T00:00Z', '3d': '2017-08-17T00:00Z' }
  const first = Date.parse(firsts[interval] ?? '1970-01-01T00:00Z')
  return Math.floor((ms - first) / length) * length + first
}

function doublesApart(a: number, b: number): number {
  const bits = new BigInt64Array(new Float64Array([a, b]).buffer)
  return Math.abs(Number(bits[0]! - bits[1]!))
}

describe.skipIf(SHARED === undefined)('real bars of two lengths', () => {
  const root = SHARED ?? ''
  const all = SHARED === undefined ? new Map<string, Map<number, Row>>() : readAll(root)
  const rowsOf = (series: string): Row[] => [...(all.get(series) ?? new Map<number, Row>())].sort(([a], [b]) => a - b).map(([, row]) => row)

  /** The library's complete bars of a series, column by column, by open time in milliseconds. */
  function resampled(series: string, from: Interval, to: Interval): Map<number, Record<string, number>> {
    const named = columnsOf(rowsOf(series))
    const arrays = Object.fromEntries(
      Object.entries(named).map(([name, values]) => [
        name,
        /time|count/.test(name) ? BigInt64Array.from(values as bigint[]) : Float64Array.from(values as number[]),
      ]),
    )
    const { rows, columns } = library.resample({ columns: arrays as never }, { from, to })
    const entries = Object.entries<Float64Array | BigInt64Array>(columns)
    return new Map(
      Array.from({ length: rows }, (_none, row) => {
        const cells = Object.fromEntries(entries.map(([name, values]) => [name, Number(values[row])]))
        return [cells['open_time']! / 1000, cells]
      }),
    )
  }

  test('every pair of lengths in the folder: the larger bars equal the exchange’s own in every cell; all differences are listed here', () => {
    const pairs: Record<string, { bars: number; rounded: string[]; different: string[] }> = {}
    for (const small of all.keys()) {
      const [market = '', symbol = '', from = ''] = small.split(' ')
      for (const to of INTERVALS.filter((interval) => nestsIn(from as Interval, interval))) {
        const own = all.get(`${market} ${symbol} ${to}`)
        if (own === undefined) continue
        const found = { bars: 0, rounded: [] as string[], different: [] as string[] }
        for (const [openMs, cells] of resampled(small, from as Interval, to)) {
          const row = own.get(openMs)
          if (row === undefined) continue
          found.bars++
          const published: Record<string, number> = {
            ...numbersOf(exactRow(row)),
            close_time: Number(row[6]) * 1000,
            open_time: openMs * 1000,
          }
          expect(Object.keys(cells).sort()).toEqual(Object.keys(published).sort())
          for (const [name, value] of Object.entries(published)) {
            if (cells[name] === value) continue
            const where = `${new Date(openMs).toISOString().slice(0, 16)} ${name}: ${cells[name]} for ${value}`
            // more digits than a double keeps, in the smaller bars already: never further than the double beside
            if (value >= 2 ** 26 && doublesApart(cells[name]!, value) === 1) found.rounded.push(where)
            else found.different.push(where)
          }
        }
        if (found.bars > 0) pairs[`${small} to ${to}`] = found
      }
    }
    const equal = { rounded: [], different: [] }
    expect(pairs).toEqual({
      'spot BTCUSDT 1m to 5m': { bars: 24, ...equal },
      'spot BTCUSDT 1m to 1d': { bars: 3, ...equal },
      'spot BTCUSDT 1h to 1d': { bars: 14, different: [], rounded: ROUNDED.map((one) => one.text) },
    })
  })

  test('every series, made into every larger length: each sum is the exact sum of the published decimals', () => {
    let bars = 0
    let beside = 0
    for (const series of all.keys()) {
      const from = series.split(' ')[2] as Interval
      const rows = rowsOf(series).map(exactRow)
      for (const to of INTERVALS.filter((interval) => nestsIn(from, interval))) {
        const slots = new Map<number, ExactRow[]>()
        for (const row of rows) {
          const slot = slotOf(Number(row.open), to)
          const parts = slots.get(slot)
          if (parts === undefined) slots.set(slot, [row])
          else parts.push(row)
        }
        for (const [openMs, cells] of resampled(series, from, to)) {
          const parts = slots.get(openMs)!
          const right = numbersOf(mergeRows(parts))
          bars++
          for (const [name, value] of Object.entries(right)) {
            if (cells[name] === value) continue
            const isLarge = parts.some(({ sums }) => sums.some((sum) => sum >= 2n ** 26n * UNITS))
            expect({ series, to, openMs, name, isLarge, apart: doublesApart(cells[name]!, value) }).toMatchObject({
              isLarge: true,
              apart: 1,
            })
            beside++
          }
        }
      }
    }
    expect(bars).toBeGreaterThan(20_000)
    console.log(`${bars} larger bars, ${beside} cells beside the exact sum (smaller bars of 2^26 and more)`)
  })

  test('through the command: archives of real 1m and 1h bars, and the days that REST published', async () => {
    const days = (series: string, from: string, to: string, interval: string): BucketArchive[] => {
      const [, symbol = ''] = series.split(' ')
      const byDay = new Map<string, string>()
      for (const row of rowsOf(series)) {
        const day = new Date(Number(row[0])).toISOString().slice(0, 10)
        if (day >= from && day < to) byDay.set(day, `${byDay.get(day) ?? ''}${row.join(',')}\n`)
      }
      return [...byDay].map(([period, csv]) => ({ symbol, interval, period, csv }))
    }
    await using world = await createWorld({
      now: '2021-03-01T00:00:30Z',
      bucket: [
        ...days('spot BTCUSDT 1m', '2020-01-01', '2020-01-04', '1m'),
        ...days('spot BTCUSDT 1h', '2021-02-01', '2021-02-15', '1h'),
        ...days('spot BTCUSDT 1d', '2020-01-01', '2020-01-04', '1d'),
        ...days('spot BTCUSDT 1d', '2021-02-01', '2021-02-15', '1d'),
      ],
    })
    for (const [intervals, start, end] of [
      ['1m,1d', '2020-01-01', '2020-01-04'],
      ['1h,1d', '2021-02-01', '2021-02-15'],
    ] as const)
      expect(await world.ingest({ symbols: ['BTCUSDT'], intervals, start, end })).toMatchObject({ exit: 0 })
    const minutes = await world.ckvd(['resample', 'BTCUSDT', '--to', '1d', '--check', '--json'])
    const hours = await world.ckvd(['resample', 'BTCUSDT', '--from', '1h', '--to', '1d', '--check', '--json'])
    const series = { market: 'spot', symbol: 'BTCUSDT', interval: '1d', unexplained: [] }
    // the day of the outage, made of the hours that are there, is the exchange's own as well
    expect([jsonOf(minutes), jsonOf(hours)]).toMatchObject([
      {
        exit: 0,
        series: [{ ...series, bars: { complete: 3, outage: 0, incomplete: 0 }, check: { compared: 3, equal: 3, differences: [] } }],
      },
      {
        exit: 0,
        series: [
          {
            ...series,
            bars: { complete: 13, outage: 1, incomplete: 0 },
            check: { compared: 14, equal: 14, differences: ROUNDED.map((one) => one.json) },
          },
        ],
      },
    ])
  })
})
