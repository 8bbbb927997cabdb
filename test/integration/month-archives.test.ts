import { expect, test } from 'vitest'
import type { BucketArchive, World } from '../support/cases.ts'
import { cellsOfCsv, createWorld, csvRow, csvRows, DAY_MS, ingestArgs } from '../support/cases.ts'
import type { DryRunResult } from '../../src/ingest/dry-run.ts'
import { jsonOf } from '../support/ckvd.ts'
import { queryCatalog } from '../support/temp-lake.ts'

/*
 * Bars of three days, of weeks and of months, in archives that do not hold just the bars that open in their month: a bar belongs to the
 * month in which it opens, whichever archive it stands in.
 */
const WEEK_MS = 7 * DAY_MS
const NOW = '2024-06-20T00:00:00Z'

/** Bars that open on the given days, as CSV. */
function rowsOf(opens: readonly string[], lengthMs: number): string {
  return opens.map((day) => csvRow(Date.parse(day), lengthMs)).join('')
}

function mondays(from: string, to: string): string[] {
  const days: string[] = []
  for (let ms = Date.parse(from); ms < Date.parse(to); ms += WEEK_MS) days.push(new Date(ms).toISOString().slice(0, 10))
  return days
}

function weeks(period: string, opens: readonly string[], change: Partial<BucketArchive> = {}): BucketArchive {
  return { symbol: 'AAAUSDT', interval: '1w', period, csv: rowsOf(opens, WEEK_MS), ...change }
}

const summary = (world: World, interval = '1w'): unknown[] =>
  world.days('AAAUSDT', interval).map(({ day, condition, source, rows, expected }) => [day, condition, source, rows, expected])

const MARCH = mondays('2024-03-04', '2024-04-01')
const APRIL = mondays('2024-04-01', '2024-04-30')
const MAY = mondays('2024-05-06', '2024-06-01')

/** 14 weeks from Monday 2024-02-26 on, the first of which stands in the archive of March. */
const FOURTEEN = [weeks('2024-03', ['2024-02-26', ...MARCH]), weeks('2024-04', APRIL), weeks('2024-05', MAY)]

test.each([
  ['without a start', undefined],
  ['from the month in which it opens', '2024-02-01'],
  ['from long before', '2023-11-01'],
])('a first week that stands in the archive of the month after is stored with the month in which it opens: %s', async (_name, start) => {
  await using world = await createWorld({ now: NOW, bucket: FOURTEEN })
  const ask = { symbols: ['AAAUSDT'], intervals: '1w', end: '2024-06-01', flags: ['--no-rest'], ...(start === undefined ? {} : { start }) }
  expect(await world.ingest(ask)).toMatchObject({ exit: 0, rows: 14, problems: [] })
  expect(summary(world)).toEqual([
    ['2024-02-01', 'complete', 'vision-monthly', 1, 1],
    ['2024-03-01', 'complete', 'vision-monthly', 4, 4],
    ['2024-04-01', 'complete', 'vision-monthly', 5, 5],
    ['2024-05-01', 'complete', 'vision-monthly', 4, 4],
  ])
  expect(await world.bars('AAAUSDT', '1w')).toEqual(cellsOfCsv(rowsOf(mondays('2024-02-26', '2024-06-01'), WEEK_MS)))
  const archives = world.requests('archive').length
  expect(await world.ingest(ask)).toMatchObject({ exit: 0, stored: 0 })
  expect(world.requests('archive')).toHaveLength(archives)
})

test('with REST the first week comes from the archive all the same', async () => {
  const all = [...FOURTEEN.slice(1), weeks('2024-02', ['2024-02-26']), weeks('2024-03', MARCH)]
  await using world = await createWorld({ now: NOW, bucket: FOURTEEN, rest: { bucket: all } })
  const run = await world.ingest({ symbols: ['AAAUSDT'], intervals: '1w', start: '2024-01-01', end: '2024-06-01' })
  expect(run).toMatchObject({ exit: 0, rows: 14, problems: [] })
  expect(summary(world)[0]).toEqual(['2024-02-01', 'complete', 'vision-monthly', 1, 1])
})

test.each<[string, BucketArchive[]]>([
  ['of the month after', [weeks('2024-03', MARCH.slice(0, -1)), weeks('2024-04', [...MARCH.slice(-1), ...APRIL])]],
  ['of the month before', [weeks('2024-03', [...MARCH, ...APRIL.slice(0, 1)]), weeks('2024-04', APRIL.slice(1))]],
  ['of the month after, which has none of its own', [weeks('2024-02', ['2024-02-26']), weeks('2024-04', [...MARCH, ...APRIL])]],
])('a week inside the series that stands in the archive %s is found there', async (_name, archives) => {
  await using world = await createWorld({ now: NOW, bucket: [...archives, weeks('2024-05', MAY)] })
  const run = await world.ingest({ symbols: ['AAAUSDT'], intervals: '1w', start: '2024-03-01', end: '2024-06-01', flags: ['--no-rest'] })
  expect(run).toMatchObject({ exit: 0, rows: 13, problems: [] })
  expect(summary(world)).toEqual([
    ['2024-03-01', 'complete', 'vision-monthly', 4, 4],
    ['2024-04-01', 'complete', 'vision-monthly', 5, 5],
    ['2024-05-01', 'complete', 'vision-monthly', 4, 4],
  ])
  expect(world.days().map(({ differing_rows }) => differing_rows)).toEqual([0, 0, 0])
  expect(await world.bars('AAAUSDT', '1w')).toEqual(cellsOfCsv(rowsOf(mondays('2024-03-04', '2024-06-01'), WEEK_MS)))
})

test('the library and `fetch` find it, too, with an empty lake', async () => {
  await using world = await createWorld({ now: NOW, bucket: FOURTEEN })
  const args = [
    'fetch',
    'AAAUSDT',
    '--interval',
    '1w',
    '--start',
    '2024-02-20',
    '--end',
    '2024-04-01',
    '--source',
    'vision',
    '--format',
    'csv',
  ]
  const { exit, stdout } = await world.ckvd(args)
  expect([
    exit,
    stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.slice(0, 10)),
  ]).toEqual([0, ['2024-02-26', ...MARCH]])
})

test('months that are whole cost one archive each', async () => {
  await using world = await createWorld({ now: NOW, bucket: [weeks('2024-03', MARCH), weeks('2024-04', APRIL), weeks('2024-05', MAY)] })
  await world.ingest({ symbols: ['AAAUSDT'], intervals: '1w', end: '2024-06-01', flags: ['--no-rest'] })
  expect(world.requests('archive')).toHaveLength(3)
  expect(world.requests('listing', /\/?daily/)).toEqual([])
})

test('a row that opens in no month beside its archive is told', async () => {
  await using world = await createWorld({ now: NOW, bucket: [weeks('2024-03', [...MARCH, '2024-05-06']), weeks('2024-04', APRIL)] })
  await world.ingest({ symbols: ['AAAUSDT'], intervals: '1w', start: '2024-03-01', end: '2024-05-01', flags: ['--no-rest'] })
  expect(world.day('2024-03-01').evidence).toMatch(/1w-2024-03\.zip: outside of its period 1 row opens elsewhere$/)
})

test('rows of other days in the archive of a day are told, too', async () => {
  const hours = (day: string): string =>
    Array.from({ length: 24 }, (_none, i) => csvRow(Date.parse(day) + i * 3_600_000, 3_600_000)).join('')
  const bucket = ['2024-03-01', '2024-03-02'].map((period) => ({ symbol: 'AAAUSDT', interval: '1h', period, csv: hours(period) }))
  bucket[1]!.csv += csvRow(Date.parse('2024-03-03'), 3_600_000)
  await using world = await createWorld({ now: NOW, bucket })
  await world.ingest({ symbols: ['AAAUSDT'], intervals: '1h', start: '2024-03-01', end: '2024-03-03', flags: ['--no-rest'] })
  expect(world.days().map(({ condition, rows, evidence }) => [condition, rows, evidence])).toEqual([
    ['complete', 24, null],
    ['complete', 24, expect.stringMatching(/1h-2024-03-02\.zip: outside of its period 1 row opens in the chunk 2024-03-03$/)],
  ])
})

/** One archive a bar, of the day on which it opens. */
function byDay(interval: string, opens: readonly string[], lengthMs: number, market: 'spot' | 'um' | 'cm'): BucketArchive[] {
  return opens.map((period) => ({ market, symbol: 'AAAUSDT', interval, period, csv: rowsOf([period], lengthMs) }))
}

const MONTHS = ['2024-02-01', '2024-03-01', '2024-04-01', '2024-05-01']
const THREES: string[] = []
// 2024-02-03 is day 19,756 since 1970-01-01, which is 1 modulo 3
for (let ms = Date.parse('2024-02-03'); ms < Date.parse('2024-06-01'); ms += 3 * DAY_MS)
  THREES.push(new Date(ms).toISOString().slice(0, 10))

test.each([
  // it begins within a month: without REST its first archive is read first of all
  ['um', '1w', ['2024-02-26', ...MARCH, ...APRIL, ...MAY], WEEK_MS, [1, 4, 5, 4], 1],
  ['cm', '1mo', MONTHS, 29 * DAY_MS, [1, 1, 1, 1], 0],
  ['spot', '1w', [...MARCH, ...APRIL, ...MAY], WEEK_MS, [4, 5, 4], 0],
  ['um', '3d', THREES, 3 * DAY_MS, [9, 11, 10, 10], 0],
] as const)('%s %s in archives of days alone is gathered from all of a month', async (market, interval, opens, lengthMs, counts, twice) => {
  await using world = await createWorld({ now: NOW, bucket: byDay(interval, opens, lengthMs, market) })
  const ask = { market, symbols: ['AAAUSDT'], intervals: interval, end: '2024-06-01', flags: ['--no-rest'] }
  const dryRun = await world.ckvd(ingestArgs({ ...ask, flags: ['--no-rest', '--dry-run'] }), 'AAAUSDT\n')
  expect((jsonOf(dryRun) as DryRunResult).total.archives).toEqual({ daily: opens.length, monthly: 0 })
  const all = await world.ingest(ask)
  const rows = world.days()
  expect(rows.map(({ condition, source }) => `${condition} ${source}`)).toEqual(counts.map(() => 'complete vision-daily'))
  expect(rows.map((row) => [row.rows, row.expected, row.differing_rows])).toEqual(counts.map((count) => [count, count, 0]))
  expect(all).toMatchObject({ rows: opens.length, requests: { archive: opens.length + twice } })
  expect(await world.bars('AAAUSDT', interval)).toEqual(cellsOfCsv(rowsOf(opens, lengthMs)))
})

test('all intervals of a symbol are those that have archives of days alone, too', async () => {
  await using world = await createWorld({ now: NOW, bucket: byDay('1mo', MONTHS, 29 * DAY_MS, 'um') })
  const run = await world.ingest({ market: 'um', symbols: ['AAAUSDT'], intervals: 'all', end: '2024-06-01', flags: ['--no-rest'] })
  expect(run).toMatchObject({ exit: 0, series: 1, rows: 4, problems: [] })
})

test('a month that has an archive is taken from it, one that has none from the archives of its days', async () => {
  const bucket = [...byDay('1w', [...MARCH, ...APRIL, ...MAY], WEEK_MS, 'um'), weeks('2024-04', APRIL, { market: 'um' })]
  await using world = await createWorld({ now: NOW, bucket })
  const run = await world.ingest({ market: 'um', symbols: ['AAAUSDT'], intervals: '1w', end: '2024-06-01', flags: ['--no-rest'] })
  expect(run).toMatchObject({ exit: 0, rows: 13, problems: [] })
  expect(summary(world)).toEqual([
    ['2024-03-01', 'complete', 'vision-daily', 4, 4],
    ['2024-04-01', 'complete', 'vision-monthly', 5, 5],
    ['2024-05-01', 'complete', 'vision-daily', 4, 4],
  ])
  expect(world.requests('archive', /\/monthly\//)).toHaveLength(1)
})

test('archives of days without a bar are no reason to doubt the others', async () => {
  const empty = ['2024-03-01', '2024-03-02', '2024-04-03'].map((period) => weeks(period, [], { market: 'um' }))
  await using world = await createWorld({ now: NOW, bucket: [...empty, ...byDay('1w', [...MARCH, ...APRIL], WEEK_MS, 'um')] })
  const run = await world.ingest({ market: 'um', symbols: ['AAAUSDT'], intervals: '1w', end: '2024-05-01', flags: ['--no-rest'] })
  expect(run).toMatchObject({ exit: 0, rows: 9, problems: [] })
  expect(summary(world)).toEqual([
    ['2024-03-01', 'complete', 'vision-daily', 4, 4],
    ['2024-04-01', 'complete', 'vision-daily', 5, 5],
  ])
})

test('archives without any bar are partial where REST is off, and nothing is said of the month before', async () => {
  await using world = await createWorld({ now: NOW, bucket: [weeks('2024-03', []), weeks('2024-04', APRIL)] })
  const run = await world.ingest({ symbols: ['AAAUSDT'], intervals: '1w', end: '2024-05-01', flags: ['--no-rest'] })
  expect(run).toMatchObject({ exit: 3, problems: [{ day: '2024-03-01', condition: 'partial' }] })
  expect(summary(world).map((row) => (row as unknown[])[0])).toEqual(['2024-03-01', '2024-04-01'])
})

test('a series whose bars of 3d all open on days that are 2 modulo 3 is complete, is read so, and `resample` makes such bars', async () => {
  const opens: string[] = []
  // 2023-06-15 is day 19,523 since 1970-01-01
  for (let ms = Date.parse('2023-06-15'); ms < Date.parse('2024-06-01'); ms += 3 * DAY_MS)
    opens.push(new Date(ms).toISOString().slice(0, 10))
  const months = [...new Set(opens.map((day) => day.slice(0, 7)))]
  const thirds = months.map((period) => ({
    market: 'cm' as const,
    symbol: 'AAAUSD_PERP',
    interval: '3d',
    period,
    csv: rowsOf(
      opens.filter((day) => day.startsWith(period)),
      3 * DAY_MS,
    ),
  }))
  const cm = { market: 'cm', symbol: 'AAAUSD_PERP' } as const
  const days = csvRows('2023-06-15T00:00Z', '2023-07-01T00:00Z', DAY_MS)
  await using world = await createWorld({ now: NOW, bucket: [...thirds, { ...cm, interval: '1d', period: '2023-06', csv: days }] })
  const ask = { market: 'cm', symbols: ['AAAUSD_PERP'], flags: ['--no-rest'] } as const
  const run = await world.ingest({ ...ask, intervals: '3d', end: '2024-06-01' })
  expect(run).toMatchObject({ exit: 0, days: { complete: 12 }, rows: opens.length, problems: [] })
  expect(world.days().every(({ off_grid, rows, expected }) => off_grid === 0 && rows === expected)).toBe(true)
  expect(queryCatalog(world.lake, 'SELECT interval, phase FROM series')).toEqual([{ interval: '3d', phase: 2 }])

  const opensOf = ({ stdout }: { stdout: string }): (string | undefined)[] =>
    stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => /\d{4}-\d\d-\d\d/.exec(line)?.[0])
  const range = ['--start', '2023-06-01', '--end', '2023-07-15', '--format', 'csv']
  const fetched = await world.ckvd(['fetch', 'AAAUSD_PERP', '--market', 'cm', '--interval', '3d', '--source', 'cache', ...range])
  expect([fetched.exit, opensOf(fetched)]).toEqual([0, opens.filter((day) => day < '2023-07-15')])

  await world.ingest({ ...ask, intervals: '1d', start: '2023-06-15', end: '2023-07-01', flags: ['--no-rest', '--archives', 'monthly'] })
  const larger = await world.ckvd(['resample', 'AAAUSD_PERP', '--market', 'cm', '--from', '1d', '--to', '3d', '--format', 'csv'])
  expect(opensOf(larger)).toEqual(['2023-06-15', '2023-06-18', '2023-06-21', '2023-06-24', '2023-06-27'])

  // a run that knows the lake leaves it as it is
  world.clearRequests()
  expect(await world.ingest({ ...ask, intervals: '3d', end: '2024-06-01' })).toMatchObject({ exit: 0, stored: 0 })
  expect(world.requests('archive')).toEqual([])
})

test.each([
  ['spot', 'AAAUSDT', 'listed'],
  ['um', 'AAAUSDT', 'unlisted'],
  ['cm', 'AAAUSD_PERP', 'unlisted'],
  ['um', 'AAAUSDT', 'forgotten'],
] as const)('a series of %s that has ended ends in its last month: %s, %s', async (market, symbol, afterEnd) => {
  // another symbol that trades: an exchange that names none proves nothing
  const others = { market, symbol: market === 'cm' ? 'BBBUSD_PERP' : 'BBBUSDT', firstDay: '2024-01-01' }
  await using world = await createWorld({
    now: NOW,
    markets: [{ market, symbol, firstDay: '2024-01-09', lastDay: '2024-04-10', afterEnd }, others],
  })
  const ask = { market, symbols: [symbol], intervals: '3d,1w,1M', end: '2024-06-01' } as const
  expect(await world.ingest(ask)).toMatchObject({ exit: 0, problems: [], days: { partial: 0, failed: 0, pending: 0 } })
  // the first bars open with the slots that hold January 9, the last with those that hold April 10
  const opens = async (interval: string): Promise<string[]> =>
    (await world.bars(symbol, interval)).map(([open]) => new Date(Number(open) / 1000).toISOString().slice(0, 10))
  expect([(await opens('1w'))[0], (await opens('1w')).at(-1)]).toEqual(['2024-01-08', '2024-04-08'])
  expect([(await opens('3d'))[0], (await opens('3d')).at(-1)]).toEqual(['2024-01-07', '2024-04-09'])
  expect(await opens('1mo')).toEqual(['2024-01-01', '2024-02-01', '2024-03-01', '2024-04-01'])

  // what is known of the end outlives runs that had nothing to ask
  for (const time of ['second', 'third']) {
    world.clearRequests()
    expect(await world.ingest(ask), time).toMatchObject({ exit: 0, problems: [], stored: 0 })
    expect(world.requests('rest', /klines/), time).toEqual([])
  }
})
