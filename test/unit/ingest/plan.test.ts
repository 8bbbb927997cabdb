import { describe, expect, test } from 'vitest'
import type { ArchiveRef } from '../../../src/acquire/archive-task.ts'
import type { SeriesListings } from '../../../src/acquire/plan/archive-choice.ts'
import type { PlanScope } from '../../../src/acquire/plan/plan-scope.ts'
import type { SeriesPlan } from '../../../src/acquire/plan/series-plan.ts'
import { findListingStart } from '../../../src/acquire/plan/listing-start.ts'
import { planSeries } from '../../../src/acquire/plan/plan.ts'
import type { DayRow, SeriesRow } from '../../../src/lake/catalog/catalog-rows.ts'
import { archiveOf, day, daysFrom, HOURS, rowOf, scopeOf, seriesRowOf } from '../../support/plans.ts'

function listingsOf(daily: readonly string[], monthly: readonly string[], change: Partial<SeriesListings> = {}): SeriesListings {
  const first = [...daily, ...monthly.map((month) => `${month}-01`)].sort()[0]
  return {
    daily: daily.map((name) => archiveOf(name)),
    monthly: monthly.map((name) => archiveOf(name)),
    more: false,
    firstDay: first === undefined ? null : day(first),
    firstForms: 'both',
    ...change,
  }
}

function mapOf(rows: readonly DayRow[]): Map<DayRow['day'], DayRow> {
  return new Map(rows.map((row) => [row.day, row]))
}

function plan(scope: PlanScope, listings: SeriesListings, rows: readonly DayRow[] = [], known?: SeriesRow): SeriesPlan {
  return planSeries(HOURS, scope, listings, known, mapOf(rows))
}

/** `period: days` of each archive that is taken. */
function taken({ tasks }: SeriesPlan): Record<string, number> {
  return Object.fromEntries(tasks.map(({ archive, days }) => [archive.period, days.length]))
}

const MARCH_ON = listingsOf(daysFrom('2024-01-20', '2024-03-18'), ['2024-01', '2024-02'])

describe('which archives are taken', () => {
  test('auto: the month where all its days are requested and its archive exists, else days', () => {
    const found = taken(plan(scopeOf('2024-01-25', '2024-03-03'), MARCH_ON))
    expect(found).toEqual({
      ...Object.fromEntries(daysFrom('2024-01-25', '2024-01-31').map((name) => [name, 1])),
      '2024-02': 29,
      '2024-03-01': 1,
      '2024-03-02': 1,
    })
  })

  test('auto: the month for a day that has no daily archive, though not all of its days are requested', () => {
    const listings = listingsOf(['2024-02-10', '2024-02-12'], ['2024-02'])
    expect(taken(plan(scopeOf('2024-02-10', '2024-02-13'), listings))).toEqual({ '2024-02-10': 1, '2024-02': 1, '2024-02-12': 1 })
  })

  test('daily and monthly: nothing else', () => {
    const daily = plan(scopeOf('2024-02-01', '2024-03-03', { archives: 'daily' }), MARCH_ON)
    expect(Object.keys(taken(daily))).toEqual(daysFrom('2024-02-01', '2024-03-02'))
    const monthly = plan(scopeOf('2024-02-20', '2024-03-03', { archives: 'monthly' }), MARCH_ON)
    expect(taken(monthly)).toEqual({ '2024-02': 10 })
    expect(monthly.tail).toEqual(['2024-03-01', '2024-03-02'])
    expect(monthly.tasks[0]?.others.map(({ period }) => period)).toEqual(daysFrom('2024-02-20', '2024-02-29'))
  })

  test('a start that is not given means the first archive; the month of the first bar may have days before the first daily one', () => {
    const found = plan(scopeOf(null, '2024-02-01'), MARCH_ON)
    expect(found).toMatchObject({ first: '2024-01-01', last: '2024-01-31', firstDay: '2024-01-01' })
    expect(found.tasks).toMatchObject([{ archive: { period: '2024-01' }, startsSeries: true }])
    const late = plan(scopeOf(null, '2024-02-01'), { ...MARCH_ON, firstDay: day('2024-01-20') })
    expect(late).toMatchObject({ first: '2024-01-20', days: 12 })
    expect(late.tasks[0]?.days).toEqual(daysFrom('2024-01-01', '2024-01-31'))
  })

  test('what is stored takes days out of an archive, and never changes which archive is taken', () => {
    const stored = daysFrom('2024-02-01', '2024-02-28').map((name) => rowOf(name, 'complete', archiveOf('2024-02')))
    const found = plan(scopeOf('2024-02-01', '2024-03-01'), MARCH_ON, stored)
    expect(found.tasks).toMatchObject([{ archive: { period: '2024-02' }, days: ['2024-02-29'] }])
    expect(found).toMatchObject({ days: 29, kept: { complete: 28 } })
  })

  test('3d, 1w and 1M: monthly archives, a chunk a month, once its last bar has closed', () => {
    const series = { ...HOURS, interval: '1w' as const }
    const listings: SeriesListings = {
      daily: [],
      monthly: ['2024-01', '2024-02'].map((month) => archiveOf(month, 'e', '1w')),
      more: false,
      firstDay: day('2024-01-01'),
      firstForms: 'both',
    }
    const at = (now: string) =>
      planSeries(
        series,
        scopeOf('2024-01-10', '2024-03-03', { nowUs: Date.parse(now) * 1000, archives: 'daily' }),
        listings,
        undefined,
        new Map(),
      )
    // the week of 2024-02-26 closes on 2024-03-04
    expect(taken(at('2024-03-03T23:59:59Z'))).toEqual({ '2024-01': 1 })
    expect(taken(at('2024-03-04T00:00:00Z'))).toEqual({ '2024-01': 1, '2024-02': 1 })
    expect(at('2024-03-04T00:00:00Z').tasks[0]?.days).toEqual(['2024-01-01'])
  })

  test('one day of a month is a sample that is compared, the same one in every run; with cross-check all', () => {
    const compared = (change: Partial<PlanScope>, rows: DayRow[] = []) =>
      plan(scopeOf('2024-02-01', '2024-03-01', change), MARCH_ON, rows).tasks.map(({ compare }) => compare)
    const [sample] = compared({})
    expect(sample).toHaveLength(1)
    expect(compared({})).toEqual([sample])
    expect(compared({}, [rowOf(sample?.[0] ?? '', 'complete', archiveOf('2024-02'))])).toEqual([[]])
    expect(compared({ crossCheck: true })).toEqual([daysFrom('2024-02-01', '2024-02-29')])
    expect(compared({ archives: 'monthly' })).toEqual([[]])
  })
})

describe('days without archive', () => {
  test('between archives they are holes, after the last one the tail, before the first one the lead', () => {
    const listings = listingsOf(['2024-03-05', '2024-03-06', '2024-03-09'], [])
    const found = plan(scopeOf('2024-03-03', '2024-03-12'), listings)
    expect(found).toMatchObject({
      lead: ['2024-03-03', '2024-03-04'],
      holes: ['2024-03-07', '2024-03-08'],
      tail: ['2024-03-10', '2024-03-11'],
      first: '2024-03-05',
      last: '2024-03-11',
      days: 7,
      unlisted: 0,
    })
  })

  test('without REST nobody can tell of the days before the first archive: unlisted', () => {
    const found = plan(scopeOf('2024-03-03', '2024-03-07', { rest: false }), listingsOf(['2024-03-05', '2024-03-06'], []))
    expect(found).toMatchObject({ lead: [], unlisted: 2, days: 2 })
  })

  test('a series that the listing does not know has a tail alone, and no day at all without a start', () => {
    const nothing = listingsOf([], [])
    expect(plan(scopeOf('2024-03-03', '2024-03-05'), nothing)).toMatchObject({
      tail: ['2024-03-03', '2024-03-04'],
      tasks: [],
      firstDay: null,
    })
    expect(plan(scopeOf(null, '2024-03-05'), nothing)).toMatchObject({ tail: [], tasks: [], days: 0, first: null, last: null })
  })

  test('what an earlier run knew of the series and what the lake holds still count when the listing was read from later on', () => {
    const known = seriesRowOf({ firstDay: day('2024-03-01'), lastDay: day('2024-03-09') })
    const found = plan(
      scopeOf('2024-03-01', '2024-03-11'),
      { daily: [], monthly: [], more: false, firstDay: null, firstForms: null },
      daysFrom('2024-03-01', '2024-03-07').map((name) => rowOf(name, 'complete', archiveOf(name))),
      known,
    )
    expect(found).toMatchObject({ holes: ['2024-03-08', '2024-03-09'], tail: ['2024-03-10'], kept: { complete: 7 } })
  })
})

/** A series whose listing was read. */
const LISTED = seriesRowOf({ listedAt: '2024-03-01T00:00:00.000Z' })

describe('what becomes of a stored chunk', () => {
  const NAME = '2024-03-06'
  const listed = archiveOf(NAME)
  const listings = listingsOf(['2024-03-05', NAME, '2024-03-07'], [])

  /** `kept`, `archive`, `rest` or `tail`: what the plan does with one stored chunk */
  function fate(row: DayRow, change: Partial<PlanScope> = {}, within = listings): string {
    const found = planSeries(HOURS, scopeOf(NAME, '2024-03-07', change), within, LISTED, mapOf([row]))
    const places = {
      archive: found.tasks.length,
      rest: found.repairs.length,
      tail: found.tail.length,
      hole: found.holes.length,
      kept: Object.values(found.kept).reduce((a, b) => a + b, 0),
    }
    const named = Object.entries(places).filter(([, count]) => count > 0)
    expect(named).toHaveLength(1)
    return named[0]?.[0] ?? ''
  }

  const republished: ArchiveRef = { ...listed, etag: 'older' }
  const unlistedYet = listingsOf(['2024-03-05'], [])

  test.each<[string, DayRow, Partial<PlanScope>, string]>([
    ['complete is never planned again', rowOf(NAME, 'complete', listed), {}, 'kept'],
    ['complete stays though its archive was published anew', rowOf(NAME, 'complete', republished), {}, 'kept'],
    ['… until --refresh', rowOf(NAME, 'complete', republished), { refresh: true }, 'archive'],
    ['--refresh takes nothing that has not changed', rowOf(NAME, 'complete', listed), { refresh: true }, 'kept'],
    ['an outage from Vision stays', rowOf(NAME, 'outage', listed), {}, 'kept'],
    ['an outage of which no bar is from Vision gives way to the archive', rowOf(NAME, 'outage', null), {}, 'archive'],
    ['provisional gives way to the archive', rowOf(NAME, 'provisional', null), {}, 'archive'],
    ['provisional stays where the archive is known to be bad', rowOf(NAME, 'provisional', listed, { source: 'rest' }), {}, 'kept'],
    ['partial from this very archive: REST alone is asked', rowOf(NAME, 'partial', listed), {}, 'rest'],
    ['… and nothing where REST is off', rowOf(NAME, 'partial', listed), { rest: false }, 'kept'],
    ['partial from an archive that was published anew', rowOf(NAME, 'partial', republished), {}, 'archive'],
    ['partial without any bar', rowOf(NAME, 'partial', null, { shardSha256: null }), {}, 'archive'],
    ['quarantined waits for another ETag', rowOf(NAME, 'quarantined', listed), {}, 'kept'],
    ['… or for --retry-failed', rowOf(NAME, 'quarantined', listed), { retryFailed: true }, 'archive'],
    ['quarantined with another ETag', rowOf(NAME, 'quarantined', republished), {}, 'archive'],
    ['pending is always planned', rowOf(NAME, 'pending', null), {}, 'archive'],
    ['failed is always planned', rowOf(NAME, 'failed', listed), {}, 'archive'],
    ['disputed is always planned: another source may answer', rowOf(NAME, 'disputed', listed), {}, 'archive'],
    ['an outage that rests on words is asked for again, of REST alone', rowOf(NAME, 'outage', listed, { recheck: 1 }), {}, 'rest'],
    ['… from its archive where that was published anew', rowOf(NAME, 'outage', republished, { recheck: 1 }), {}, 'archive'],
    ['what is not what the listing had is fetched again', rowOf(NAME, 'complete', listed, { recheck: 1 }), {}, 'archive'],
    ['--retry-failed plans what is disputed', rowOf(NAME, 'disputed', listed), { retryFailed: true }, 'archive'],
    ['--retry-failed plans what is partial', rowOf(NAME, 'partial', listed), { retryFailed: true }, 'rest'],
    ['--force plans all', rowOf(NAME, 'complete', listed), { force: true }, 'archive'],
    ['--retry-failed leaves out what is explained', rowOf(NAME, 'provisional', null), { retryFailed: true }, 'kept'],
    [
      '--retry-failed leaves out what a person has accepted',
      rowOf(NAME, 'failed', listed, { accepted: 'seen' }),
      { retryFailed: true },
      'kept',
    ],
  ])('%s', (_name, row, change, expected) => {
    expect(fate(row, change)).toBe(expected)
  })

  test('a provisional chunk stays while its archive is not listed', () => {
    expect(fate(rowOf(NAME, 'provisional', null), {}, unlistedYet)).toBe('kept')
    expect(fate(rowOf(NAME, 'pending', null), {}, unlistedYet)).toBe('tail')
  })

  test('a partial chunk of a month is tried from its daily archive, listed since', () => {
    const month = archiveOf('2024-03')
    const found = planSeries(
      HOURS,
      scopeOf('2024-03-01', '2024-04-01'),
      listingsOf([NAME], ['2024-03']),
      undefined,
      mapOf([rowOf(NAME, 'partial', month)]),
    )
    expect(found.repairs).toEqual([])
    expect(found.tasks.find(({ days }) => days.includes(day(NAME)))?.others).toEqual([listed])
  })

  test('what stays unexplained is reported again, what a person has accepted is not', () => {
    const rows = [
      rowOf('2024-03-05', 'quarantined', archiveOf('2024-03-05'), { error: 'why' }),
      rowOf(NAME, 'quarantined', listed, { accepted: 'seen' }),
    ]
    const found = plan(scopeOf('2024-03-05', '2024-03-07'), listings, rows)
    expect(found.keptProblems).toEqual([{ day: '2024-03-05', condition: 'quarantined' }])
    expect(found.kept).toEqual({ quarantined: 2 })
  })

  test('a republished archive is noticed whether it is taken or not', () => {
    expect(plan(scopeOf(NAME, '2024-03-07'), listings, [rowOf(NAME, 'complete', republished)]).changed).toEqual([NAME])
  })
})

describe('a chunk that expects fewer bars than it has slots', () => {
  const NAME = '2024-03-05'
  const FIRST_US = Date.parse('2024-03-05T10:00:00Z') * 1000
  /** stored from its first bar, at 10:00, on; or up to its last one, at 09:00 */
  const begun = rowOf(NAME, 'complete', archiveOf(NAME), { rows: 14, expected: 14 })
  const ended = rowOf(NAME, 'complete', archiveOf(NAME), { rows: 10, expected: 10 })
  const listings = listingsOf([NAME, '2024-03-06'], [])
  const planned = (row: DayRow, known?: SeriesRow) => planSeries(HOURS, scopeOf(NAME, '2024-03-06'), listings, known, mapOf([row]))

  test.each<[string, DayRow, SeriesRow | undefined]>([
    ['where nothing is known of the series', begun, undefined],
    ['where its beginning was believed provisionally', begun, seriesRowOf({ firstOpenUs: FIRST_US, firstSource: 'provisional' })],
    ['where an older version remembered it in words', begun, seriesRowOf({ firstOpenUs: FIRST_US })],
    ['where the series began earlier', begun, seriesRowOf({ firstOpenUs: FIRST_US - 3_600_000_000, firstSource: 'rest' })],
    ['where it has not ended', ended, seriesRowOf({ firstOpenUs: 0, firstSource: 'rest' })],
    ['where it ended later', ended, seriesRowOf({ firstOpenUs: 0, firstSource: 'rest', endedUs: FIRST_US + 3_600_000_000 })],
  ])('is looked at again %s, and not counted as kept', (_name, row, known) => {
    expect(planned(row, known)).toMatchObject({ cut: [NAME], kept: {}, tasks: [], repairs: [], days: 1, lastKept: NAME })
    expect(
      findListingStart(HOURS, scopeOf(NAME, '2024-03-06'), seriesRowOf({ ...LISTED, ...known, firstDay: day(NAME) }), mapOf([row])),
    ).toBe(NAME)
  })

  test.each<[string, DayRow, SeriesRow]>([
    ['as REST tells', begun, seriesRowOf({ firstOpenUs: FIRST_US, firstSource: 'rest' })],
    ['as its first archives tell', begun, seriesRowOf({ firstOpenUs: FIRST_US, firstSource: 'archives' })],
    ['as its end tells', ended, seriesRowOf({ firstOpenUs: 0, firstSource: 'rest', endedUs: FIRST_US })],
  ])('is settled %s', (_name, row, known) => {
    expect(planned(row, known)).toMatchObject({ cut: [], kept: { complete: 1 } })
    expect(
      findListingStart(HOURS, scopeOf(NAME, '2024-03-06'), seriesRowOf({ ...LISTED, ...known, firstDay: day(NAME) }), mapOf([row])),
    ).toBeNull()
  })
})

describe('where the listing is read from', () => {
  const known = seriesRowOf({ ...LISTED, firstDay: day('2024-03-01'), lastDay: day('2024-03-09') })
  const settled = daysFrom('2024-03-01', '2024-03-05').map((name) => rowOf(name, 'complete', archiveOf(name)))
  const from = (scope: PlanScope, rows: readonly DayRow[], row: SeriesRow | undefined = known) =>
    findListingStart(HOURS, scope, row, mapOf(rows))

  test('from the beginning where nothing is known of the series', () => {
    expect(findListingStart(HOURS, scopeOf(null, '2024-03-10'), undefined, new Map())).toBe('beginning')
  })

  test('from the start that is asked, or the first known day', () => {
    expect(from(scopeOf('2024-03-03', '2024-03-10'), [])).toBe('2024-03-03')
    expect(from(scopeOf(null, '2024-03-10'), [])).toBe('2024-03-01')
  })

  test('from the first day that is not final', () => {
    expect(from(scopeOf('2024-03-01', '2024-03-10'), settled)).toBe('2024-03-06')
    expect(
      from(scopeOf('2024-03-01', '2024-03-10'), [...settled.slice(0, 2), rowOf('2024-03-03', 'provisional', null), ...settled.slice(3)]),
    ).toBe('2024-03-03')
  })

  test('not at all when every day is final, but for --refresh and --force', () => {
    expect(from(scopeOf('2024-03-01', '2024-03-06'), settled)).toBeNull()
    expect(from(scopeOf('2024-03-01', '2024-03-06', { refresh: true }), settled)).toBe('2024-03-01')
    expect(from(scopeOf('2024-03-01', '2024-03-06', { force: true }), settled)).toBe('2024-03-01')
  })

  test('with --retry-failed from the first unexplained day', () => {
    const rows = [...settled, rowOf('2024-03-06', 'pending', null), rowOf('2024-03-07', 'failed', null)]
    expect(from(scopeOf('2024-03-01', '2024-03-10', { retryFailed: true }), rows)).toBe('2024-03-07')
    expect(from(scopeOf('2024-03-01', '2024-03-10', { retryFailed: true }), settled)).toBeNull()
    // a person has accepted it
    const accepted = [...settled, rowOf('2024-03-07', 'failed', null, { accepted: 'seen' })]
    expect(from(scopeOf('2024-03-01', '2024-03-10', { retryFailed: true }), accepted)).toBeNull()
  })

  test('with --retry-failed from the start where the listing of the series could not be read: nothing is known of its days', () => {
    const unread = seriesRowOf({ firstDay: day('2024-03-01') })
    expect(from(scopeOf('2024-03-02', '2024-03-10', { retryFailed: true }), [], unread)).toBe('2024-03-02')
  })
})
