import { describe, expect, test } from 'vitest'
import type { ArchiveRef } from '../../../../src/acquire/archive-task.ts'
import { archivesAroundMonth, archivesOfMonth } from '../../../../src/acquire/plan/month-chunks.ts'
import { strayNote } from '../../../../src/acquire/archive/neighbour-archives.ts'
import type { UtcDay } from '../../../../src/model/utc-day.ts'

const day = (text: string): UtcDay => text as UtcDay

function listed(...periods: string[]): { daily: Map<UtcDay, ArchiveRef>; monthly: Map<UtcDay, ArchiveRef> } {
  const refs = periods.map((period): ArchiveRef => {
    const packaging = period.length > 7 ? 'daily' : 'monthly'
    return { key: period, etag: 'e', sizeBytes: 1, packaging, period, firstDay: day(packaging === 'daily' ? period : `${period}-01`) }
  })
  const of = (packaging: string): Map<UtcDay, ArchiveRef> =>
    new Map(refs.filter((ref) => ref.packaging === packaging).map((ref) => [ref.firstDay, ref]))
  return { daily: of('daily'), monthly: of('monthly') }
}

const keys = (refs: readonly ArchiveRef[]): string[] => refs.map(({ key }) => key)

describe('archives that may hold bars which open in a month', () => {
  const all = listed('2024-01', '2024-02', '2024-03', '2024-04', '2024-01-29', '2024-02-05', '2024-02-29', '2024-03-04', '2024-03-08')

  test('its own comes first, then those of its days, then that of the month after', () => {
    expect(keys(archivesOfMonth(day('2024-02-01'), all))).toEqual(['2024-02', '2024-02-05', '2024-02-29', '2024-03'])
  })

  test('those of the days in which its last bar closes and that of the month before are the last to be asked', () => {
    expect(keys(archivesAroundMonth(day('2024-02-01'), all))).toEqual([
      '2024-02',
      '2024-02-05',
      '2024-02-29',
      '2024-03',
      '2024-03-04',
      '2024-01',
    ])
  })

  test('over the turn of a year', () => {
    expect(keys(archivesAroundMonth(day('2023-12-01'), listed('2023-11', '2024-01', '2024-01-03')))).toEqual([
      '2024-01',
      '2024-01-03',
      '2023-11',
    ])
  })

  test('there may be none', () => {
    expect(archivesAroundMonth(day('2024-07-01'), all)).toEqual([])
  })
})

describe('what is said of rows outside of an archive’s period', () => {
  const strays = [
    { day: day('2024-02-01'), rows: 1 },
    { day: day('2024-04-01'), rows: 2 },
  ]

  test('is nothing where there are none, or where their month was taken', () => {
    expect(strayNote({ strays: [], dropped: 0 }, 'k.zip', [])).toBeNull()
    expect(strayNote({ strays: strays.slice(0, 1), dropped: 0 }, 'k.zip', [day('2024-02-01')])).toBeNull()
  })

  test('names the chunks beside the period, and counts the rest', () => {
    expect(strayNote({ strays, dropped: 5 }, 'k.zip', [])).toBe(
      'k.zip: outside of its period 1 row opens in the chunk 2024-02-01 and 2 rows open in the chunk 2024-04-01 and 2 rows open elsewhere',
    )
  })
})
