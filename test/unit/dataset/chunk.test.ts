import { describe, expect, it } from 'vitest'
import { chunkClosedUs, chunkEndUs, chunkOfUs, chunkPeriod, chunkRange, isMonthChunked, nextChunk } from '../../../src/dataset/chunk.ts'
import type { Interval } from '../../../src/model/interval.ts'
import { INTERVALS } from '../../../src/model/interval.ts'
import type { UtcDay } from '../../../src/model/utc-day.ts'

const us = (iso: string): number => Date.parse(iso) * 1000

describe('the chunk of a time', () => {
  it('is its day, or the first day of its month for 3d, 1w and 1M', () => {
    const time = us('2024-12-31T23:59:59Z')
    expect((['1h', '3d', '1w', '1M'] as const).map((interval) => chunkOfUs(time, { interval }))).toEqual([
      '2024-12-31',
      '2024-12-01',
      '2024-12-01',
      '2024-12-01',
    ])
  })

  it('is followed by the next day, or the next month', () => {
    expect([nextChunk('2024-12-31' as UtcDay, { interval: '1h' }), nextChunk('2024-12-01' as UtcDay, { interval: '1w' })]).toEqual([
      '2025-01-01',
      '2025-01-01',
    ])
    expect([chunkPeriod('2024-12-01' as UtcDay, { interval: '1h' }), chunkPeriod('2024-12-01' as UtcDay, { interval: '1w' })]).toEqual([
      '2024-12-01',
      '2024-12',
    ])
  })

  it('holds the times from its start to the start of the next one', () => {
    expect(chunkRange('2024-02-28' as UtcDay, { interval: '1h' })).toEqual({
      startUs: us('2024-02-28T00:00:00Z'),
      endUs: us('2024-02-29T00:00:00Z'),
    })
    expect(chunkRange('2024-02-01' as UtcDay, { interval: '1M' })).toEqual({
      startUs: us('2024-02-01T00:00:00Z'),
      endUs: us('2024-03-01T00:00:00Z'),
    })
  })
})

describe('chunks', () => {
  it('are months for 3d, 1w and 1M, days for all others', () => {
    expect(INTERVALS.filter((interval) => isMonthChunked({ interval }))).toEqual(['3d', '1w', '1M'])
  })

  it.each<[Interval, string, string, string]>([
    ['1m', '2024-02-29', '2024-03-01T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['1d', '2024-12-31', '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z'],
    ['1M', '2024-02-01', '2024-03-01T00:00:00Z', '2024-03-01T00:00:00Z'],
    // the week of Monday 2024-01-29 and the three days of 2024-01-31 open in January and close in February
    ['1w', '2024-01-01', '2024-02-01T00:00:00Z', '2024-02-05T00:00:00Z'],
    ['3d', '2024-01-01', '2024-02-01T00:00:00Z', '2024-02-03T00:00:00Z'],
    ['3d', '2024-02-01', '2024-03-01T00:00:00Z', '2024-03-01T00:00:00Z'],
  ])('%s of %s holds bars that open before %s, and is closed at %s', (interval, day, end, closed) => {
    expect(chunkEndUs(day as UtcDay, { interval })).toBe(us(end))
    expect(chunkClosedUs(day as UtcDay, { interval })).toBe(us(closed))
  })
})
