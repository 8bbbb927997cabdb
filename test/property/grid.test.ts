import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chunkClosedUs } from '../../src/dataset/chunk.ts'
import { countOffGrid } from '../../src/model/off-grid.ts'
import { findGaps } from '../../src/model/gaps.ts'
import type { Grid, Interval, Phase } from '../../src/model/interval.ts'
import { countSlots, firstSlotUs, INTERVALS, nextSlotUs, slotStartUs } from '../../src/model/interval.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'

/*
 * The exchange's grid, laid by hand: bars of a fixed length follow each other from the epoch, weeks from the first Monday
 * after it, three days from 1970-01-02 (or from one
 * of the days beside it, where a series' own bars do), months by the calendar. Whatever the grid and the range, what the model says is what counting slots says.
 */
const SECONDS: Readonly<Record<Exclude<Grid, '1M'>, number>> = {
  '1s': 1,
  '1m': 60,
  '3m': 180,
  '5m': 300,
  '15m': 900,
  '30m': 1800,
  '1h': 3600,
  '2h': 7200,
  '4h': 14_400,
  '6h': 21_600,
  '8h': 28_800,
  '12h': 43_200,
  '1d': 86_400,
  '3d': 259_200,
  '3d/0': 259_200,
  '3d/2': 259_200,
  '1w': 604_800,
}
/** Where a grid starts in seconds, unless at the epoch. */
const FIRST: Partial<Record<Grid, number>> = {
  '3d': Date.UTC(1970, 0, 2) / 1000,
  '3d/2': Date.UTC(1970, 0, 3) / 1000,
  '1w': Date.UTC(1970, 0, 5) / 1000,
}

/** Start of the n-th slot in microseconds, n counted from the grid's first. */
function slotAt(grid: Grid, n: number): number {
  if (grid === '1M') return Date.UTC(1970, n, 1) * 1000
  return ((FIRST[grid] ?? 0) + n * SECONDS[grid]) * 1_000_000
}

/** A slot number of some day between 2017 and 2030. */
function slotNumber(grid: Grid): fc.Arbitrary<number> {
  const perDay = grid === '1M' ? 1 / 30.5 : 86_400 / SECONDS[grid]
  return fc.integer({ min: Math.floor(17_200 * perDay), max: Math.floor(22_000 * perDay) })
}

const anyGrid = fc.constantFrom<Grid>(...INTERVALS, '3d/0', '3d/2')

test('each time lies in the slot that starts at or before it, and the next one starts behind it', () => {
  fc.assert(
    fc.property(
      anyGrid.chain((grid) =>
        fc.record({ grid: fc.constant(grid), n: slotNumber(grid), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
      ),
      ({ grid, n, part }) => {
        const [start, end] = [slotAt(grid, n), slotAt(grid, n + 1)]
        const inside = Math.min(end - 1, start + Math.floor((end - start) * part))
        expect([slotStartUs(inside, grid), slotStartUs(start, grid), slotStartUs(end - 1, grid)]).toEqual([start, start, start])
        expect(nextSlotUs(start, grid)).toBe(end)
        expect([firstSlotUs(start, grid), firstSlotUs(start + 1, grid)]).toEqual([start, end])
      },
    ),
    { numRuns: 500 },
  )
})

test('gaps and filled slots are the range, each slot once, gaps as long as they can be', () => {
  const cases = anyGrid.chain((grid) =>
    fc.record({
      grid: fc.constant(grid),
      first: slotNumber(grid),
      /** what is in each slot: nothing, one bar on the grid, one that opens late, two */
      slots: fc.array(fc.constantFrom<'none' | 'bar' | 'late' | 'two'>('none', 'none', 'bar', 'late', 'two'), { maxLength: 12 }),
      // the range begins and ends between slots, too, and may be empty or the wrong way round
      from: fc.integer({ min: -2, max: 12 }),
      to: fc.integer({ min: -2, max: 14 }),
      skews: fc.tuple(fc.constantFrom(0, 0, 1, -1), fc.constantFrom(0, 0, 1, -1)),
    }),
  )
  fc.assert(
    fc.property(cases, ({ grid, first, slots, from, to, skews }) => {
      const at = (n: number): number => slotAt(grid, first + n)
      const range = { startUs: at(from) + skews[0], endUs: at(to) + skews[1] }
      const times = slots.flatMap((kind, n) =>
        kind === 'none' ? [] : kind === 'bar' ? [at(n)] : kind === 'late' ? [at(n + 1) - 1] : [at(n), at(n) + 7],
      )
      const filled = new Set(slots.flatMap((kind, n) => (kind === 'none' ? [] : [n])))
      const inRange: number[] = []
      for (let n = -3; n < 16; n++) if (at(n) >= range.startUs && at(n) < range.endUs) inRange.push(n)

      expect(countSlots(range.startUs, range.endUs, grid)).toBe(inRange.length)
      const expected: { startUs: number; endUs: number; bars: number }[] = []
      for (const n of inRange.filter((slot) => !filled.has(slot))) {
        const last = expected.at(-1)
        if (last?.endUs === at(n)) expected.splice(-1, 1, { ...last, endUs: at(n + 1), bars: last.bars + 1 })
        else expected.push({ startUs: at(n), endUs: at(n + 1), bars: 1 })
      }
      expect(findGaps(BigInt64Array.from(times, BigInt), range, grid)).toEqual(expected)
      expect(countOffGrid(BigInt64Array.from(times, BigInt), grid)).toBe(slots.filter((kind) => kind === 'late' || kind === 'two').length)
    }),
    { numRuns: 1500 },
  )
})

/** A series whose bars lie on a grid. */
function seriesOn(grid: Grid): { interval: Interval; phase?: Phase } {
  return grid === '3d/0' ? { interval: '3d', phase: 0 } : grid === '3d/2' ? { interval: '3d', phase: 2 } : { interval: grid }
}

test('a month is closed when the last of the bars that open in it has closed, neither before nor after', () => {
  const cases = fc.record({
    grid: fc.constantFrom<Grid>('3d', '3d/0', '3d/2', '1w', '1M'),
    month: fc.integer({ min: 0, max: 60 * 12 }),
  })
  fc.assert(
    fc.property(cases, ({ grid, month }) => {
      const [start, end] = [Date.UTC(1972, month, 1) * 1000, Date.UTC(1972, month + 1, 1) * 1000]
      // slot after slot from the grid's first on: the last that opens in the month, and where it ends
      let n = 0
      while (slotAt(grid, n + 1) < end) n++
      expect(slotAt(grid, n)).toBeGreaterThanOrEqual(start)
      expect(chunkClosedUs(new Date(start / 1000).toISOString().slice(0, 10) as UtcDay, seriesOn(grid))).toBe(slotAt(grid, n + 1))
    }),
    { numRuns: 300 },
  )
})
