import fc from 'fast-check'
import { expect, test } from 'vitest'
import { doubt } from '../../../src/model/evidence.ts'
import { clipGaps, explainGaps, NO_BAR_EXPECTED, readGap, wordGap } from '../../../src/read/gap-evidence.ts'

const HOUR = 3_600_000_000
const DAY = { startUs: 0, endUs: 24 * HOUR }
const times = (...hours: number[]) => BigInt64Array.from(hours, (hour) => BigInt(hour * HOUR))
const all = Array.from({ length: 24 }, (_none, hour) => hour)

test('each empty slot has its evidence; what no evidence speaks of is not expected', () => {
  const open = times(...all.filter((hour) => hour >= 4 && hour !== 10 && hour !== 11 && hour < 22))
  const evidence = [wordGap({ startUs: 10 * HOUR, endUs: 12 * HOUR, bars: 2 }, 'down', false)]
  expect(explainGaps(open, DAY, '1h', evidence)).toEqual([
    { startUs: 0, endUs: 4 * HOUR, bars: 4, evidence: NO_BAR_EXPECTED, proof: null, explained: true },
    { startUs: 10 * HOUR, endUs: 12 * HOUR, bars: 2, evidence: 'down', proof: null, explained: false },
    { startUs: 22 * HOUR, endUs: 24 * HOUR, bars: 2, evidence: NO_BAR_EXPECTED, proof: null, explained: true },
  ])
})

test('evidence for a part of a stretch explains that part alone', () => {
  const evidence = [wordGap({ startUs: 6 * HOUR, endUs: 24 * HOUR, bars: 18 }, 'down', true)]
  expect(explainGaps(times(), DAY, '1h', evidence).map(({ startUs, endUs, evidence: why }) => [startUs / HOUR, endUs / HOUR, why])).toEqual(
    [
      [0, 6, NO_BAR_EXPECTED],
      [6, 24, 'down'],
    ],
  )
})

test('gaps are cut to the slots that open in the range, and neighbours with one reason are one', () => {
  const gap = (from: number, to: number, evidence = 'down') =>
    wordGap({ startUs: from * HOUR, endUs: to * HOUR, bars: to - from }, evidence, true)
  const clipped = clipGaps([gap(0, 2), gap(2, 5), gap(5, 6, 'other'), gap(8, 20)], { startUs: 1 * HOUR + 1, endUs: 10 * HOUR + 1 }, '1h')
  expect(clipped).toEqual([gap(2, 5), gap(5, 6, 'other'), gap(8, 11)])
})

test('rows and gaps fill the day, whatever is there and whatever is said', () => {
  fc.assert(
    fc.property(fc.subarray(all), fc.subarray(all, { maxLength: 6 }), (present, cuts) => {
      const evidence = cuts.slice(1).map((to, i) => {
        const from = cuts[i] as number
        return wordGap({ startUs: from * HOUR, endUs: to * HOUR, bars: to - from }, `e${i}`, true)
      })
      const gaps = explainGaps(times(...present), DAY, '1h', evidence)
      const slots = gaps.flatMap(({ startUs, endUs }) => all.filter((hour) => hour * HOUR >= startUs && hour * HOUR < endUs))
      expect([...present, ...slots].sort((a, b) => a - b)).toEqual(all)
      expect(gaps.reduce((sum, { bars }) => sum + bars, 0)).toBe(24 - present.length)
    }),
  )
})

test('a gap is told with its witnesses, and one that nothing proves with the reason', () => {
  const gap = { startUs: 3 * HOUR, endUs: 5 * HOUR, bars: 2 }
  const proof = { source: 'rest', beforeUs: 2 * HOUR, afterUs: 5 * HOUR } as const
  expect(readGap({ ...gap, evidence: proof }, true)).toEqual({
    ...gap,
    evidence: 'REST has the bars of 1970-01-01T02:00:00.000000Z and 1970-01-01T05:00:00.000000Z and none between',
    proof,
    explained: true,
  })
  expect(readGap({ ...gap, evidence: doubt('rest-off') }, false)).toEqual({
    ...gap,
    evidence: 'REST is off',
    proof: null,
    explained: false,
  })
})
