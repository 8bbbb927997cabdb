import { describe, expect, test } from 'vitest'
import { calculateTimeRange, parseTimeRange } from '../../../src/question/time-range.ts'

const NOW_MS = Date.parse('2024-03-10T12:00:00Z')
const us = (iso: string) => Date.parse(iso) * 1000

describe('parseTimeRange', () => {
  test.each([
    [
      'start and end',
      { startTime: '2024-03-01T00:00:00Z', endTime: '2024-03-02T00:00:00Z' },
      '2024-03-01T00:00:00Z',
      '2024-03-02T00:00:00Z',
    ],
    ['start alone: up to now', { startTime: '2024-03-01T00:00:00Z' }, '2024-03-01T00:00:00Z', '2024-03-10T12:00:00Z'],
    ['start and days', { startTime: '2024-03-01T00:00:00Z', days: 1.5 }, '2024-03-01T00:00:00Z', '2024-03-02T12:00:00Z'],
    ['end and days', { endTime: '2024-03-02T13:45:30Z', days: 2 }, '2024-02-29T13:45:30Z', '2024-03-02T13:45:30Z'],
    ['days alone: back from now', { days: 1 }, '2024-03-09T12:00:00Z', '2024-03-10T12:00:00Z'],
    [
      'a zone of its own',
      { startTime: '2024-03-01T02:00+02:00', endTime: '2024-03-01T00:30:00Z' },
      '2024-03-01T00:00:00Z',
      '2024-03-01T00:30:00Z',
    ],
    [
      'Date and milliseconds',
      { startTime: new Date('2024-03-01T00:00:00Z'), endTime: Date.parse('2024-03-02T00:00:00Z') },
      '2024-03-01T00:00:00Z',
      '2024-03-02T00:00:00Z',
    ],
  ])('%s', (_what, options, start, end) => {
    expect(parseTimeRange(options, NOW_MS)).toEqual({ startUs: us(start), endUs: us(end) })
  })

  test('microseconds are kept', () => {
    const { startUs } = parseTimeRange({ startTime: '2024-03-01T00:00:00.123456789Z' }, NOW_MS)
    expect(startUs).toBe(us('2024-03-01T00:00:00Z') + 123_456)
  })

  test.each([
    ['naive text', { startTime: '2024-03-01T00:00:00' }, 'CKVD_TIME', 'add Z'],
    ['a day without a time', { startTime: '2024-03-01' }, 'CKVD_TIME', 'ISO time'],
    ['a day that the calendar lacks', { startTime: '2024-02-30T00:00:00Z' }, 'CKVD_TIME', 'calendar'],
    ['an hour that the day lacks', { startTime: '2024-02-28T25:00:00Z' }, 'CKVD_TIME', '2024-02-28T25'],
    ['seconds', { startTime: 1_709_251_200 }, 'CKVD_TIME', 'seconds?'],
    ['microseconds', { startTime: 1_709_251_200_000_000 }, 'CKVD_TIME', 'microseconds?'],
    ['an invalid Date', { startTime: new Date(NaN) }, 'CKVD_TIME', 'invalid Date'],
    ['the future', { startTime: '2024-03-01T00:00:00Z', endTime: '2024-03-10T12:00:01Z' }, 'CKVD_TIME', 'future'],
    ['an end in the future by days', { startTime: '2024-03-10T00:00:00Z', days: 1 }, 'CKVD_TIME', 'future'],
    ['start after end', { startTime: '2024-03-02T00:00:00Z', endTime: '2024-03-01T00:00:00Z' }, 'CKVD_TIME', 'before'],
    ['an empty range', { startTime: '2024-03-01T00:00:00Z', endTime: '2024-03-01T00:00:00Z' }, 'CKVD_TIME', 'excluded'],
    ['nothing', {}, 'CKVD_USAGE', 'neither'],
    ['an end alone', { endTime: '2024-03-01T00:00:00Z' }, 'CKVD_USAGE', 'neither'],
    ['too much', { startTime: '2024-03-01T00:00:00Z', endTime: '2024-03-02T00:00:00Z', days: 1 }, 'CKVD_USAGE', 'all three'],
    ['no days', { days: 0 }, 'CKVD_USAGE', '`days`'],
    ['days that are no number', { days: Number.NaN }, 'CKVD_USAGE', '`days`'],
  ])('refuses %s', (_what, options, code, words) => {
    expect(() => parseTimeRange(options, NOW_MS)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) as string }) as Error,
    )
  })
})

test('calculateTimeRange gives Dates', () => {
  expect(calculateTimeRange({ endTime: '2025-05-15T13:45:30Z', days: 7 })).toEqual({
    startTime: new Date('2025-05-08T13:45:30Z'),
    endTime: new Date('2025-05-15T13:45:30Z'),
  })
})
