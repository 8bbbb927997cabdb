import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countOffGrid, findGaps } from '../../src/model/gaps.ts'
import type { Interval } from '../../src/model/interval.ts'
import { countSlots, firstSlotUs, INTERVALS, nextSlotUs, slotStartUs } from '../../src/model/interval.ts'

/*
 * The exchange's grid, laid by hand: bars of a fixed length follow each other from the epoch, weeks from the first Monday
 * after it, three days from 1970-01-02, months by the calendar. Whatever the interval and the range, what the model says is what counting slots says.
 */
const SECONDS: Readonly<Record<Exclude<Interval, '1M'>, number>> = {
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
  '1w': 604_800,
}
/** Where a grid starts in seconds, unless at the epoch. */
const FIRST: Partial<Record<Interval, number>> = { '3d': Date.UTC(1970, 0, 2) / 1000, '1w': Date.UTC(1970, 0, 5) / 1000 }

/** Start of the n-th slot in microseconds, n counted from the grid's first. */
function slotAt(interval: Interval, n: number): number {
  if (interval === '1M') return Date.UTC(1970, n, 1) * 1000
  return ((FIRST[interval] ?? 0) + n * SECONDS[interval]) * 1_000_000
}

/** A slot number of some day between 2017 and 2030. */
function slotNumber(interval: Interval): fc.Arbitrary<number> {
  const perDay = interval === '1M' ? 1 / 30.5 : 86_400 / SECONDS[interval]
  return fc.integer({ min: Math.floor(17_200 * perDay), max: Math.floor(22_000 * perDay) })
}

const anyInterval = fc.constantFrom(...INTERVALS)

test('each time lies in the slot that starts at or before it, and the next one starts behind it', () => {
  fc.assert(
    fc.property(
      anyInterval.chain((interval) =>
        fc.record({ interval: fc.constant(interval), n: slotNumber(interval), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
      ),
      ({ interval, n, part }) => {
        const [start, end] = [slotAt(interval, n), slotAt(interval, n + 1)]
        const inside = Math.min(end - 1, start + Math.floor((end - start) * part))
        expect([slotStartUs(inside, interval), slotStartUs(start, interval), slotStartUs(end - 1, interval)]).toEqual([start, start, start])
        expect(nextSlotUs(start, interval)).toBe(end)
        expect([firstSlotUs(start, interval), firstSlotUs(start + 1, interval)]).toEqual([start, end])
      },
    ),
    { numRuns: 500 },
  )
})

test('gaps and filled slots are the range, each slot once, gaps as long as they can be', () => {
  const cases = anyInterval.chain((interval) =>
    fc.record({
      interval: fc.constant(interval),
      first: slotNumber(interval),
      /** what is in each slot: nothing, one bar on the grid, one that opens late, two */
      slots: fc.array(fc.constantFrom<'none' | 'bar' | 'late' | 'two'>('none', 'none', 'bar', 'late', 'two'), { maxLength: 12 }),
      // the range begins and ends between slots, too, and may be empty or the wrong way round
      from: fc.integer({ min: -2, max: 12 }),
      to: fc.integer({ min: -2, max: 14 }),
      skews: fc.tuple(fc.constantFrom(0, 0, 1, -1), fc.constantFrom(0, 0, 1, -1)),
    }),
  )
  fc.assert(
    fc.property(cases, ({ interval, first, slots, from, to, skews }) => {
      const at = (n: number): number => slotAt(interval, first + n)
      const range = { startUs: at(from) + skews[0], endUs: at(to) + skews[1] }
      const times = slots.flatMap((kind, n) =>
        kind === 'none' ? [] : kind === 'bar' ? [at(n)] : kind === 'late' ? [at(n + 1) - 1] : [at(n), at(n) + 7],
      )
      const filled = new Set(slots.flatMap((kind, n) => (kind === 'none' ? [] : [n])))
      const inRange: number[] = []
      for (let n = -3; n < 16; n++) if (at(n) >= range.startUs && at(n) < range.endUs) inRange.push(n)

      expect(countSlots(range.startUs, range.endUs, interval)).toBe(inRange.length)
      const expected: { startUs: number; endUs: number; bars: number }[] = []
      for (const n of inRange.filter((slot) => !filled.has(slot))) {
        const last = expected.at(-1)
        if (last?.endUs === at(n)) expected.splice(-1, 1, { ...last, endUs: at(n + 1), bars: last.bars + 1 })
        else expected.push({ startUs: at(n), endUs: at(n + 1), bars: 1 })
      }
      expect(findGaps(BigInt64Array.from(times, BigInt), range, interval)).toEqual(expected)
      expect(countOffGrid(BigInt64Array.from(times, BigInt), interval)).toBe(
        slots.filter((kind) => kind === 'late' || kind === 'two').length,
      )
    }),
    { numRuns: 1500 },
  )
})
