import { describe, expect, it } from 'vitest'
import type { UtcDay, UtcMonth } from '../../../src/model/utc-day.ts'
import {
  addDays,
  addMonths,
  countDays,
  dayOfUs,
  dayStartUs,
  firstDayOf,
  isoOfUs,
  monthOf,
  monthStartUs,
  nextMonth,
  parseUtcDay,
  parseUtcMonth,
} from '../../../src/model/utc-day.ts'

const us = (iso: string): number => Date.parse(iso) * 1000
const day = (text: string): UtcDay => text as UtcDay

describe('days and months of the calendar', () => {
  it.each(['2024-02-29', '1970-01-01', '2023-12-31', '0001-01-01'])('%s is a day', (text) => expect(parseUtcDay(text)).toBe(text))

  it.each([
    '2023-02-29',
    '2024-04-31',
    '2024-13-01',
    '2024-00-10',
    '2024-1-01',
    '2024-01-01 ',
    ' 2024-01-01',
    '2024-01-01T00',
    '12024-01-01',
    '',
  ])('%j is none', (text) => expect(parseUtcDay(text)).toBeUndefined())

  it.each(['2024-02', '1999-12'])('%s is a month', (text) => expect(parseUtcMonth(text)).toBe(text))

  it.each(['2024-13', '2024-00', '2024-2', '2024-02-01', 'x2024-02', '2024-02x', ''])('%j is none', (text) =>
    expect(parseUtcMonth(text)).toBeUndefined(),
  )
})

describe('counting', () => {
  it('finds the day of a time, and its start', () => {
    expect(dayOfUs(us('2024-02-29T23:59:59.999Z') + 999)).toBe('2024-02-29')
    expect(dayOfUs(us('2024-03-01T00:00:00Z'))).toBe('2024-03-01')
    expect(dayOfUs(-1)).toBe('1969-12-31')
    expect(dayStartUs(day('2024-03-01'))).toBe(us('2024-03-01T00:00:00Z'))
  })

  it('finds what Date finds, of every day from 1890 to 2110 and of each eleventh from the year 0 to 9999', () => {
    const ms = 86_400_000
    const wrong: string[] = []
    const [first, from, to, last] = ['0000-01-01', '1890-01-01', '2110-12-31', '9999-12-31'].map((text) => Date.parse(text) / ms)
    for (let number = first!; number <= last!; number += number >= from! && number <= to! ? 1 : 11) {
      const text = new Date(number * ms).toISOString().slice(0, 10)
      if (dayOfUs(number * ms * 1000) !== text || dayStartUs(day(text)) !== number * ms * 1000 || parseUtcDay(text) !== text)
        wrong.push(text)
    }
    expect(wrong).toEqual([])
  })

  it('takes no day that Date does not take', () => {
    const taken = (text: string): boolean => {
      const ms = Date.parse(`${text}T00:00:00Z`)
      return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)
    }
    const wrong: string[] = []
    const pad = (number: number): string => String(number).padStart(2, '0')
    for (const year of ['0000', '1900', '2000', '2023', '2024', '9999'])
      for (let month = 0; month < 100; month++)
        for (let date = 0; date < 100; date++) {
          const text = `${year}-${pad(month)}-${pad(date)}`
          if ((parseUtcDay(text) !== undefined) !== taken(text)) wrong.push(text)
        }
    expect(wrong).toEqual([])
  })

  it('goes over the ends of months and years, both ways', () => {
    expect([addDays(day('2024-02-28'), 2), addDays(day('2024-01-01'), -1), addDays(day('2024-01-01'), 0)]).toEqual([
      '2024-03-01',
      '2023-12-31',
      '2024-01-01',
    ])
    const months = [-13, -1, 0, 1, 11, 24].map((count) => addMonths('2024-01' as UtcMonth, count))
    expect(months).toEqual(['2022-12', '2023-12', '2024-01', '2024-02', '2024-12', '2026-01'])
    expect(addMonths('2024-12' as UtcMonth, 1)).toBe('2025-01')
    expect(addMonths('0999-12' as UtcMonth, -1)).toBe('0999-11')
  })

  it('counts days up to the end, never less than none', () => {
    expect([countDays(day('2024-02-28'), day('2024-03-01')), countDays(day('2024-03-01'), day('2024-02-28'))]).toEqual([2, 0])
  })

  it('knows the month of a day and of a time', () => {
    expect([monthOf(day('2024-02-29')), firstDayOf('2024-02' as UtcMonth)]).toEqual(['2024-02', '2024-02-01'])
    const time = us('2024-12-31T23:59:59.999Z') + 999
    expect([monthStartUs(time), nextMonth(time)]).toEqual([us('2024-12-01T00:00:00Z'), us('2025-01-01T00:00:00Z')])
  })
})

it('writes times with all six digits', () => {
  expect(isoOfUs(us('2024-01-01T00:00:00.007Z') + 5)).toBe('2024-01-01T00:00:00.007005Z')
  expect(isoOfUs(us('2024-01-01T00:00:00Z') - 1)).toBe('2023-12-31T23:59:59.999999Z')
})
