import { expect, test } from 'vitest'
import type { FundingRow } from '../../../src/codec/funding.ts'
import { fillHours, findFundingGaps, mergeFunding } from '../../../src/funding/funding-grid.ts'

const HOUR = 3_600_000_000
const row = (hour: number, hours = 8, offUs = 3000): FundingRow => [hour * HOUR + offUs, hours, 0.0001]
const gapsOf = (rows: readonly FundingRow[], from: number, to: number) =>
  findFundingGaps(rows, { startUs: from * HOUR, endUs: to * HOUR }).map(({ bars }) => bars)

test('a full grid has no gap, though its times are milliseconds off', () => {
  expect(gapsOf([row(0, 8, 0), row(8), row(16, 8, 12_000), row(24)], 0, 32)).toEqual([])
})

test('what is missing is counted: between rows, before the first and after the last one', () => {
  expect(gapsOf([row(0), row(24), row(32)], 0, 40)).toEqual([2])
  expect(gapsOf([row(16)], 0, 24)).toEqual([2])
  expect(gapsOf([row(0)], 0, 25)).toEqual([3])
  expect(gapsOf([], 0, 24)).toEqual([3])
})

test('a rate from before the range tells when the first one in it is due', () => {
  expect(gapsOf([row(0)], 1, 3)).toEqual([])
  expect(gapsOf([row(0)], 1, 9)).toEqual([1])
  expect(gapsOf([row(0), row(8)], 1, 9)).toEqual([])
  expect(gapsOf([row(0), row(24)], 9, 25)).toEqual([1])
  expect(gapsOf([row(0)], 17, 33)).toEqual([2])
})

test('an interval that changes is no gap', () => {
  expect(gapsOf([row(0), row(8), row(12, 4), row(16, 4), row(17, 1), row(18, 1)], 0, 19)).toEqual([])
  expect(gapsOf([row(0), row(8), row(16, 4)], 0, 20)).toEqual([1])
})

test('a rate that two sources tell with times milliseconds apart is one rate', () => {
  const merged = mergeFunding([row(0, 8, 0), row(16)], [row(0, 0, 4000), row(8, 0), row(16, 0, 1000)])
  expect(merged.map(([timeUs, hours]) => [Math.round(timeUs / HOUR), hours])).toEqual([
    [0, 8],
    [8, 0],
    [16, 8],
  ])
})

test('hours that a source does not tell are the distance to the neighbour', () => {
  expect(fillHours([row(0, 0), row(8, 0, 9000), row(12, 0)]).map(([, hours]) => hours)).toEqual([8, 8, 4])
  expect(fillHours([row(0, 0)]).map(([, hours]) => hours)).toEqual([0])
})
