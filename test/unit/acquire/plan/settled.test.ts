import { describe, expect, test } from 'vitest'
import { planListed } from '../../../../src/acquire/plan/listed-plan.ts'
import type { PlanScope } from '../../../../src/acquire/plan/plan-scope.ts'
import type { SeriesPlan } from '../../../../src/acquire/plan/series-plan.ts'
import { planSeries } from '../../../../src/acquire/plan/plan.ts'
import type { DayRow, SeriesRow } from '../../../../src/lake/catalog/catalog-rows.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../../../src/sources/http/http.ts'
import { Listing } from '../../../../src/sources/vision/listing.ts'
import { MemoryLedger } from '../../../support/memory-ledger.ts'
import { archiveOf, day, daysFrom, HOURS, rowOf, scopeOf, seriesRowOf } from '../../../support/plans.ts'

const DAYS = daysFrom('2024-01-01', '2024-02-29')
const KNOWN = seriesRowOf({ firstDay: day('2024-01-01'), lastDay: day('2024-02-29'), listedAt: '2024-03-01T00:00:00Z' })
const NOTHING_LISTED = { daily: [], monthly: [], more: false, firstDay: null, firstForms: null }

const complete = (name: string): DayRow => rowOf(name, 'complete', archiveOf(name))
const outage = (name: string): DayRow => rowOf(name, 'outage', archiveOf(name), { rows: 20 })

/** What is planned by counting, where that suffices, and what is planned row by row; no listing can be asked. */
async function bothPlans(rows: readonly DayRow[], scope: PlanScope, known: SeriesRow): Promise<[SeriesPlan, SeriesPlan]> {
  const catalog = new MemoryLedger()
  catalog.putSeries(known)
  await catalog.commit(rows.map((row) => ({ row, gaps: [] })))
  await using http = new HttpClient({ ...HTTP_DEFAULTS, maxRetries: 0 }, {})
  const listing = new Listing(http, 'http://127.0.0.1:9')
  const planned = await planListed(HOURS, { listing, scope, catalog, adoptInto: null, signal: new AbortController().signal })
  const asked = rows.filter((row) => row.day < scope.end && (scope.start === null || row.day >= scope.start))
  const byRow = planSeries(HOURS, scope, NOTHING_LISTED, known, new Map(asked.map((row) => [row.day, row])), rows.at(-1)?.day)
  return [planned, byRow]
}

describe('a run with nothing new', () => {
  test.each<[string, PlanScope, SeriesRow, (name: string) => DayRow]>([
    ['all of a series', scopeOf(null, '2024-03-01'), KNOWN, complete],
    ['a range', scopeOf('2024-01-10', '2024-02-05'), KNOWN, complete],
    [
      'a range of a series of which nothing else is known',
      scopeOf('2024-01-10', '2024-02-05'),
      seriesRowOf({ firstForms: null }),
      complete,
    ],
    ['days with outages', scopeOf('2024-01-10', '2024-02-05'), KNOWN, (name) => (name.endsWith('1') ? outage(name) : complete(name))],
    ['without REST', scopeOf(null, '2024-03-01', { rest: false }), KNOWN, complete],
  ])('is planned as it is row by row: %s', async (_what, scope, known, row) => {
    const [planned, byRow] = await bothPlans(DAYS.map(row), scope, known)
    expect(planned).toEqual(byRow)
    expect(planned.days).toBeGreaterThan(20)
    expect(planned.tasks).toEqual([])
  })

  test.each<[string, readonly DayRow[], Partial<PlanScope>]>([
    ['a day is missing', DAYS.slice(1).map(complete), {}],
    ['a day is partial', DAYS.map((name, i) => (i === 9 ? rowOf(name, 'partial', archiveOf(name), { rows: 20 }) : complete(name))), {}],
    ['a day is to be looked at again', DAYS.map((name, i) => (i === 9 ? { ...complete(name), recheck: 1 } : complete(name))), {}],
    [
      'a day was cut at a beginning that is not known',
      DAYS.map((name, i) => (i === 9 ? { ...complete(name), rows: 20, expected: 20 } : complete(name))),
      {},
    ],
    ['archives are asked for again', DAYS.map(complete), { refresh: true }],
    ['all is asked for again', DAYS.map(complete), { force: true }],
  ])('is none where %s: the listing is asked', async (_what, rows, change) => {
    await expect(bothPlans(rows, scopeOf('2024-01-01', '2024-03-01', change), KNOWN)).rejects.toMatchObject({ code: 'CKVD_HTTP_NETWORK' })
  })
})
