import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Interval } from '../../../src/model/interval.ts'
import { INTERVALS, nestsIn } from '../../../src/model/interval.ts'
import type { KlineColumns } from '../../../src/model/kline.ts'
import { pickRows, sliceColumns } from '../../../src/model/columns.ts'
import { concatColumns, createColumns } from '../../../src/model/kline.ts'
import { concatResampled, filterResampled, isComplete, resampleColumns, Resampler } from '../../../src/model/resample.ts'
import { bitsOf } from '../../support/bits.ts'

const MINUTE_US = 60_000_000
const DAY_US = 1440 * MINUTE_US

const us = (iso: string): number => Date.parse(iso.endsWith('Z') ? iso : `${iso}Z`) * 1000
const iso = (timeUs: bigint | undefined): string => new Date(Number(timeUs) / 1000).toISOString()

/** Bars `lengthUs` apart whose values tell their place; close times in milliseconds or microseconds. */
function bars(startUs: number, count: number, lengthUs = MINUTE_US, unitUs = 1000): KlineColumns {
  const columns = createColumns(count)
  for (let i = 0; i < count; i++) {
    const openUs = startUs + i * lengthUs
    columns.openTime[i] = BigInt(openUs)
    columns.closeTime[i] = BigInt(openUs + lengthUs - unitUs)
    columns.open[i] = 100 + i
    columns.high[i] = 102 + i
    columns.low[i] = 99 + i
    columns.close[i] = 101 + i
    columns.volume[i] = 0.1
    columns.quoteVolume[i] = 0.7
    columns.count[i] = 3n
    columns.takerBuyVolume[i] = 0.01
    columns.takerBuyQuoteVolume[i] = 0.07
  }
  return columns
}

describe('larger bars', () => {
  test('five minutes: first open, highest high, lowest low, last close, exact sums, the grid and the last millisecond', () => {
    const { columns, bars: found, expected } = resampleColumns(bars(us('2024-01-01T00:00'), 10), { from: '1m', to: '5m' })
    expect([...columns.openTime].map(iso)).toEqual(['2024-01-01T00:00:00.000Z', '2024-01-01T00:05:00.000Z'])
    expect([...columns.closeTime].map(iso)).toEqual(['2024-01-01T00:04:59.999Z', '2024-01-01T00:09:59.999Z'])
    expect([columns.open, columns.high, columns.low, columns.close].map((values) => [...values])).toEqual([
      [100, 105],
      [106, 111],
      [99, 104],
      [105, 110],
    ])
    expect([columns.volume, columns.quoteVolume, columns.takerBuyVolume, columns.takerBuyQuoteVolume].map((values) => values[0])).toEqual([
      0.5, 3.5, 0.05, 0.35,
    ])
    expect([...columns.count, ...found, ...expected]).toEqual([15n, 15n, 5, 5, 5, 5])
  })

  test('the highest high and the lowest low are those of any bar, close times in milliseconds stay in milliseconds', () => {
    for (const at of [0, 2, 4]) {
      const source = bars(us('2024-01-01T00:00'), 5)
      source.high[at] = 500
      source.low[at] = 1
      const { columns } = resampleColumns(source, { from: '1m', to: '5m' })
      expect([columns.high[0], columns.low[0], columns.closeTime[0]]).toEqual([500, 1, BigInt(us('2024-01-01T00:05')) - 1000n])
    }
  })

  test('a part of them, and several parts, keep what belongs to each', () => {
    const made = { ...resampleColumns(bars(us('2024-01-01T00:00'), 13), { from: '1m', to: '5m' }), rounded: Uint8Array.of(1, 2, 3) }
    expect(filterResampled(made, () => true)).toBe(made)
    const part = filterResampled(made, (row) => row !== 1)
    expect([...part.columns.openTime].map(iso)).toEqual(['2024-01-01T00:00:00.000Z', '2024-01-01T00:10:00.000Z'])
    expect([part.bars, part.expected, part.rounded].map((values) => [...values])).toEqual([
      [5, 3],
      [5, 5],
      [1, 3],
    ])
    expect([...concatResampled([made, part]).rounded]).toEqual([1, 2, 3, 1, 3])
  })

  test('close times in microseconds stay in microseconds', () => {
    const { columns } = resampleColumns(bars(us('2025-01-01T00:00'), 5, MINUTE_US, 1), { from: '1m', to: '5m' })
    expect(columns.closeTime[0]).toBe(BigInt(us('2025-01-01T00:05')) - 1n)
  })

  test('weeks open on Monday, three days on days that are 1 modulo 3 since 1970-01-01, months are those of the calendar', () => {
    // from a Sunday to the end of a leap February; the days of the week are those of any calendar
    const days = bars(us('2023-12-31T00:00'), 61, DAY_US)
    const opens = (to: Interval): string[] =>
      [...resampleColumns(days, { from: '1d', to }).columns.openTime].map((time) => iso(time).slice(0, 10))
    expect(opens('1w').slice(0, 3)).toEqual(['2023-12-25', '2024-01-01', '2024-01-08'])
    expect(opens('1M')).toEqual(['2023-12-01', '2024-01-01', '2024-02-01'])
    const threes = opens('3d')
    expect(threes.slice(0, 2)).toEqual(['2023-12-29', '2024-01-01'])
    for (const day of threes) expect((Date.parse(day) / 86_400_000) % 3).toBe(1)
    const months = resampleColumns(days, { from: '1d', to: '1M' })
    expect([...months.bars]).toEqual([1, 31, 29])
    expect([...months.expected]).toEqual([31, 31, 29])
    expect(iso(months.columns.closeTime[2])).toBe('2024-02-29T23:59:59.999Z')
  })

  test('three days open where the exchange’s own bars of that series do', () => {
    const days = bars(us('2023-06-15T00:00'), 9, DAY_US)
    const opensOf = (phase: 0 | 1 | 2 | null) =>
      [...resampleColumns(days, { from: '1d', to: '3d', phase }).columns.openTime].map((time) => iso(time).slice(0, 10))
    expect(opensOf(2)).toEqual(['2023-06-15', '2023-06-18', '2023-06-21'])
    expect(opensOf(0)).toEqual(['2023-06-13', '2023-06-16', '2023-06-19', '2023-06-22'])
    expect(opensOf(null)).toEqual(['2023-06-14', '2023-06-17', '2023-06-20', '2023-06-23'])
    const { bars: found, expected } = resampleColumns(days, { from: '1d', to: '3d', phase: 2 })
    expect([[...found], [...expected]]).toEqual([
      [3, 3, 3],
      [3, 3, 3],
    ])
  })

  test('a bar off the grid belongs to the slot in which it opens and fills one; two in a slot are both counted in', () => {
    const grid = bars(us('2017-12-04T06:00'), 5)
    const late = bars(us('2017-12-04T06:00:20.799'), 5)
    const both = concatColumns([sliceColumns(grid, 0, 1), late])
    const { columns, bars: found } = resampleColumns(both, { from: '1m', to: '5m' })
    expect([iso(columns.openTime[0]), iso(columns.closeTime[0])]).toEqual(['2017-12-04T06:00:00.000Z', '2017-12-04T06:04:59.999Z'])
    expect([found[0], columns.count[0], columns.volume[0]]).toEqual([5, 18n, 0.6])
  })

  test('missing bars make a bar incomplete; a slot without any has none', () => {
    const hour = bars(us('2024-01-01T00:00'), 60)
    const kept = pickRows(
      hour,
      Array.from({ length: 60 }, (_none, i) => i).filter((i) => i !== 7 && (i < 15 || i > 19)),
    )
    const made = resampleColumns(kept, { from: '1m', to: '5m' })
    expect(made.bars).toHaveLength(11)
    expect([...made.columns.openTime].map(iso)).not.toContain('2024-01-01T00:15:00.000Z')
    expect([...made.bars].flatMap((_bars, row) => (isComplete(made, row) ? [] : [iso(made.columns.openTime[row])]))).toEqual([
      '2024-01-01T00:05:00.000Z',
    ])
  })

  test('before the first bar of a series nothing is expected', () => {
    const born = us('2024-01-04T08:30')
    const days = bars(born, 3 * 1440 + 930)
    const week = resampleColumns(days, { from: '1m', to: '1w', firstUs: born })
    expect([week.bars[0], week.expected[0], isComplete(week, 0)]).toEqual([5250, 5250, true])
    expect(isComplete(resampleColumns(days, { from: '1m', to: '1w' }), 0)).toBe(false)
  })

  test('nothing comes of nothing', () => {
    expect(resampleColumns(createColumns(0), { from: '1m', to: '1h' }).bars).toHaveLength(0)
  })

  test('bars out of order are refused with both times', () => {
    const days = bars(us('2024-01-01T00:00'), 3)
    expect(() => resampleColumns(pickRows(days, [0, 2, 1]), { from: '1m', to: '5m' })).toThrow(
      /2024-01-01T00:01:00.*after 2024-01-01T00:02:00/,
    )
  })
})

describe('which intervals make up which', () => {
  /** Counted out on a calendar of three months: every start of a large slot is a start of a small one. */
  test('is what a calendar says', () => {
    const lengths: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
    const starts = (interval: Interval): ((second: number) => boolean) => {
      if (interval === '1M') return (second) => new Date(second * 1000).toISOString().slice(8) === '01T00:00:00.000Z'
      const length = Number(interval.slice(0, -1)) * (lengths[interval.slice(-1)] ?? 0)
      const offset = interval === '1w' ? 4 * 86_400 : 0
      return (second) => (second - offset) % length === 0
    }
    const moments: number[] = []
    for (let second = Date.parse('2023-01-01T00:00Z') / 1000; second < Date.parse('2023-04-02T00:00Z') / 1000; second += 60)
      moments.push(second)
    for (const large of INTERVALS.filter((interval) => interval !== '1s' && interval !== '1m')) {
      const opens = moments.filter(starts(large))
      for (const small of INTERVALS) {
        const isShorter = INTERVALS.indexOf(small) < INTERVALS.indexOf(large)
        expect([small, large, nestsIn(small, large)]).toEqual([small, large, isShorter && opens.every(starts(small))])
      }
    }
    expect([nestsIn('1s', '1m'), nestsIn('1m', '1m'), nestsIn('1m', '1s')]).toEqual([true, false, false])
  })

  test('others are refused', () => {
    expect(() => new Resampler({ from: '3d', to: '1w' })).toThrow(expect.objectContaining({ code: 'CKVD_USAGE' }))
    expect(() => new Resampler({ from: '1h', to: '1h' })).toThrow(/made of|make up/)
  })
})

test('given in pieces of any size, the bars are the same, bit for bit', () => {
  const whole = bars(us('2024-01-31T22:00'), 500, 17 * MINUTE_US)
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 20 }),
      fc.constantFrom<Interval>('3m', '1h', '4h', '1d', '1w', '1M'),
      (cuts, to) => {
        const resampler = new Resampler({ from: '1m', to })
        const places = [0, ...cuts.sort((a, b) => a - b), 500]
        const parts = places.slice(1).map((end, i) => resampler.push(sliceColumns(whole, places[i]!, end)))
        const joined = concatResampled([...parts, resampler.finish()])
        const once = resampleColumns(whole, { from: '1m', to })
        expect(bitsOf(joined.columns).equals(bitsOf(once.columns))).toBe(true)
        expect([joined.bars, joined.expected]).toEqual([once.bars, once.expected])
      },
    ),
    { numRuns: 100 },
  )
})
