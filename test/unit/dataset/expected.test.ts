import { beforeAll, describe, expect, test } from 'vitest'
import type { Dataset } from '../../../src/dataset/dataset.ts'
import { countExpected, countExpectedOfNone, countOff, findMissing } from '../../../src/dataset/expected.ts'
import { KLINES } from '../../../src/dataset/sets/klines.ts'
import { mergeRows } from '../../../src/dataset/rows.ts'
import { createRows, registerDataset } from '../../../src/dataset/registry.ts'
import type { Columns } from '../../../src/model/columns.ts'

const HOUR = 3_600_000_000
const DAY = { startUs: 24 * HOUR, endUs: 48 * HOUR }
const PUBLISHED: Dataset = {
  ...KLINES,
  name: 'as-it-came',
  folder: 'as-it-came',
  hasInterval: false,
  completeness: { kind: 'as-published' },
}
const CAME = { dataset: 'as-it-came', market: 'um', symbol: 'BTCUSDT', interval: '1h' } as const
const HOURS = { market: 'um', symbol: 'BTCUSDT', interval: '1h' } as const

function rowsAt(...hours: number[]): Columns {
  return { ...createRows({}, hours.length), openTime: BigInt64Array.from(hours, (hour) => BigInt(hour * HOUR)) }
}

describe('what must be there', () => {
  beforeAll(() => registerDataset(PUBLISHED))

  test('on a grid: a row a slot, whatever is there', () => {
    expect(findMissing(HOURS, rowsAt(24, 25, 28), DAY).map(({ startUs, bars }) => [startUs / HOUR, bars])).toEqual([
      [26, 2],
      [29, 19],
    ])
    expect([countExpected(HOURS, rowsAt(24), DAY), countExpectedOfNone(HOURS, DAY)]).toEqual([24, 24])
    expect(countOff(HOURS, rowsAt(24, 25.5))).toBe(1)
  })

  test('as published: one row at least; no more can be said of the others', () => {
    expect(findMissing(CAME, rowsAt(24, 31.25), DAY)).toEqual([])
    expect(countExpected(CAME, rowsAt(24, 31.25), DAY)).toBe(2)
    // a row of another day is none of this one
    expect(findMissing(CAME, rowsAt(12), DAY)).toEqual([{ ...DAY, bars: 1 }])
    expect([countExpected(CAME, rowsAt(12), DAY), countExpectedOfNone(CAME, DAY)]).toEqual([1, 1])
    expect(countExpectedOfNone(CAME, { startUs: DAY.startUs, endUs: DAY.startUs })).toBe(0)
    expect(countOff(CAME, rowsAt(24, 25.5))).toBe(0)
  })

  test('two rows are the same one where they fill a slot of the grid, or have the very time', () => {
    expect(mergeRows(rowsAt(24), rowsAt(24.5), HOURS)).toMatchObject({ added: 0, differing: 1 })
    expect(mergeRows(rowsAt(24), rowsAt(24.5), CAME)).toMatchObject({ added: 1, differing: 0 })
    expect(mergeRows(rowsAt(24), rowsAt(24), CAME)).toMatchObject({ added: 0, agreeing: 1 })
  })
})
