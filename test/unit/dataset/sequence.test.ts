import { beforeAll, describe, expect, test } from 'vitest'
import { decodeArrowShard } from '../../../src/codec/arrow/arrow.ts'
import { encodeArrowShard } from '../../../src/codec/arrow/arrow-writer.ts'
import type { Dataset } from '../../../src/dataset/dataset.ts'
import { countExpected, countExpectedOfNone, endsOf, findMissing } from '../../../src/dataset/expected.ts'
import { createRows, registerDataset } from '../../../src/dataset/registry.ts'
import { countChangedRows, mergeRows } from '../../../src/dataset/rows.ts'
import { describeIds } from '../../../src/dataset/sequence.ts'
import type { Columns } from '../../../src/model/columns.ts'
import type { UtcDay } from '../../../src/model/utc-day.ts'

const DRAWS: Dataset = {
  name: 'draws',
  folder: 'draws',
  hasInterval: false,
  grid: '1h',
  markets: ['um'],
  chunking: 'day',
  columns: [
    { key: 'openTime', name: 'time', type: 'timestamp' },
    { key: 'draw', name: 'draw', type: 'int64' },
    { key: 'value', name: 'value', type: 'float64' },
  ],
  csv: 'columns',
  rules: null,
  completeness: { kind: 'sequence', id: 'draw' },
  rest: null,
}
const OF_DRAWS = { dataset: 'draws', market: 'um', symbol: 'BTCUSDT', interval: '1h' } as const
const MIDNIGHT = Date.parse('2024-03-02T00:00:00Z') * 1000
const DAY = { startUs: MIDNIGHT, endUs: MIDNIGHT + 86_400_000_000 }

/** Rows by second of the day, id and value. */
function draws(...rows: readonly (readonly [second: number, id: number, value?: number])[]): Columns {
  return {
    openTime: BigInt64Array.from(rows, ([second]) => BigInt(MIDNIGHT + second * 1_000_000)),
    draw: BigInt64Array.from(rows, ([, id]) => BigInt(id)),
    value: Float64Array.from(rows, ([, , value = 0]) => value),
  }
}

const idsIn = ({ draw }: Columns): number[] => Array.from(draw as BigInt64Array, Number)
const holesIn = (columns: Columns, range = DAY): unknown[] =>
  findMissing(OF_DRAWS, columns, range).map(({ startUs, endUs, bars, ids }) => [
    (startUs - MIDNIGHT) / 1_000_000,
    (endUs - MIDNIGHT) / 1_000_000,
    bars,
    ids === undefined ? undefined : describeIds(ids),
  ])

describe('rows that are counted by ids', () => {
  beforeAll(() => registerDataset(DRAWS))

  test('lack the ids between those that are there, from the row before to the row after', () => {
    expect(holesIn(draws([1, 5], [1, 6], [2, 7]))).toEqual([])
    expect(holesIn(draws([1, 5], [2, 9], [4, 11]))).toEqual([
      [1, 2, 3, 'ids 6 to 8'],
      [2, 4, 1, 'id 10'],
    ])
    expect(holesIn(draws([3, 5], [3, 7]))).toEqual([[3, 3.000001, 1, 'id 6']])
  })

  test('lack at their ends what rows beside them tell, cut to the range', () => {
    expect(holesIn(draws([-60, 3], [1, 5]))).toEqual([[0, 1, 1, 'id 4']])
    expect(holesIn(draws([86_399, 5], [86_401, 7]))).toEqual([[86_399, 86_400, 1, 'id 6']])
    expect(holesIn(draws([-60, 3], [0, 5]))).toEqual([[0, 0.000001, 1, 'id 4']])
    // nothing happened that day: the rows of the days beside it say so
    expect(holesIn(draws([-60, 3], [90_000, 4]))).toEqual([])
    expect(holesIn(draws([-60, 3], [90_000, 6]))).toEqual([[0, 86_400, 2, 'ids 4 to 5']])
  })

  test('lack one at least where there is none and no neighbours tell', () => {
    expect(holesIn(createRows(OF_DRAWS, 0))).toEqual([[0, 86_400, 1, undefined]])
    expect(holesIn(draws([-60, 3]))).toEqual([[0, 86_400, 1, undefined]])
    expect(countExpectedOfNone(OF_DRAWS, DAY)).toBe(1)
    expect(holesIn(draws([-60, 3]), { startUs: MIDNIGHT, endUs: MIDNIGHT })).toEqual([])
  })

  test('are expected in the number of those that are there and those that are missing', () => {
    expect(countExpected(OF_DRAWS, draws([1, 5], [1, 6], [2, 9]), DAY)).toBe(5)
  })

  test('lack nothing where their times run against their ids', () => {
    expect(holesIn(draws([1, 6], [2, 5], [3, 7]))).toEqual([])
    expect(endsOf(draws([1, 6], [2, 5], [3, 7]), OF_DRAWS)).toEqual({ first: draws([2, 5]), last: draws([3, 7]) })
  })

  test('of two sources are the same row where they have one id, whatever their times', () => {
    const base = draws([1, 5, 1], [1, 7, 1])
    const more = mergeRows(base, draws([1, 5, 1], [1, 6, 1], [1, 8, 1]), OF_DRAWS)
    expect([idsIn(more.columns), more.added, more.agreeing, more.differing]).toEqual([[5, 6, 7, 8], 2, 1, 0])
    expect(mergeRows(base, draws([1, 5, 2]), OF_DRAWS)).toMatchObject({ added: 0, agreeing: 0, differing: 1 })
    expect(mergeRows(base, draws([2, 5, 1]), OF_DRAWS)).toMatchObject({ added: 0, agreeing: 0, differing: 1 })
  })

  test('change one by one between two versions, though they share a time', () => {
    expect(countChangedRows(draws([1, 5], [1, 6], [1, 7]), draws([1, 5], [1, 6, 9], [1, 8]), OF_DRAWS)).toBe(3)
  })

  test('are refused in a shard where they are not in order, or one is there twice', () => {
    const read = (columns: Columns) => () => {
      const rows = columns.openTime.length
      const counts = { rows, expected: rows, offGrid: 0, duplicates: 0, oddClose: 0, oddRows: 0 }
      const origin = { source: 'vision-daily', archiveKey: 'key', archiveSha256: '0'.repeat(64), archiveEtag: 'etag' }
      const meta = { ...OF_DRAWS, ...counts, ...origin, day: '2024-03-02' as UtcDay, condition: 'complete', gaps: [] } as const
      return idsIn(decodeArrowShard<Columns>(encodeArrowShard(columns, meta)).columns)
    }
    expect(read(draws([1, 5], [1, 6], [2, 7]))()).toEqual([5, 6, 7])
    expect(read(draws([1, 6], [2, 5], [3, 7]))()).toEqual([6, 5, 7])
    expect(read(draws([1, 6], [1, 5]))).toThrow('rows of one time in the order of their ids, found id 5 after 6 in row 1')
    expect(read(draws([1, 5], [1, 5]))).toThrow('found id 5 after 5 in row 1')
    expect(read(draws([1, 5], [2, 6], [3, 5]))).toThrow('each id once')
    expect(read(draws([2, 5], [1, 6]))).toThrow('open times in ascending order')
  })
})
