import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SeriesListings } from '../../src/acquire/plan/archive-choice.ts'
import type { PlanScope } from '../../src/acquire/plan/plan-scope.ts'
import type { SeriesPlan } from '../../src/acquire/plan/series-plan.ts'
import { planSeries } from '../../src/acquire/plan/plan.ts'
import type { DayRow } from '../../src/lake/catalog/catalog-rows.ts'
import { CONDITIONS } from '../../src/model/condition.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { archiveOf, day, daysFrom, HOURS, rowOf, scopeOf } from '../support/plans.ts'

const WORLD = daysFrom('2024-01-01', '2024-04-30')
const MONTHS = ['2024-01', '2024-02', '2024-03', '2024-04']

/** Any listing: some days, some months, the first day as the reader of the listing tells it. */
const listings = fc.record({ daily: fc.subarray(WORLD), monthly: fc.subarray(MONTHS) }).map(({ daily, monthly }): SeriesListings => {
  const firstMonth = monthly[0]
  const firstDaily = daily[0]
  const inFirstMonth = firstMonth !== undefined && firstDaily !== undefined && firstDaily.slice(0, 7) <= firstMonth
  const firstDay = firstMonth === undefined || inFirstMonth ? firstDaily : `${firstMonth}-01`
  return {
    daily: daily.map((name) => archiveOf(name)),
    monthly: monthly.map((name) => archiveOf(name)),
    more: false,
    firstDay: firstDay === undefined ? null : day(firstDay),
    firstForms: 'both',
  }
})

const scopes = fc
  .record({
    range: fc.tuple(fc.nat(WORLD.length - 2), fc.nat(WORLD.length - 1)).map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const),
    startGiven: fc.boolean(),
    archives: fc.constantFrom('auto', 'daily', 'monthly'),
    rest: fc.boolean(),
    crossCheck: fc.boolean(),
    force: fc.boolean(),
    refresh: fc.boolean(),
  })
  .map(({ range, startGiven, ...change }): PlanScope =>
    scopeOf(startGiven ? WORLD[range[0]]! : null, WORLD[range[1]] ?? '2024-05-01', { ...change, nowUs: Date.parse('2024-06-01') * 1000 }),
  )

/** Any state of the lake: for some days a row of any condition, made from any archive or from none. */
const stored = fc
  .array(
    fc.record({
      name: fc.constantFrom(...WORLD),
      condition: fc.constantFrom(...CONDITIONS.filter((name) => name !== 'unlisted')),
      source: fc.constantFrom('daily', 'monthly', 'rest'),
      etag: fc.constantFrom('same', 'other'),
    }),
    { maxLength: 150 },
  )
  .map(
    (rows) =>
      new Map(
        rows.map(({ name, condition, source, etag }): [UtcDay, DayRow] => {
          const period = source === 'daily' ? name : name.slice(0, 7)
          const archive = source === 'rest' ? null : archiveOf(period, etag === 'same' ? undefined : 'another')
          return [name, rowOf(name, condition, archive)]
        }),
      ),
  )

/** Every chunk that a plan names, with the place where it does: `archive KEY`, `hole`, `tail`, `lead`, `cut`, `repair`. */
function placesOf(plan: SeriesPlan): Map<UtcDay, string[]> {
  const places = new Map<UtcDay, string[]>()
  const put = (name: UtcDay, place: string): void => void places.set(name, [...(places.get(name) ?? []), place])
  for (const { archive, days } of plan.tasks) for (const name of days) put(name, `archive ${archive.key}`)
  for (const [place, days] of Object.entries({ hole: plan.holes, tail: plan.tail, lead: plan.lead, cut: plan.cut }))
    for (const name of days) put(name, place)
  for (const { days } of plan.repairs) for (const name of days) put(name, 'repair')
  return places
}

/** The archive of a day by the words of the contract, from the listing and the range alone. */
function archiveByContract(name: UtcDay, scope: PlanScope, { daily, monthly }: SeriesListings): string | undefined {
  const month = monthly.find(({ period }) => period === name.slice(0, 7))
  const own = daily.find(({ period }) => period === name)
  const requested =
    daysFrom(`${name.slice(0, 7)}-01`, `${name.slice(0, 7)}-28`).every((other) => scope.start === null || other >= scope.start) &&
    scope.end > WORLD.filter((other) => other.startsWith(name.slice(0, 7))).at(-1)!
  if (scope.archives === 'daily') return own?.key
  if (scope.archives === 'monthly') return month?.key
  return (month !== undefined && (requested || own === undefined) ? month : own)?.key
}

describe('a plan of any series', () => {
  test('names no chunk twice, and each requested one once: planned, kept, or outside of its life', () => {
    fc.assert(
      fc.property(listings, scopes, stored, (listed, scope, rows) => {
        const plan = planSeries(HOURS, scope, listed, undefined, rows)
        const places = placesOf(plan)
        for (const [name, found] of places) expect(found, name).toHaveLength(1)
        const start = scope.start ?? listed.firstDay
        const requested = start === null ? [] : WORLD.filter((name) => name >= start && name < scope.end)
        const planned = requested.filter((name) => places.has(name)).length
        const kept = Object.values(plan.kept).reduce((sum, count) => sum + count, 0)
        expect(planned + kept + plan.unlisted).toBe(requested.length)
        // beyond the request only the month in which the series begins has days to look for
        const beyond = [...places.keys()].filter((name) => !requested.includes(name))
        if (beyond.length > 0)
          expect(plan.tasks.find(({ days }) => days.includes(beyond[0]!))).toMatchObject({
            startsSeries: true,
            archive: { packaging: 'monthly' },
          })
      }),
    )
  })

  test('takes each chunk from the archive that listing and range tell, whatever is stored', () => {
    fc.assert(
      fc.property(listings, scopes, stored, (listed, scope, rows) => {
        const places = placesOf(planSeries(HOURS, scope, listed, undefined, rows))
        for (const [name, [place = '']] of places) {
          const archive = archiveByContract(name, scope, listed)
          if (place.startsWith('archive')) expect({ name, place }).toEqual({ name, place: `archive ${archive ?? 'none'}` })
          else if (place !== 'repair' && place !== 'lead') expect(archive, `${name} ${place}`).toBeUndefined()
        }
      }),
    )
  })

  test('fetches each archive once, for days of its own period, in order', () => {
    fc.assert(
      fc.property(listings, scopes, stored, (listed, scope, rows) => {
        const { tasks } = planSeries(HOURS, scope, listed, undefined, rows)
        expect(new Set(tasks.map(({ archive }) => archive.key)).size).toBe(tasks.length)
        for (const { archive, days, others, compare } of tasks) {
          expect(days.every((name) => name.startsWith(archive.period))).toBe(true)
          expect([...days].sort()).toEqual(days)
          expect(others.every(({ packaging }) => packaging !== archive.packaging)).toBe(true)
          expect(compare.every((name) => days.includes(name) && others.some(({ period }) => period === name))).toBe(true)
        }
      }),
    )
  })

  test('is the same after a trip through JSON, in which it is spooled', () => {
    fc.assert(
      fc.property(listings, scopes, stored, (listed, scope, rows) => {
        const plan = planSeries(HOURS, scope, listed, undefined, rows)
        expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
      }),
      { numRuns: 30 },
    )
  })

  test('with all its chunks settled asks for nothing', () => {
    fc.assert(
      fc.property(listings, scopes, (listed, scope) => {
        const calm = { ...scope, force: false, refresh: false }
        const rows = new Map(WORLD.map((name) => [name, rowOf(name, 'complete', archiveOf(name))]))
        expect(planSeries(HOURS, calm, listed, undefined, rows)).toMatchObject({
          tasks: [],
          holes: [],
          tail: [],
          lead: [],
          repairs: [],
          unlisted: 0,
        })
      }),
    )
  })
})
