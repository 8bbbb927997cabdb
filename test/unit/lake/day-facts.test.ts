import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { DayRow } from '../../../src/lake/catalog/catalog-rows.ts'
import type { Catalog } from '../../../src/lake/catalog/catalog.ts'
import { openCatalog } from '../../../src/lake/catalog/catalog.ts'
import { acceptDay, acceptDays, codeOf, countsAsExplained, isAccepted, isDisputed, reasonOf } from '../../../src/lake/day-facts.ts'
import { CONDITIONS } from '../../../src/model/condition.ts'
import { doubt } from '../../../src/model/evidence.ts'
import { BTC, day, barsOf, inTempDirectory, rowOf } from './lake-fixtures.ts'

const ROW = { condition: 'partial', accepted: null, errorCode: null, error: null, evidence: null } as const
const PROVED = { evidence: { source: 'rest', beforeUs: 0, afterUs: 7_200_000_000 } } as const
const OPEN = { evidence: doubt('rest-off') }
const OTHER = { evidence: doubt('no-witness', 'the page held no bar') }

describe('the reason of a chunk', () => {
  it('is the error before all else, without its code, which stands beside it', () => {
    const row = { ...ROW, errorCode: 'CKVD_ZIP_CRC', error: 'CKVD_ZIP_CRC: the CRC is wrong', evidence: 'REST is off' } as const
    expect(reasonOf(row, [OPEN])).toBe('the CRC is wrong')
    expect(codeOf(row)).toBe('CKVD_ZIP_CRC')
  })

  it('is an error of which no code is recorded as it stands', () => {
    expect(reasonOf({ ...ROW, error: 'CKVD_OLD: in words' }, [])).toBe('CKVD_OLD: in words')
    expect(codeOf(ROW)).toBe('CKVD_PARTIAL')
  })

  it('is why the first gap that nothing proves is open, then what was compared', () => {
    const row = { ...ROW, evidence: 'no archive of this day is listed' }
    expect(reasonOf(row, [PROVED, OPEN, OTHER])).toBe('REST is off')
    expect(reasonOf(row, [OTHER])).toBe('no answer of REST holds a bar on both sides and none between: the page held no bar')
    expect(reasonOf(row, [PROVED])).toBe('no archive of this day is listed')
  })

  it('begins with what a person said who accepted it', () => {
    expect(reasonOf({ ...ROW, accepted: 'looked at' }, [OPEN])).toBe('accepted: looked at; REST is off')
  })

  it.each(CONDITIONS)('is there also where nothing is recorded (%s)', (condition) => {
    expect(reasonOf({ ...ROW, condition }, [])).toMatch(/[a-z]{3}/)
  })
})

it('a disputed day that a person accepted counts as explained, and is not told as disputed', () => {
  const day = { condition: 'disputed', accepted: null } as const
  expect([isDisputed(day), countsAsExplained(day)]).toEqual([true, false])
  expect([isDisputed({ ...day, accepted: 'seen' }), countsAsExplained({ ...day, accepted: 'seen' })]).toEqual([false, true])
  expect(isDisputed({ ...day, condition: 'partial' })).toBe(false)
})

describe('accepting a day', () => {
  const withDay = (row: DayRow, test: (catalog: Catalog) => void): Promise<void> => withDays([row], test)
  const withDays = async (rows: readonly DayRow[], test: (catalog: Catalog) => void): Promise<void> => {
    await inTempDirectory((directory) => {
      using catalog = openCatalog(join(directory, 'catalog.sqlite'), { mode: 'write' })
      catalog.commit(rows.map((row) => ({ row, gaps: [] })))
      test(catalog)
      return Promise.resolve()
    })
  }

  it('needs words, and a second acceptance takes the place of the first', async () => {
    const row = rowOf(BTC, '2024-01-01', { condition: 'failed' })
    await withDay(row, (catalog) => {
      expect(isAccepted(catalog.getDay(BTC, row.day)!)).toBe(false)
      for (const blank of ['', ' \n\t ']) {
        expect(() => acceptDay(catalog, BTC, row.day, blank)).toThrow(expect.objectContaining({ code: 'CKVD_USAGE' }))
        expect(isAccepted(catalog.getDay(BTC, row.day)!)).toBe(false)
      }
      const first = acceptDay(catalog, BTC, row.day, '  seen\n by  me ')
      expect(first).toEqual({ ...row, accepted: 'seen by me' })
      expect(catalog.getDay(BTC, row.day)).toEqual(first)
      expect(acceptDay(catalog, BTC, row.day, 'two').accepted).toBe('two')
      expect(catalog.getDay(BTC, row.day)?.accepted).toBe('two')
    })
  })

  it('is refused where there is nothing to accept', async () => {
    const { row } = barsOf(BTC, '2024-01-01')
    await withDay(row, (catalog) => {
      const usage = expect.objectContaining({ code: 'CKVD_USAGE' }) as Error
      expect(() => acceptDay(catalog, BTC, row.day, 'why')).toThrow(usage)
      expect(() => acceptDay(catalog, BTC, day('2024-01-02'), 'why')).toThrow(usage)
    })
  })

  it('of a part takes what is unexplained in it, of some conditions alone, and leaves what is accepted already', async () => {
    const conditions = ['partial', 'unexplainable', 'complete', 'unexplainable', 'failed', 'unexplainable'] as const
    const rows = conditions.map((condition, i) => rowOf(BTC, `2024-01-0${i + 1}`, { condition }))
    await withDays(rows, (catalog) => {
      acceptDay(catalog, BTC, day('2024-01-02'), 'first')
      const holes = { start: day('2024-01-02'), end: day('2024-01-06'), conditions: new Set(['unexplainable'] as const) }
      expect(acceptDays(catalog, BTC, holes, ' never\npublished ').map((row) => row.day)).toEqual(['2024-01-04'])
      expect(acceptDays(catalog, BTC, holes, 'again')).toEqual([])
      expect(acceptDays(catalog, BTC, {}, 'all').map((row) => row.day)).toEqual(['2024-01-01', '2024-01-05', '2024-01-06'])
      const accepted = catalog.readDays(BTC).map((row) => row.accepted)
      expect(accepted).toEqual(['all', 'first', null, 'never published', 'all', 'all'])
    })
  })
})
