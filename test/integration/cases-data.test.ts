import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BucketArchive } from '../support/cases.ts'
import {
  bucketKey,
  cellsOfCsv,
  createWorld,
  csvRow,
  csvRows,
  DAY_MS,
  daysBetween,
  HOUR_MS,
  isoOf,
  MINUTE_MS,
  restProof,
} from '../support/cases.ts'
import { digestTree } from '../support/temp-lake.ts'

/*
 * Cases 1 to 16: what is known to be wrong with Binance's archives. Each is told by what a user sees: exit code, conditions,
 * gaps with evidence, requests, catalog, bars. Numbers and dates are those of the real events.
 */

const us = (iso: string): bigint => BigInt(Date.parse(iso)) * 1000n

test('case 1: spot 2018-02-08 to 02-10: 29 rows, an outage over midnight, then bars that open 14.789 s late', async () => {
  const outage = { market: 'spot', symbol: 'BTCUSDT', from: '2018-02-08T00:29:00Z', to: '2018-02-09T09:58:00Z' } as const
  const late = { ...outage, from: '2018-02-09T09:58:00Z', to: '2018-02-10T03:00:00Z' }
  await using world = await createWorld({
    now: '2018-03-01T12:00:00Z',
    markets: [{ market: 'spot', symbol: 'BTCUSDT', firstDay: '2017-08-17' }],
    faults: [
      { ...outage, kind: 'outage' },
      { ...late, kind: 'off-grid', offsetMs: 14_789 },
    ],
  })
  const run = await world.ingest({ symbols: ['BTCUSDT'], intervals: '1m', start: '2018-02-08', end: '2018-02-11' })
  expect(run).toMatchObject({ exit: 0, days: { complete: 1, outage: 2 }, problems: [] })
  expect(
    world.days().map(({ day, condition, source, rows, expected, off_grid }) => [day, condition, source, rows, expected, off_grid]),
  ).toEqual([
    ['2018-02-08', 'outage', 'vision-daily', 29, 1440, 0],
    ['2018-02-09', 'outage', 'vision-daily', 842, 1440, 842],
    ['2018-02-10', 'complete', 'vision-daily', 1440, 1440, 180],
  ])
  expect(world.gaps().map(({ start, end, bars }) => [start, end, bars])).toEqual([
    ['2018-02-08T00:29:00Z', '2018-02-09T00:00:00Z', 1411],
    ['2018-02-09T00:00:00Z', '2018-02-09T09:58:00Z', 598],
  ])
  // one answer holds the last bar before and the first one after, on the other side of midnight
  for (const { evidence } of world.gaps()) expect(evidence).toBe(restProof('2018-02-08T00:28:00Z', '2018-02-09T09:58:14.789Z'))
  // the hole behind midnight is walked to from both sides without a bar that is known before it: never bar by bar inside an outage
  expect(run.requests.rest).toBeLessThanOrEqual(18)
  const bars = await world.bars('BTCUSDT', '1m')
  expect(bars).toHaveLength(29 + 842 + 1440)
  expect(bars[29]?.[0]).toBe(us('2018-02-09T09:58:14.789Z'))
})

test('case 2: spot 2017-12-04 06:00: two bars in one minute, the rest of the day 20.799 s late', async () => {
  const day = '2017-12-04'
  const csv = csvRows(`${day}T00:00Z`, `${day}T06:01Z`, MINUTE_MS) + csvRows(`${day}T06:00Z`, '2017-12-05T00:00Z', MINUTE_MS, 20_799)
  await using world = await createWorld({
    now: '2018-01-01T12:00:00Z',
    bucket: [
      { symbol: 'BTCUSDT', interval: '1m', period: '2017-12-03', csv: csvRows('2017-12-03T00:00Z', '2017-12-04T00:00Z', MINUTE_MS) },
      { symbol: 'BTCUSDT', interval: '1m', period: day, csv },
    ],
  })
  const run = await world.ingest({ symbols: ['BTCUSDT'], intervals: '1m', start: '2017-12-03', end: '2017-12-05' })
  expect(run).toMatchObject({ exit: 0, days: { complete: 2 }, requests: { rest: 0 } })
  // both bars are kept, so there are more rows than slots
  expect(world.day(day)).toMatchObject({ condition: 'complete', rows: 1441, expected: 1440, off_grid: 1080, duplicates: 0, conflicts: 0 })
  expect(world.gaps()).toEqual([])
  const bars = (await world.bars('BTCUSDT', '1m')).slice(1440)
  expect(bars).toEqual(cellsOfCsv(csv))
  expect(bars.slice(360, 362).map(([openTime]) => openTime)).toEqual([us(`${day}T06:00:00Z`), us(`${day}T06:00:20.799Z`)])
})

test('case 3: 2020-12-21: the monthly archive differs from daily and REST; compared, the daily rows stay and the differences are counted', async () => {
  const differing = { market: 'spot', symbol: 'BTCUSDT', day: '2020-12-21', kind: 'differ', source: 'monthly' } as const
  const ask = { symbols: ['BTCUSDT'], intervals: '1h', start: '2020-12-01', end: '2021-01-01' }
  const options = { now: '2021-02-01T12:00:00Z', markets: [{ market: 'spot', symbol: 'BTCUSDT', firstDay: '2017-08-17' }] } as const
  await using truth = await createWorld(options)
  await truth.ingest({ ...ask, flags: ['--archives', 'daily'] })
  await using world = await createWorld({ ...options, faults: [differing] })
  const run = await world.ingest({ ...ask, flags: ['--cross-check'] })
  expect(run).toMatchObject({ exit: 0, days: { complete: 31 } })
  expect(world.day('2020-12-21')).toMatchObject({ condition: 'complete', differing_rows: 1 })
  expect(world.day('2020-12-21').source).toMatch(/^vision-daily/)
  expect(world.days().filter(({ differing_rows }) => differing_rows > 0)).toHaveLength(1)
  expect(await world.bars('BTCUSDT', '1h')).toEqual(await truth.bars('BTCUSDT', '1h'))
})

test('case 4: spot 2025-04-22 cut at 07:36 with a right checksum, all symbols: REST fills the rest; published whole later, --refresh takes it', async () => {
  const symbols = ['BTCUSDT', 'ETHUSDT']
  await using world = await createWorld({
    now: '2025-04-25T12:00:00Z',
    markets: symbols.map((symbol) => ({ market: 'spot', symbol, firstDay: '2024-01-01' })),
    faults: [{ market: 'spot', symbol: '*', day: '2025-04-22', kind: 'cut', at: '07:36' }],
  })
  const ask = { symbols, intervals: '1m', start: '2025-04-21', end: '2025-04-24' }
  const run = await world.ingest(ask)
  expect(run).toMatchObject({ exit: 0, days: { complete: 6 }, problems: [], requests: { archive: 6, checksum: 6, rest: 2 } })
  for (const symbol of symbols) {
    expect(world.day('2025-04-22', symbol)).toMatchObject({
      condition: 'complete',
      source: 'vision-daily+rest',
      rows: 1440,
      expected: 1440,
      differing_rows: 0,
      revision: 1,
    })
  }
  expect(world.gaps()).toEqual([])
  const before = await world.bars('BTCUSDT', '1m')
  const [old] = world.days('BTCUSDT').filter(({ day }) => day === '2025-04-22')

  world.sandbox.setFaults([{ market: 'spot', symbol: '*', day: '2025-04-22', kind: 'republish', content: false }])
  world.now = '2025-04-28T12:00:00Z'
  const settled = await world.ingest(ask)
  expect(settled).toMatchObject({ exit: 0, skipped: 6, stored: 0, requests: { archive: 0, rest: 0 } })
  const refreshed = await world.ingest({ ...ask, flags: ['--refresh'] })
  expect(refreshed).toMatchObject({ exit: 0, stored: 2, republished: 2, requests: { archive: 2, rest: 0 } })
  expect(world.day('2025-04-22', 'BTCUSDT')).toMatchObject({ condition: 'complete', source: 'vision-daily', rows: 1440, revision: 2 })
  expect(world.revisions()).toContainEqual({
    day: '2025-04-22',
    revision: 1,
    archive_etag: old?.archive_etag,
    shard_sha256: old?.shard_sha256,
    changed_rows: 0,
  })
  // REST tells close times in milliseconds, archives from 2025 on in microseconds; every other value is the same
  const values = (bars: typeof before) => bars.map((cells) => cells.filter((_, column) => column !== 6))
  expect(values(await world.bars('BTCUSDT', '1m'))).toEqual(values(before))
})

test('case 5: BTCUSDT-1s-2022-12-01: an intact ZIP with a stale CHECKSUM is released by REST; a flipped bit never gets in', async () => {
  await using world = await createWorld({
    now: '2023-01-10T12:00:00Z',
    markets: [{ market: 'spot', symbol: 'BTCUSDT', firstDay: '2022-12-01', opensAt: '23:30' }],
    faults: [
      { kind: 'stale-checksum', match: '1s-2022-12-01\\.zip\\.CHECKSUM' },
      { kind: 'flip', match: '1h-2022-12-03\\.zip$' },
    ],
  })
  const stale = await world.ingest({ symbols: ['BTCUSDT'], intervals: '1s', start: '2022-12-01', end: '2022-12-02' })
  expect(stale).toMatchObject({ exit: 0, days: { complete: 1 }, problems: [] })
  const released = world.day('2022-12-01')
  expect(released).toMatchObject({ condition: 'complete', source: 'vision-daily', rows: 1800, expected: 1800, differing_rows: 0 })
  expect(released.evidence).toBe('released: CKVD_CHECKSUM_MISMATCH, but all 1800 rows of the archive agree with REST')
  // fetched again once before any other source is asked
  expect(world.requests('archive', /1s-2022-12-01/)).toHaveLength(2)

  const flipped = await world.ingest({ symbols: ['BTCUSDT'], intervals: '1h', start: '2022-12-02', end: '2022-12-05' })
  expect(flipped).toMatchObject({ exit: 0, days: { complete: 2, provisional: 1 } })
  const day = world.day('2022-12-03')
  expect(day).toMatchObject({ condition: 'provisional', source: 'rest', rows: 24 })
  expect(day.evidence).toContain('CKVD_CHECKSUM_MISMATCH')
  expect(world.requests('archive', /1h-2022-12-03/)).toHaveLength(2)
  const quarantined = await readdir(join(world.lake, 'quarantine'), { recursive: true })
  expect(quarantined.filter((name) => name.includes('1h-2022-12-03')).length).toBeGreaterThanOrEqual(2)
})

test('case 6: a corrupt ZIP with a right checksum, CHECKSUM missing, without newline, of another file, an HTML page with status 200', async () => {
  await using world = await createWorld({
    now: '2024-02-01T12:00:00Z',
    markets: [{ market: 'um', symbol: 'BTCUSDT', firstDay: '2023-01-01' }],
    faults: [
      { kind: 'corrupt-zip', match: '1h-2024-01-10\\.zip' },
      { kind: 'missing-checksum', match: '1h-2024-01-11\\.zip\\.CHECKSUM' },
      { kind: 'bare-checksum', match: '1h-2024-01-12\\.zip\\.CHECKSUM' },
      { kind: 'foreign-checksum', match: '1h-2024-01-13\\.zip\\.CHECKSUM' },
      { kind: 'html', match: '1h-2024-01-14\\.zip$' },
      { kind: 'html', match: '1h-2024-01-15\\.zip\\.CHECKSUM' },
    ],
  })
  const run = await world.ingest({ market: 'um', symbols: ['BTCUSDT'], start: '2024-01-10', end: '2024-01-17' })
  expect(run).toMatchObject({ exit: 0, days: { complete: 5, provisional: 2 }, problems: [] })
  expect(world.days().map(({ day, condition, source, rows }) => [day, condition, source, rows])).toEqual([
    ['2024-01-10', 'provisional', 'rest', 24],
    ['2024-01-11', 'complete', 'vision-daily', 24],
    ['2024-01-12', 'complete', 'vision-daily', 24],
    ['2024-01-13', 'complete', 'vision-daily', 24],
    ['2024-01-14', 'provisional', 'rest', 24],
    ['2024-01-15', 'complete', 'vision-daily', 24],
    ['2024-01-16', 'complete', 'vision-daily', 24],
  ])
  expect(world.day('2024-01-10').evidence).toMatch(/CKVD_ZIP_/)
  expect(world.day('2024-01-11').evidence).toContain('released: CKVD_CHECKSUM_MISSING')
  expect(world.day('2024-01-12').evidence).toBeNull()
  expect(world.day('2024-01-13').evidence).toContain('released: CKVD_CHECKSUM_NAME')
  expect(world.day('2024-01-15').evidence).toContain('released: CKVD_CHECKSUM_FORMAT')
  // two tries of each archive that failed, one of the others; one REST request for each that failed
  expect(run.requests).toMatchObject({ archive: 7 + 5, rest: 5 })
})

test('case 7: the switch from milliseconds to microseconds at 2025-01-01, a file with both units, um still in milliseconds', async () => {
  const both =
    csvRows('2024-12-31T00:00Z', '2024-12-31T12:00Z', MINUTE_MS) + csvRows('2024-12-31T12:00Z', '2025-01-01T00:00Z', MINUTE_MS, 0, 'us')
  const after = csvRows('2025-01-01T00:00Z', '2025-01-02T00:00Z', MINUTE_MS, 0, 'us')
  const um = csvRows('2025-01-01T00:00Z', '2025-01-02T00:00Z', MINUTE_MS)
  await using world = await createWorld({
    now: '2025-02-01T12:00:00Z',
    bucket: [
      { symbol: 'BTCUSDT', interval: '1m', period: '2024-12-31', csv: both },
      { symbol: 'BTCUSDT', interval: '1m', period: '2025-01-01', csv: after },
      { market: 'um', symbol: 'ETHUSDT', interval: '1m', period: '2025-01-01', csv: um },
    ],
  })
  const spot = await world.ingest({ symbols: ['BTCUSDT'], intervals: '1m', start: '2024-12-31', end: '2025-01-02' })
  expect(spot).toMatchObject({ exit: 0, days: { complete: 2 }, rows: 2880, requests: { rest: 0 } })
  const bars = await world.bars('BTCUSDT', '1m')
  expect(bars).toEqual(cellsOfCsv(both + after))
  expect(bars.every(([openTime], i) => openTime === us('2024-12-31T00:00Z') + BigInt(i) * 60_000_000n)).toBe(true)
  // close times as published: the last millisecond before the switch, the last microsecond after it
  expect([bars[0]?.[6], bars[2879]?.[6]]).toEqual([us('2024-12-31T00:00:59.999Z'), us('2025-01-02T00:00:00Z') - 1n])

  const futures = await world.ingest({ market: 'um', symbols: ['ETHUSDT'], intervals: '1m', start: '2025-01-01', end: '2025-01-02' })
  expect(futures).toMatchObject({ exit: 0, days: { complete: 1 } })
  const umBars = await world.bars('ETHUSDT', '1m')
  expect([umBars[0]?.[0], umBars[1439]?.[6]]).toEqual([us('2025-01-01T00:00Z'), us('2025-01-01T23:59:59.999Z')])
})

test('case 8: um with and without header, header only, empty, CRLF, trailing blank line, and a bad line in the middle', async () => {
  const header = 'open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n'
  const rows = (day: string): string => csvRows(`${day}T00:00Z`, isoOf(Date.parse(day) + DAY_MS), HOUR_MS)
  const badLine = (day: string): string => {
    const lines = rows(day).split('\n')
    lines[11] = 'GeneratedException: a bad line'
    return lines.join('\n')
  }
  const contents: Readonly<Record<string, string>> = {
    '2022-06-01': header + rows('2022-06-01'),
    '2022-06-02': rows('2022-06-02'),
    '2022-06-03': header,
    '2022-06-04': '',
    '2022-06-05': (header + rows('2022-06-05')).replaceAll('\n', '\r\n'),
    '2022-06-06': `${rows('2022-06-06')}\n`,
    '2022-06-07': badLine('2022-06-07'),
  }
  const days = Object.keys(contents)
  const archives = (content: (day: string) => string) =>
    days.map((period): BucketArchive => ({ market: 'um', symbol: 'BTCUSDT', interval: '1h', period, csv: content(period) }))
  await using world = await createWorld({
    now: '2022-07-01T12:00:00Z',
    bucket: archives((day) => contents[day]!),
    rest: { bucket: archives(rows) },
  })
  const ask = { market: 'um', symbols: ['BTCUSDT'], start: '2022-06-01', end: '2022-06-08' } as const
  const alone = await world.ingest({ ...ask, flags: ['--no-rest'] })
  expect(alone).toMatchObject({ exit: 3, days: { complete: 4, partial: 2, quarantined: 1 }, requests: { rest: 0 } })
  expect(alone.problems.map(({ day, condition }) => [day, condition])).toEqual([
    ['2022-06-03', 'partial'],
    ['2022-06-04', 'partial'],
    ['2022-06-07', 'quarantined'],
  ])
  // the bad line is not dropped quietly: the day is not there, and the message says where to look
  expect(alone.problems[2]).toMatchObject({ code: 'CKVD_CSV_COLUMNS' })
  expect(alone.problems[2]?.message).toContain('line 12')
  expect(await world.chunks()).toHaveLength(4)

  const repaired = await world.ingest({ ...ask, flags: ['--retry-failed'] })
  expect(repaired).toMatchObject({ exit: 0, days: { complete: 4, provisional: 3 }, problems: [] })
  expect(await world.bars('BTCUSDT', '1h')).toEqual(cellsOfCsv(days.map(rows).join('')))
})

test('case 9: cm: volume is in contracts, and the column "quote volume" holds the base currency', async () => {
  await using world = await createWorld({
    now: '2022-11-01T12:00:00Z',
    markets: [{ market: 'cm', symbol: 'BTCUSD_PERP', firstDay: '2020-08-11' }],
  })
  const run = await world.ingest({ market: 'cm', symbols: ['BTCUSD_PERP'], intervals: '1m', start: '2022-10-24', end: '2022-10-25' })
  expect(run).toMatchObject({ exit: 0, days: { complete: 1 }, rows: 1440 })
  expect(await world.shards()).toEqual(['futures/cm/daily/klines/BTCUSD_PERP/1m/BTCUSD_PERP-1m-2022-10-24.arrow'])
  const bars = (await world.bars('BTCUSD_PERP', '1m')).map((cells) => cells.map(Number))
  for (const [, , high = 0, low = 0, , volume = 0, , quote = 0, , taker = 0, takerQuote = 0] of bars) {
    expect(Number.isInteger(volume) && Number.isInteger(taker)).toBe(true)
    // a contract of BTCUSD_PERP is worth 100 USD: contracts times 100 over the price is bitcoin
    expect(quote * low).toBeLessThanOrEqual(volume * 100 + 1e-3)
    expect(quote * high).toBeGreaterThanOrEqual(volume * 100 - 1e-3)
    expect(takerQuote).toBeLessThanOrEqual(quote)
  }
})

test('case 10: one bar missing exactly at 00:00 or at 23:59 is noticed, filled where REST has it and named where not', async () => {
  const at = (from: string, to: string, rest: boolean) => ({ kind: 'outage', market: 'spot', symbol: 'BTCUSDT', from, to, rest }) as const
  await using world = await createWorld({
    now: '2023-06-01T12:00:00Z',
    markets: [{ market: 'spot', symbol: 'BTCUSDT', firstDay: '2017-08-17' }],
    faults: [
      at('2023-05-02T00:00:00Z', '2023-05-02T00:01:00Z', false),
      at('2023-05-03T23:59:00Z', '2023-05-04T00:00:00Z', false),
      at('2023-05-05T00:00:00Z', '2023-05-05T00:01:00Z', true),
      at('2023-05-06T23:59:00Z', '2023-05-07T00:00:00Z', true),
    ],
  })
  const run = await world.ingest({ symbols: ['BTCUSDT'], intervals: '1m', start: '2023-05-01', end: '2023-05-08' })
  expect(run).toMatchObject({ exit: 0, days: { complete: 5, outage: 2 }, requests: { rest: 4 } })
  expect(world.days().map(({ condition, source, rows }) => [condition, source, rows])).toEqual([
    ['complete', 'vision-daily', 1440],
    ['complete', 'vision-daily+rest', 1440],
    ['complete', 'vision-daily+rest', 1440],
    ['complete', 'vision-daily', 1440],
    ['outage', 'vision-daily', 1439],
    ['outage', 'vision-daily', 1439],
    ['complete', 'vision-daily', 1440],
  ])
  expect(world.gaps()).toEqual([
    {
      start: '2023-05-05T00:00:00Z',
      end: '2023-05-05T00:01:00Z',
      bars: 1,
      evidence: restProof('2023-05-04T23:59:00Z', '2023-05-05T00:01:00Z'),
    },
    {
      start: '2023-05-06T23:59:00Z',
      end: '2023-05-07T00:00:00Z',
      bars: 1,
      evidence: restProof('2023-05-06T23:58:00Z', '2023-05-07T00:00:00Z'),
    },
  ])
})

test('case 11: identical duplicates, conflicting duplicates, rows out of order, rows of the next day', async () => {
  const day = (iso: string): string => csvRows(`${iso}T00:00Z`, isoOf(Date.parse(iso) + DAY_MS), HOUR_MS)
  const lines = (iso: string): string[] => day(iso).trimEnd().split('\n')
  const [duplicate, conflict, unsorted] = [lines('2023-01-01'), lines('2023-01-02'), lines('2023-01-03')]
  duplicate.splice(3, 0, duplicate[2]!, duplicate[2]!)
  const later = conflict[5]!.replace(',17,', ',18,')
  conflict.splice(6, 0, later)
  unsorted.reverse()
  const contents = {
    '2023-01-01': `${duplicate.join('\n')}\n`,
    '2023-01-02': `${conflict.join('\n')}\n`,
    '2023-01-03': `${unsorted.join('\n')}\n`,
    '2023-01-04': day('2023-01-04') + csvRow(Date.parse('2023-01-05T00:00Z'), HOUR_MS),
  }
  await using world = await createWorld({
    now: '2023-02-01T12:00:00Z',
    bucket: Object.entries(contents).map(([period, csv]) => ({ symbol: 'BTCUSDT', interval: '1h', period, csv })),
  })
  const run = await world.ingest({ symbols: ['BTCUSDT'], start: '2023-01-01', end: '2023-01-05' })
  expect(run).toMatchObject({ exit: 0, days: { complete: 4 }, rows: 96, requests: { rest: 0 } })
  expect(world.days().map(({ rows, duplicates, conflicts }) => [rows, duplicates, conflicts])).toEqual([
    [24, 2, 0],
    [24, 0, 1],
    [24, 0, 0],
    [24, 0, 0],
  ])
  // of two rows that contradict each other the later one stays, and both are told
  expect(world.day('2023-01-02').evidence).toBe('2023-01-02T05:00:00.000000Z: count 17 then 18')
  const expected = daysBetween('2023-01-01', '2023-01-05').map(day).join('').replace(conflict[5]!, later)
  expect(await world.bars('BTCUSDT', '1h')).toEqual(cellsOfCsv(expected))
})

test('case 12: the um month lacks 2022-08-10 to 08-13 and daily archives have them; 2024-10-28 lacks hours in both and REST has them', async () => {
  const missing = ['2022-08-10', '2022-08-11', '2022-08-12', '2022-08-13']
  await using world = await createWorld({
    now: '2024-12-20T12:00:00Z',
    markets: [{ market: 'um', symbol: 'BTCUSDT', firstDay: '2020-01-01' }],
    faults: [
      ...missing.map((day) => ({ kind: 'drop-day', market: 'um', symbol: 'BTCUSDT', day }) as const),
      { kind: 'outage', market: 'um', symbol: 'BTCUSDT', from: '2024-10-28T06:00:00Z', to: '2024-10-28T09:00:00Z', rest: false },
    ],
  })
  const august = await world.ingest({ market: 'um', symbols: ['BTCUSDT'], start: '2022-08-01', end: '2022-09-01' })
  expect(august).toMatchObject({ exit: 0, days: { complete: 31 }, requests: { rest: 0 } })
  expect(
    world
      .days()
      .filter(({ source }) => source === 'vision-daily')
      .map(({ day }) => day),
  ).toEqual(expect.arrayContaining(missing))
  expect(world.days().every(({ rows, condition }) => rows === 24 && condition === 'complete')).toBe(true)
  expect(world.requests('archive', /monthly/)).toHaveLength(1)
  for (const day of missing) expect(world.requests('archive', new RegExp(`daily.*${day}`))).toHaveLength(1)

  const october = await world.ingest({ market: 'um', symbols: ['BTCUSDT'], start: '2024-10-01', end: '2024-11-01' })
  expect(october).toMatchObject({ exit: 0, days: { complete: 31 }, requests: { rest: 1 } })
  expect(world.day('2024-10-28')).toMatchObject({ condition: 'complete', source: 'vision-daily+rest', rows: 24, differing_rows: 0 })
  expect(world.gaps()).toEqual([])
})

test('case 13: um BTCUSDT 2019-09-08 to 12-30 is in no archive: an earlier start asks REST for the first bar and takes it from there', async () => {
  await using world = await createWorld({
    now: '2020-03-01T12:00:00Z',
    markets: [{ market: 'um', symbol: 'BTCUSDT', firstDay: '2019-09-08', opensAt: '16:00', archivesFrom: '2019-12-31' }],
  })
  const ask = { market: 'um', symbols: ['BTCUSDT'], intervals: '4h', start: '2019-09-01', end: '2020-01-03' } as const
  const run = await world.ingest(ask)
  // 7 days before the first bar, 114 days that only REST has, 3 days with archives
  expect(run).toMatchObject({ exit: 0, days: { unlisted: 7, provisional: 114, complete: 3 }, problems: [] })
  expect(world.day('2019-09-08')).toMatchObject({ condition: 'provisional', rows: 2, expected: 2 })
  // three requests for the first bar (what comes, that nothing is before it), two pages up to December, one for the month whose archive
  // begins on its last day
  expect(run.requests.rest).toBe(6)
  const bars = await world.bars('BTCUSDT', '4h')
  expect(bars).toHaveLength(2 + 113 * 6 + 3 * 6)
  expect(bars.every(([openTime], i) => openTime === us('2019-09-08T16:00Z') + BigInt(i) * 14_400_000_000n)).toBe(true)
  expect(world.gaps()).toEqual([])

  // without a start the first archive says where to begin; it is that of December and holds its last day alone, so REST is asked
  await using other = await createWorld({
    now: '2020-03-01T12:00:00Z',
    markets: [{ market: 'um', symbol: 'BTCUSDT', firstDay: '2019-09-08', archivesFrom: '2019-12-31' }],
  })
  const unasked = await other.ingest({ market: 'um', symbols: ['BTCUSDT'], intervals: '4h', end: '2020-01-03' })
  expect(unasked).toMatchObject({ exit: 0, days: { complete: 3, provisional: 30, unlisted: 0 }, requests: { rest: 4 } })
})

test('case 14: a flat tail of zero volume, a ticker that is used again, a relisting hole, a renamed coin', async () => {
  const flat = (openMs: number): string => `${openMs},0.8,0.8,0.8,0.8,0,${openMs + HOUR_MS - 1},0,0,0,0,0\n`
  const tail = Array.from({ length: 24 }, (_, hour) => flat(Date.parse('2022-11-16T00:00Z') + hour * HOUR_MS)).join('')
  await using ftt = await createWorld({
    now: '2022-12-01T12:00:00Z',
    bucket: [{ symbol: 'FTTBUSD', interval: '1h', period: '2022-11-16', csv: tail }],
  })
  expect(await ftt.ingest({ symbols: ['FTTBUSD'], start: '2022-11-16', end: '2022-11-17' })).toMatchObject({
    exit: 0,
    days: { complete: 1 },
    rows: 24,
  })
  expect((await ftt.bars('FTTBUSD', '1h')).every((cells) => cells[5] === 0 && cells[8] === 0n)).toBe(true)

  await using world = await createWorld({
    now: '2023-06-01T12:00:00Z',
    markets: [
      { market: 'spot', symbol: 'USDCUSDT', firstDay: '2018-12-15' },
      { market: 'spot', symbol: 'LITUSDT', firstDay: '2021-02-04' },
      { market: 'spot', symbol: 'BTTUSDT', firstDay: '2019-01-31', lastDay: '2022-01-18', closesAt: '08:00' },
      { market: 'spot', symbol: 'BTTCUSDT', firstDay: '2022-01-31', opensAt: '12:00' },
    ],
    faults: [
      { kind: 'outage', market: 'spot', symbol: 'USDCUSDT', from: '2022-09-27T00:00:00Z', to: '2023-03-12T00:00:00Z' },
      { kind: 'outage', market: 'spot', symbol: 'LITUSDT', from: '2022-06-03T04:00:00Z', to: '2022-06-06T08:00:00Z' },
    ],
  })
  const relisted = await world.ingest({
    symbols: ['USDCUSDT'],
    intervals: '4h',
    start: '2022-09-25',
    end: '2023-03-14',
    flags: ['--archives', 'daily'],
  })
  // the hole of 166 days is asked as one stretch
  expect(relisted).toMatchObject({ exit: 0, days: { complete: 4, outage: 166 }, requests: { rest: 1 } })
  expect(world.day('2023-01-01')).toMatchObject({ condition: 'outage', rows: 0, expected: 6, source: null, shard_sha256: null })
  expect(await world.chunks()).toHaveLength(4)
  expect(world.gaps().reduce((sum, { bars }) => sum + bars, 0)).toBe(166 * 6)

  const reused = await world.ingest({ symbols: ['LITUSDT'], intervals: '4h', start: '2022-06-01', end: '2022-06-09' })
  expect(reused).toMatchObject({ exit: 0, days: { complete: 4, outage: 4 } })

  // bars before a series' first and after its last one are not expected
  const renamed = await world.ingest({ symbols: ['BTTUSDT', 'BTTCUSDT'], intervals: '4h', start: '2022-01-15', end: '2022-02-04' })
  expect(renamed).toMatchObject({ exit: 0, problems: [] })
  expect(world.days('BTTUSDT').map(({ day, condition, rows, expected }) => [day, condition, rows, expected])).toEqual([
    ['2022-01-15', 'complete', 6, 6],
    ['2022-01-16', 'complete', 6, 6],
    ['2022-01-17', 'complete', 6, 6],
    ['2022-01-18', 'complete', 2, 2],
  ])
  expect(world.days('BTTCUSDT')[0]).toMatchObject({ day: '2022-01-31', condition: 'complete', rows: 3, expected: 3 })
  expect(renamed.days).toMatchObject({ unlisted: 16 + 16, complete: 8 })
})

test('a series that ends in mid-day is whole when it is asked exactly up to that day: the request for the missing bars tells the end', async () => {
  const clear = { market: 'spot', symbol: 'BTTUSDT', firstDay: '2019-01-31' } as const
  const short = { symbols: ['BTTUSDT'], start: '2022-01-15', end: '2022-01-19' }
  await using ended = await createWorld({ now: '2023-06-01T12:00:00Z', markets: [{ ...clear, lastDay: '2022-01-18', closesAt: '08:00' }] })
  const run = await ended.ingest({ ...short, intervals: '4h' })
  // the bars around the hole, what opens after the last one, and exchangeInfo
  expect(run).toMatchObject({ exit: 0, days: { complete: 4, outage: 0 }, requests: { rest: 3 } })
  expect(ended.day('2022-01-18')).toMatchObject({ condition: 'complete', rows: 2, expected: 2 })
  const shards = await digestTree(`${ended.lake}/data`)
  // asked for more later there is nothing to correct; asked for more at once the same is written
  expect(await ended.ingest({ ...short, intervals: '4h', end: '2022-02-04' })).toMatchObject({ exit: 0, stored: 0, skipped: 4 })
  await using longer = await createWorld({ now: '2023-06-01T12:00:00Z', markets: [{ ...clear, lastDay: '2022-01-18', closesAt: '08:00' }] })
  expect(await longer.ingest({ ...short, intervals: '4h', end: '2022-02-04' })).toMatchObject({
    exit: 0,
    days: { complete: 4, unlisted: 16 },
  })
  expect(await digestTree(`${longer.lake}/data`)).toEqual(shards)

  // the same bars missing, and no archive after them: but REST goes on, or it is too early to tell
  const outage = { kind: 'outage', market: 'spot', symbol: 'BTTUSDT', from: '2022-01-18T08:00:00Z', to: '2022-01-20T12:00:00Z' } as const
  const gone = ['2022-01-19', '2022-01-20', '2022-01-21', '2022-01-22', '2022-01-23', '2022-01-24'].map(
    (day) => ({ kind: 'unlisted', market: 'spot', symbol: 'BTTUSDT', day }) as const,
  )
  await using paused = await createWorld({ now: '2022-01-25T00:30:00Z', markets: [clear], faults: [outage, ...gone] })
  expect(await paused.ingest({ ...short, intervals: '4h' })).toMatchObject({
    exit: 0,
    days: { complete: 3, outage: 1 },
    requests: { rest: 1 },
  })
  expect(paused.gaps()).toEqual([
    {
      start: '2022-01-18T08:00:00Z',
      end: '2022-01-19T00:00:00Z',
      bars: 4,
      evidence: restProof('2022-01-18T04:00:00Z', '2022-01-20T12:00:00Z'),
    },
  ])
  // it has ended when it has been silent for three days and one bar: at 12:00 of the 21st
  for (const [now, days] of [
    ['2022-01-21T11:59:00Z', { complete: 3, pending: 1 }],
    ['2022-01-21T12:01:00Z', { complete: 4, pending: 0 }],
  ] as const) {
    await using early = await createWorld({ now, markets: [{ ...clear, lastDay: '2022-01-18', closesAt: '08:00' }] })
    expect(await early.ingest({ ...short, intervals: '4h' })).toMatchObject({ exit: 0, days })
  }
})

test('case 15: symbols of other scripts, digits, SETTLED, delivery contracts, and a key without padding', async () => {
  await using world = await createWorld({
    now: '2025-12-01T12:00:00Z',
    markets: [
      { market: 'um', symbol: '币安人生USDT', firstDay: '2025-10-08', opensAt: '11:00' },
      { market: 'um', symbol: '1000SATSUSDT', firstDay: '2023-12-12' },
      { market: 'um', symbol: 'ICPUSDT_SETTLED', firstDay: '2022-01-01' },
      { market: 'cm', symbol: 'BTCUSD_210625', firstDay: '2020-12-25', opensAt: '08:00', lastDay: '2021-06-25', closesAt: '08:00' },
    ],
  })
  const symbols = ['币安人生USDT', '1000SATSUSDT', 'ICPUSDT_SETTLED']
  const um = await world.ingest({ market: 'um', symbols, start: '2025-10-08', end: '2025-10-10' })
  expect(um).toMatchObject({ exit: 0, series: 3, days: { complete: 6 } })
  expect(world.day('2025-10-08', '币安人生USDT')).toMatchObject({ condition: 'complete', rows: 13, expected: 13 })
  expect(await world.shards()).toContain('futures/um/monthly/klines/币安人生USDT/1h/币安人生USDT-1h-2025-10.arrow')

  const delivery = await world.ingest({ market: 'cm', symbols: ['BTCUSD_210625'], start: '2021-06-24', end: '2021-06-28' })
  expect(delivery).toMatchObject({ exit: 0, days: { complete: 2, unlisted: 2 } })
  expect(world.day('2021-06-25', 'BTCUSD_210625')).toMatchObject({ condition: 'complete', rows: 8, expected: 8 })

  const archive = { symbol: 'ADABKRW', interval: '1d', period: '2020-8', csv: csvRows('2020-08-01T00:00Z', '2020-09-01T00:00Z', DAY_MS) }
  await using unpadded = await createWorld({ now: '2020-11-01T12:00:00Z', bucket: [archive] })
  const run = await unpadded.ingest({ symbols: ['ADABKRW'], intervals: '1d', start: '2020-08-01', end: '2020-09-01' })
  expect(run).toMatchObject({ exit: 0, days: { complete: 31 }, rows: 31 })
  expect(unpadded.day('2020-08-17').archive_key).toBe(bucketKey(archive))
  expect(await unpadded.shards()).toEqual(['spot/yearly/klines/ADABKRW/1d/ADABKRW-1d-2020.arrow'])
  expect((await unpadded.chunks()).map(({ day }) => day)).toEqual(daysBetween('2020-08-01', '2020-09-01'))
})

test('case 16: bars of 3 days, weeks across month ends, and months, which are 1mo in archives and 1M in REST', async () => {
  await using world = await createWorld({
    now: '2024-05-03T12:00:00Z',
    markets: [{ market: 'spot', symbol: 'BTCUSDT', firstDay: '2023-11-01' }],
  })
  const run = await world.ingest({ symbols: ['BTCUSDT'], intervals: '3d,1w,1M', start: '2024-01-01', end: '2024-05-01' })
  expect(run).toMatchObject({ exit: 0, series: 3, problems: [] })
  const openings = async (interval: string): Promise<string[]> =>
    (await world.bars('BTCUSDT', interval)).map(([openTime]) => isoOf(Number(openTime) / 1000).slice(0, 10))
  // a bar belongs to the month in which it opens: the week of April 29 has not closed on May 3, so April is not a chunk yet
  const mondays = daysBetween('2024-01-01', '2024-04-01').filter((day) => new Date(day).getUTCDay() === 1)
  expect(await openings('1w')).toEqual(mondays)
  expect(mondays).toHaveLength(13)
  const thirds = daysBetween('2024-01-01', '2024-05-01').filter((day) => (Date.parse(day) / DAY_MS) % 3 === 1)
  expect(await openings('3d')).toEqual(thirds)
  // April's archive appears on Monday, May 6: until then its bar is from REST
  expect(await openings('1mo')).toEqual(['2024-01-01', '2024-02-01', '2024-03-01', '2024-04-01'])
  expect(world.days('BTCUSDT', '1M').map(({ day, condition, source }) => [day, condition, source])).toEqual([
    ['2024-01-01', 'complete', 'vision-monthly'],
    ['2024-02-01', 'complete', 'vision-monthly'],
    ['2024-03-01', 'complete', 'vision-monthly'],
    ['2024-04-01', 'provisional', 'rest'],
  ])
  expect(world.restRequests.filter(({ path }) => path.includes('interval=1M')).length).toBeGreaterThan(0)
  expect(world.restRequests.filter(({ path }) => path.includes('interval=1mo'))).toEqual([])
  expect(await world.shards()).toContain('spot/yearly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2024.arrow')
  const again = await world.ingest({ symbols: ['BTCUSDT'], intervals: '1mo', start: '2024-01-01', end: '2024-05-01' })
  expect(again).toMatchObject({ exit: 0, stored: 0, requests: { archive: 0 } })
})
