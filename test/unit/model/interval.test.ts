import { describe, expect, it } from 'vitest'
import type { Interval } from '../../../src/model/interval.ts'
import {
  gridOf,
  INTERVALS,
  intervalPathName,
  joinPhases,
  maxLengthUs,
  nextSlotUs,
  parseInterval,
  phaseOf,
  slotStartUs,
} from '../../../src/model/interval.ts'
import { gridOfBars } from '../../../src/model/series.ts'
import { US_PER_DAY } from '../../../src/model/utc-day.ts'

const us = (iso: string): number => Date.parse(iso) * 1000

describe('parseInterval', () => {
  it.each(INTERVALS)('reads %s', (interval) => expect(parseInterval(interval)).toBe(interval))

  it('reads 1mo as 1M, which is not 1m', () => {
    expect(parseInterval('1mo')).toBe('1M')
    expect([intervalPathName('1M'), intervalPathName('1m')]).toEqual(['1mo', '1m'])
  })

  it.each(['', '2m', '1Mo', '1D', ' 1m', 'toString', '__proto__'])('does not know %j', (text) =>
    expect(parseInterval(text)).toBeUndefined(),
  )
})

describe('the grid of 3d', () => {
  // the first and the last bar of BTCUSDT's public archives of 3d, and the day that a key of um names
  it.each(['2017-08-17', '2023-12-08', '2026-07-01'])('has a bar that opens on %s', (day) => {
    const open = us(`${day}T00:00:00Z`)
    expect([slotStartUs(open, '3d'), slotStartUs(open - 1, '3d'), nextSlotUs(open, '3d')]).toEqual([
      open,
      open - 3 * US_PER_DAY,
      open + 3 * US_PER_DAY,
    ])
  })
})

describe('the phase of 3d', () => {
  const opens = (...days: string[]): BigInt64Array => BigInt64Array.from(days, (day) => BigInt(us(`${day}T00:00:00Z`)))

  it('is that on which all bars agree, and the usual one where they do not', () => {
    expect(phaseOf(opens('2017-08-17', '2023-12-08', '2026-07-01'))).toBe(1)
    expect(phaseOf(opens('2023-06-15', '2023-06-21'))).toBe(2)
    expect(phaseOf(opens('2023-06-15', '2023-06-21', '2023-06-22'))).toBe(1)
    expect(phaseOf(opens())).toBeNull()
  })

  it('of a series does not depend on the order in which its parts become known', () => {
    const phases = [null, 0, 1, 2] as const
    for (const a of phases) {
      for (const b of phases) {
        expect(joinPhases(a, b)).toBe(joinPhases(b, a))
        for (const c of phases) expect(joinPhases(joinPhases(a, b), c)).toBe(joinPhases(a, joinPhases(b, c)))
      }
    }
    expect([joinPhases(2, null), joinPhases(2, 2), joinPhases(2, 0)]).toEqual([2, 2, 1])
  })

  it('concerns 3d alone, and is that of the bars where they have one', () => {
    const cm = { interval: '3d' as const, phase: 2 as const }
    expect([gridOf(cm), gridOf({ ...cm, phase: null }), gridOf({ ...cm, phase: 1 })]).toEqual(['3d/2', '3d', '3d'])
    expect([gridOf({ interval: '1w', phase: 2 }), gridOfBars({ interval: '1w', phase: 2 }, opens('2024-01-01'))]).toEqual(['1w', '1w'])
    expect([gridOfBars(cm, opens()), gridOfBars(cm, opens('2017-08-17')), gridOfBars({ interval: '3d' }, opens('2023-06-15'))]).toEqual([
      '3d/2',
      '3d',
      '3d/2',
    ])
  })
})

describe('maxLengthUs', () => {
  it.each<[Interval, number]>([
    ['1s', 1],
    ['15m', 900],
    ['1w', 7 * 86_400],
    ['1M', 31 * 86_400],
  ])('%s: %i seconds', (interval, seconds) => expect(maxLengthUs(interval)).toBe(seconds * 1_000_000))
})
