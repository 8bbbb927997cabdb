import { expect, test } from 'vitest'
import { countExpected, findMissing, slotsOf, witnessTimes } from '../../../src/dataset/expected.ts'
import { mergeRows } from '../../../src/dataset/rows.ts'
import type { Columns } from '../../../src/model/columns.ts'

const HOUR = 3_600_000_000
const FUNDING = { dataset: 'fundingRate', market: 'um', symbol: 'BTCUSDT', interval: '1h' } as const

/** Rates at some hours, each for so many hours, so many microseconds off. */
function ratesAt(...rates: readonly (readonly [hour: number, hours?: number, offUs?: number])[]): Columns {
  return {
    openTime: BigInt64Array.from(rates, ([hour, , offUs = 3000]) => BigInt(hour * HOUR + offUs)),
    intervalHours: BigInt64Array.from(rates, ([, hours = 8]) => BigInt(hours)),
    rate: Float64Array.from(rates, () => 0.0001),
  }
}
const gapsOf = (columns: Columns, from: number, to: number) =>
  findMissing(FUNDING, columns, { startUs: from * HOUR, endUs: to * HOUR }).map(({ startUs, endUs, bars }) => [
    startUs / HOUR,
    endUs / HOUR,
    bars,
  ])

test('a full schedule has no gap, though its times are milliseconds off, early or late', () => {
  expect(gapsOf(ratesAt([0, 8, 0], [8], [16, 8, 12_000], [24, 8, -4000]), 0, 32)).toEqual([])
})

test('what is missing is counted: between rows, before the first and after the last one', () => {
  expect(gapsOf(ratesAt([0], [24], [32]), 0, 40)).toEqual([[8, 24, 2]])
  expect(gapsOf(ratesAt([16]), 0, 24)).toEqual([[0, 16, 2]])
  expect(gapsOf(ratesAt([0]), 0, 25)).toEqual([[8, 25, 3]])
  expect(gapsOf(ratesAt(), 0, 24)).toEqual([[0, 24, 3]])
  expect(countExpected(FUNDING, ratesAt([0], [24], [32]), { startUs: 0, endUs: 40 * HOUR })).toBe(5)
})

test('an interval that changes is no gap', () => {
  expect(gapsOf(ratesAt([0], [8], [12, 4], [16, 4], [17, 1], [18, 1]), 0, 19)).toEqual([])
  expect(gapsOf(ratesAt([0], [8], [16, 4]), 0, 20)).toEqual([[12, 16, 1]])
})

test('a rate that two sources tell with times milliseconds apart, and one without its hours, is one rate', () => {
  const merge = mergeRows(ratesAt([0, 8, 0], [16]), ratesAt([0, 0, 4000], [8, 0], [16, 0, -1000]), FUNDING)
  expect(merge).toMatchObject({ added: 1, differing: 0 })
  expect([...merge.columns.openTime].map((time) => slotsOf(FUNDING, merge.columns.openTime)(Number(time)) / HOUR)).toEqual([0, 8, 16])
  expect([...witnessTimes(FUNDING, merge.columns)].map((time) => time / HOUR)).toEqual([0, 8, 16])
})

test('an interval that changes at the end of a range is told by the row after it', () => {
  // from every 4 hours to every 8 at midnight, and from every hour to every 4
  expect(gapsOf(ratesAt([12, 4], [16, 4], [24, 8]), 0, 24)).toEqual([[0, 12, 3]])
  expect(gapsOf(ratesAt([0, 4], [4, 4], [8, 4], [12, 4], [16, 4], [24, 8]), 0, 24)).toEqual([])
  expect(gapsOf(ratesAt([19, 1], [20, 1], [24, 4]), 19, 24)).toEqual([])
  expect(gapsOf(ratesAt([19, 1], [20, 1], [24, 1]), 19, 24)).toEqual([[21, 24, 3]])
})

test('rows beside a range are no rows of it, and tell what is due in it', () => {
  expect(gapsOf(ratesAt([-8], [24]), 0, 24)).toEqual([[0, 24, 3]])
  expect(gapsOf(ratesAt([-8]), 0, 24)).toEqual([[0, 24, 3]])
  expect(countExpected(FUNDING, ratesAt([-8], [0], [24]), { startUs: 0, endUs: 24 * HOUR })).toBe(3)
})

test('rows that do not say their hours are as far apart as the nearest two of them, at most as usual', () => {
  expect(gapsOf(ratesAt([0, 0], [4, 0], [12, 0]), 0, 16)).toEqual([[8, 12, 1]])
  expect(gapsOf(ratesAt([0, 0], [16, 0]), 0, 24)).toEqual([[8, 16, 1]])
  expect(gapsOf(ratesAt([8, 0]), 0, 24)).toEqual([
    [0, 8, 1],
    [16, 24, 1],
  ])
})

test('a rate that an archive has twice, milliseconds apart, is expected once', () => {
  expect(countExpected(FUNDING, ratesAt([0], [8], [8, 8, 5000], [16]), { startUs: 0, endUs: 24 * HOUR })).toBe(3)
})
