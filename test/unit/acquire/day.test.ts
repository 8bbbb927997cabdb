import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { DayParts } from '../../../src/acquire/day.ts'
import { countChangedRows, mergeRows, rowsWithin } from '../../../src/dataset/rows.ts'
import { buildDay, expectedRange } from '../../../src/acquire/day.ts'
import type { Proof } from '../../../src/model/evidence.ts'
import { doubt } from '../../../src/model/evidence.ts'
import { createColumns } from '../../../src/model/kline.ts'
import type { UtcDay } from '../../../src/model/utc-day.ts'
import { readShardFile } from '../../support/foreign-reader.ts'
import { at, barsAt, HOURS, hoursOf, opensOf } from './bars.ts'

const DAY = '2024-03-02' as UtcDay
const UNBOUNDED = { startUs: null, endUs: null }
/** REST has the bars of 03:00 and 06:00, and none between. */
const PROOF: Proof = { source: 'rest', beforeUs: at('2024-03-02T03:00:00Z'), afterUs: at('2024-03-02T06:00:00Z') }

describe('the bars that are expected of a day', () => {
  test('all of it, from the slot of the first bar on, and to the end of the series', () => {
    const [start, end] = [at('2024-03-02T00:00:00Z'), at('2024-03-03T00:00:00Z')]
    expect(expectedRange(HOURS, DAY, UNBOUNDED)).toEqual({ startUs: start, endUs: end })
    // a first bar that opens off the grid fills its slot
    expect(expectedRange(HOURS, DAY, { startUs: at('2024-03-02T05:20:00Z'), endUs: null }).startUs).toBe(at('2024-03-02T05:00:00Z'))
    expect(expectedRange(HOURS, DAY, { startUs: null, endUs: at('2024-03-02T07:00:00Z') }).endUs).toBe(at('2024-03-02T07:00:00Z'))
  })

  test('none before the first bar and after the last one', () => {
    const unborn = expectedRange(HOURS, DAY, { startUs: at('2024-03-09T00:00:00Z'), endUs: null })
    const ended = expectedRange(HOURS, DAY, { startUs: null, endUs: at('2024-02-09T00:00:00Z') })
    for (const { startUs, endUs } of [unborn, ended]) expect(endUs).toBeLessThanOrEqual(startUs)
  })
})

describe('two sources of one day', () => {
  test('empty slots are filled, in order; where both have a bar the first one stays and is compared', () => {
    const [base, extra] = [barsAt(hoursOf(DAY, 0, 10)), barsAt(hoursOf(DAY, 5, 19), 11)]
    const merge = mergeRows(base, extra, HOURS)
    expect(merge).toMatchObject({ added: 14, agreeing: 0, differing: 5 })
    expect(opensOf(merge.columns)).toEqual(hoursOf(DAY))
    expect([...merge.columns.volume]).toEqual([...Array<number>(10).fill(10), ...Array<number>(14).fill(11)])
    expect(mergeRows(base, barsAt(hoursOf(DAY, 5, 19)), HOURS)).toMatchObject({ added: 14, agreeing: 5, differing: 0 })
  })

  test('a bar off the grid fills its slot: no second one is taken', () => {
    const offGrid = barsAt(hoursOf(DAY, 0, 3).map((us) => us + 14_789_000))
    expect(mergeRows(offGrid, barsAt(hoursOf(DAY, 0, 4)), HOURS)).toMatchObject({ added: 1, agreeing: 0, differing: 3 })
  })

  test('two bars in one slot are both kept, from either side', () => {
    const twice = barsAt([at('2024-03-02T06:00:00Z'), at('2024-03-02T06:00:20Z')])
    expect(opensOf(mergeRows(createColumns(0), twice, HOURS).columns)).toHaveLength(2)
    expect(mergeRows(twice, barsAt([at('2024-03-02T06:00:20Z')]), HOURS)).toMatchObject({ added: 0, agreeing: 1, differing: 0 })
  })

  test('rows of a range, its start included and its end excluded', () => {
    const rows = rowsWithin(barsAt(hoursOf(DAY)), { startUs: at('2024-03-02T03:00:00Z'), endUs: at('2024-03-02T05:00:00Z') })
    expect(opensOf(rows)).toEqual(hoursOf(DAY, 3, 2))
  })

  test('changed rows: other values, gone and new ones', () => {
    const before = barsAt(hoursOf(DAY, 0, 5))
    expect(countChangedRows(before, before, {})).toBe(0)
    const after = barsAt(hoursOf(DAY, 1, 6))
    after.volume[2] = 99
    // hour 0 is gone, hour 3 has another volume, hours 5 and 6 are new
    expect(countChangedRows(before, after, {})).toBe(1 + 1 + 2)
  })
})

describe('a day and its condition', () => {
  const parts: DayParts = {
    ...{ series: HOURS, day: DAY, columns: barsAt(hoursOf(DAY)), bounds: UNBOUNDED, sources: ['vision-daily'], archive: null },
    ...{ duplicates: 0, conflicts: 0, differing: 0, evidence: null, error: null },
    explain: () => PROOF,
  }
  const holed = barsAt([...hoursOf(DAY, 0, 4), ...hoursOf(DAY, 6, 18)])
  const unexplained = { explain: () => doubt('no-witness') }

  test.each<[string, Partial<DayParts>, string]>([
    ['all bars, one of them from Vision', { sources: ['vision-daily', 'rest'] }, 'complete'],
    ['all bars from REST', { sources: ['rest'] }, 'provisional'],
    ['a hole with evidence', { columns: holed }, 'outage'],
    ['a hole without', { columns: holed, ...unexplained }, 'partial'],
    ['bars that another source contradicts', { disputed: true }, 'disputed'],
    ['no bar, with evidence', { columns: createColumns(0) }, 'outage'],
    [
      'bars to the end of the series',
      { columns: barsAt(hoursOf(DAY, 0, 4)), bounds: { startUs: null, endUs: at('2024-03-02T04:00:00Z') } },
      'complete',
    ],
  ])('%s', async (_name, change, condition) => {
    expect((await buildDay({ ...parts, ...change })).condition).toBe(condition)
  })

  const BORN_LATER = { startUs: at('2024-03-09T00:00:00Z'), endUs: null }
  const ENDED_EARLIER = { startUs: null, endUs: at('2024-02-09T00:00:00Z') }
  test.each<[string, Partial<DayParts>, string, number]>([
    ['a whole day before the first bar that is believed', { bounds: BORN_LATER }, 'complete', 24],
    ['a day with a hole before it', { bounds: BORN_LATER, columns: holed, ...unexplained }, 'partial', 24],
    ['bars before it in its own day', { bounds: { startUs: at('2024-03-02T05:00:00Z'), endUs: null } }, 'complete', 24],
    [
      'some bars before it in its own day, and none before those',
      { bounds: { startUs: at('2024-03-02T05:00:00Z'), endUs: null }, columns: barsAt(hoursOf(DAY, 3, 21)), ...unexplained },
      'partial',
      24,
    ],
    ['a whole day behind the last bar that is believed', { bounds: ENDED_EARLIER }, 'complete', 24],
    [
      'some bars behind it in its own day, and none behind those',
      { bounds: { startUs: null, endUs: at('2024-03-02T05:00:00Z') }, columns: barsAt(hoursOf(DAY, 0, 8)), ...unexplained },
      'partial',
      24,
    ],
  ])('its own bars deny what is believed of the series: %s', async (_name, change, condition, expected) => {
    expect(await buildDay({ ...parts, ...change })).toMatchObject({ condition, expected })
  })

  test('counts, gaps and shard say the same', async () => {
    const built = await buildDay({ ...parts, columns: holed, duplicates: 3, sources: ['vision-daily', 'rest'] })
    expect(built).toMatchObject({ rows: 22, expected: 24, offGrid: 0, duplicates: 3, source: 'vision-daily+rest', condition: 'outage' })
    expect(built.gaps).toEqual([{ startUs: at('2024-03-02T04:00:00Z'), endUs: at('2024-03-02T06:00:00Z'), bars: 2, evidence: PROOF }])
    // a day that stands in a pack: its rows, column after column
    expect(built.shard).toHaveLength(22 * 11 * 8)
    expect([...new BigInt64Array(built.shard!.slice().buffer, 0, 22)].map(Number)).toEqual(opensOf(holed))
    expect(built.shardSha256).toBe(createHash('sha256').update(built.shard!).digest('hex'))
  })

  test('a file of its own says of itself what the day is', async () => {
    const series = { ...HOURS, interval: '5m' as const }
    const opens = hoursOf(DAY).flatMap((us) => Array.from({ length: 12 }, (_, i) => us + i * 300_000_000))
    const holed = barsAt(opens.filter((us) => us < at('2024-03-02T04:00:00Z') || us >= at('2024-03-02T06:00:00Z')))
    const built = await buildDay({ ...parts, series, columns: holed, duplicates: 3, sources: ['vision-daily', 'rest'] })
    const { metadata, columns } = readShardFile(built.shard!)
    expect([...(columns[0] as BigInt64Array)].map(Number)).toEqual(opensOf(holed))
    expect(built).toMatchObject({ rows: 264, expected: 288, condition: 'outage' })
    expect(Object.fromEntries(metadata)).toMatchObject({
      'ckvd.rows': '264',
      'ckvd.expected': '288',
      'ckvd.duplicates': '3',
      'ckvd.condition': 'outage',
      'ckvd.source': 'vision-daily+rest',
    })
    expect(JSON.parse(metadata.get('ckvd.gaps') ?? '')).toHaveLength(1)
  })

  test('a day without a bar has no shard', async () => {
    expect(await buildDay({ ...parts, columns: createColumns(0) })).toMatchObject({
      shard: null,
      shardSha256: null,
      source: null,
      rows: 0,
      expected: 24,
    })
  })
})
