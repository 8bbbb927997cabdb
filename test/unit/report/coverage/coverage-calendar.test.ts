import { describe, expect, it } from 'vitest'
import { acceptDay } from '../../../../src/lake/day-facts.ts'
import { openLake } from '../../../../src/lake/lake.ts'
import type { Series } from '../../../../src/model/series.ts'
import { readCalendar } from '../../../../src/report/coverage/coverage-calendar.ts'
import { readCoverage } from '../../../../src/report/coverage/coverage.ts'
import { BTC, day, inTempDirectory, rowOf, seriesRowOf } from '../../lake/lake-fixtures.ts'

const WEEKS: Series = { market: 'spot', symbol: 'BTCUSDT', interval: '1w' }

describe('readCalendar', () => {
  it('tells every recorded and every listed day once, as runs', () =>
    inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write', origin: 'binance' })
      const put = (name: string, condition: 'complete' | 'partial') =>
        lake.catalog.commit([{ row: rowOf(BTC, name, { condition, rows: condition === 'partial' ? 23 : 24 }), gaps: [] }])
      for (const name of ['2024-01-01', '2024-01-02', '2024-01-03', '2024-01-05', '2024-01-06', '2024-01-07'])
        await put(name, name === '2024-01-06' ? 'partial' : 'complete')
      acceptDay(lake.catalog, BTC, day('2024-01-06'), 'looked at')
      lake.catalog.putSeries(seriesRowOf(BTC, { firstDay: day('2024-01-02'), lastDay: day('2024-01-09') }))
      const run = (start: string, chunks: number, state: string, bars = 0, accepted = false) => ({ start, chunks, state, bars, accepted })
      expect(readCalendar(lake.catalog, BTC)).toEqual([
        run('2024-01-01', 3, 'complete', 72),
        run('2024-01-04', 1, 'never_requested'),
        run('2024-01-05', 1, 'complete', 24),
        run('2024-01-06', 1, 'partial', 23, true),
        run('2024-01-07', 1, 'complete', 24),
        run('2024-01-08', 2, 'never_requested'),
      ])
      expect(readCoverage(lake.catalog, BTC).never_requested).toBe(3)
      expect(readCalendar(lake.catalog, BTC, { start: day('2024-01-04'), end: day('2024-01-06') })).toEqual([
        run('2024-01-04', 1, 'never_requested'),
        run('2024-01-05', 1, 'complete', 24),
      ])
    }))

  it('tells the bars of each day: days of another number of bars are a run of their own', () =>
    inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write', origin: 'binance' })
      for (const [name, rows] of [
        ['2024-01-01', 7],
        ['2024-01-02', 24],
        ['2024-01-03', 24],
      ] as const)
        await lake.catalog.commit([{ row: rowOf(BTC, name, { condition: 'complete', rows, expected: rows }), gaps: [] }])
      expect(readCalendar(lake.catalog, BTC).map(({ start, chunks, bars }) => [start, chunks, bars])).toEqual([
        ['2024-01-01', 1, 7],
        ['2024-01-02', 2, 48],
      ])
    }))

  it('counts months where chunks are months', () =>
    inTempDirectory(async (root) => {
      await using lake = await openLake(root, { mode: 'write', origin: 'binance' })
      for (const name of ['2023-12-01', '2024-01-01', '2024-03-01'])
        await lake.catalog.commit([{ row: rowOf(WEEKS, name, { condition: 'complete' }), gaps: [] }])
      expect(readCalendar(lake.catalog, WEEKS).map(({ start, chunks }) => [start, chunks])).toEqual([
        ['2023-12-01', 2],
        ['2024-02-01', 1],
        ['2024-03-01', 1],
      ])
    }))
})
