import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { decodeRestRows } from '../../src/codec/rest-rows.ts'
import type { BucketArchive } from '../support/cases.ts'
import { cellsOf, cellsOfCsv, createWorld, csvRow, HOUR_MS, isoOf, MINUTE_MS, restProof } from '../support/cases.ts'
import { SHARED } from '../support/shared.ts'
import { readFirstEntry } from '../support/zip-builder.ts'
import { exactRow, mergeRows, parseCsv } from '../unit/sandbox/client.ts'

/* Rows that Binance really served, over REST and in archives, against each other and through the whole program. */

describe.skipIf(SHARED === undefined)('real rows', () => {
  const root = SHARED ?? ''
  const readArchive = (key: string): string => readFirstEntry(readFileSync(join(root, 'vision', key))).toString()

  test('REST 5m bars of 2020-01-01 are the sums of the archived 1m bars, to the last decimal', () => {
    const body = readFileSync(join(root, 'rest/api_v3_klines.12.json'))
    const rest = (JSON.parse(body.toString()) as (string | number)[][]).map(exactRow)
    const minutes = parseCsv(readArchive('data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2020-01-01.zip'))
    expect(rest).toHaveLength(24)
    for (const bar of rest) {
      const parts = minutes.filter(({ open }) => open >= bar.open && open < bar.open + 300_000n)
      expect(parts).toHaveLength(5)
      const { prices, sums } = mergeRows(parts)
      expect({ prices: bar.prices, sums: bar.sums }).toEqual({ prices, sums })
    }
    // and decoding keeps them: each column is the correctly rounded value of the exact decimal
    const decoded = cellsOf(decodeRestRows(body))
    const decimal = (scaled: bigint): number => Number(`${scaled / 100_000_000n}.${String(scaled % 100_000_000n).padStart(8, '0')}`)
    expect(decoded).toEqual(
      rest.map(({ open, close, prices, sums: [volume, quote, count, taker, takerQuote] }) => [
        open * 1000n,
        ...prices.map(decimal),
        decimal(volume),
        close * 1000n,
        decimal(quote),
        count,
        decimal(taker),
        decimal(takerQuote),
      ]),
    )
  })

  /** The month as its author saved it, with the column that he dropped. */
  function readAebtc(): { csv: string; byDay: Map<string, string> } {
    const text = gunzipSync(readFileSync(join(root, 'rest/AEBTC-1m-2018-02.rest-rows.csv.gz'))).toString()
    // the file ends with the first minute of February 28: what follows is not told
    const lines = text.split(/\r?\n/).filter((line) => /^\d/.test(line) && Number(line.slice(0, 13)) < Date.parse('2018-02-28'))
    const rows = lines.map((line) => `${line.split(',').slice(0, 11).join(',')},0\n`)
    const byDay = new Map<string, string>()
    for (const row of rows) {
      const day = new Date(Number(row.slice(0, 13))).toISOString().slice(0, 10)
      byDay.set(day, (byDay.get(day) ?? '') + row)
    }
    return { csv: rows.join(''), byDay }
  }

  /** Empty minutes between the first and the last bar, found the slow way. */
  function emptyMinutes(openMs: readonly number[]): number[] {
    const filled = new Set(openMs.map((ms) => Math.floor(ms / MINUTE_MS)))
    const [first, last] = [Math.min(...filled), Math.max(...filled)]
    const empty: number[] = []
    for (let minute = first; minute <= last; minute++) if (!filled.has(minute)) empty.push(minute * MINUTE_MS)
    return empty
  }

  const AEBTC = { symbol: 'AEBTC', interval: '1m' } as const
  const february = { symbols: ['AEBTC'], intervals: '1m', start: '2018-02-01', end: '2018-02-28' }

  test.each(['from archives', 'from REST'])(
    'AEBTC in February 2018, %s: no bar lost, none twice, and no gap but the real ones',
    async (source) => {
      const { csv, byDay } = readAebtc()
      const daily = [...byDay].map(([period, rows]): BucketArchive => ({ ...AEBTC, period, csv: rows }))
      await using world = await createWorld({
        now: '2018-02-28T00:00:30Z',
        bucket: source === 'from archives' ? daily : daily.slice(0, 1),
        rest: { bucket: daily },
      })
      const run = await world.ingest(february)
      expect(run).toMatchObject({ exit: 0, problems: [] })
      const expected = cellsOfCsv(csv)
      const bars = await world.bars('AEBTC', '1m')
      // numbers alone: an array of 27,000 rows given to `expect` takes a minute
      expect(bars.length).toBe(expected.length)
      expect(expected.findIndex((cells, row) => cells.some((cell, i) => !Object.is(cell, bars[row]?.[i])))).toBe(-1)

      const days = world.days()
      expect(days.reduce((sum, { off_grid }) => sum + off_grid, 0)).toBe(1201)
      expect(days.reduce((sum, { rows }) => sum + rows, 0)).toBe(expected.length)
      const empty = emptyMinutes(expected.map(([openTime]) => Number(openTime) / 1000))
      const listed = world
        .gaps()
        .flatMap(({ start, bars: count }) => Array.from({ length: count }, (_, i) => Date.parse(start) + i * MINUTE_MS))
      expect(listed).toEqual(empty)
      expect(empty).toHaveLength(2010 + 15 + 35)
      expect(world.gaps()[0]?.start.slice(0, 10)).toBe('2018-02-08')
      expect(days.filter(({ condition }) => condition === 'outage').map(({ day }) => day)).toEqual([
        '2018-02-08',
        '2018-02-09',
        '2018-02-10',
        '2018-02-11',
      ])
    },
  )

  describe.each([
    { month: '2021-02', end: '2021-03-01', day: '2021-02-11', hour: '2021-02-11T04:00:00Z' },
    { month: '2021-03', end: '2021-04-01', day: '2021-03-06', hour: '2021-03-06T02:00:00Z' },
  ])('spot BTCUSDT 1h $day', ({ month, end, day, hour }) => {
    const ask = { symbols: ['BTCUSDT'], intervals: '1h', start: `${month}-01`, end }
    const archive = (csv: string): BucketArchive => ({ symbol: 'BTCUSDT', interval: '1h', period: month, csv })
    const key = `data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-${month}.zip`

    test('is an outage when REST has nothing there', async () => {
      await using world = await createWorld({ now: '2022-01-10T12:00:00Z', archive: join(root, 'vision') })
      const run = await world.ingest(ask)
      expect(run).toMatchObject({ exit: 0, days: { outage: 1, partial: 0 }, problems: [], requests: { rest: 1 } })
      expect(world.day(day)).toMatchObject({ condition: 'outage', source: 'vision-daily', rows: 23, expected: 24 })
      expect(world.gaps()).toMatchObject([
        {
          start: hour,
          bars: 1,
          evidence: restProof(isoOf(Date.parse(hour) - HOUR_MS), isoOf(Date.parse(hour) + HOUR_MS)),
        },
      ])
    })

    test('is complete when REST has them', async () => {
      const lines = readArchive(key).trimEnd().split('\n')
      const found = csvRow(Date.parse(hour), HOUR_MS)
      const whole = [...lines, found.trimEnd()].sort((a, b) => Number(a.slice(0, 13)) - Number(b.slice(0, 13)))
      await using world = await createWorld({
        now: '2022-01-10T12:00:00Z',
        archive: join(root, 'vision'),
        rest: { bucket: [archive(`${whole.join('\n')}\n`)] },
      })
      const run = await world.ingest(ask)
      expect(run).toMatchObject({ exit: 0, days: { outage: 0, partial: 0 }, problems: [], requests: { rest: 1 } })
      expect(world.day(day)).toMatchObject({
        condition: 'complete',
        source: 'vision-daily+rest',
        rows: 24,
        expected: 24,
        differing_rows: 0,
      })
      expect(world.gaps()).toEqual([])
      const bars = await world.bars('BTCUSDT', '1h')
      expect(bars).toEqual(cellsOfCsv(whole.join('\n')))
    })
  })
})
