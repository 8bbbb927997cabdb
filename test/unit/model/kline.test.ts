import { describe, expect, it } from 'vitest'
import type { KlineColumn, KlineColumns } from '../../../src/model/kline.ts'
import { looseColumnsOf } from '../../../src/dataset/registry.ts'
import { pickRows, sameAsTold, sameRow, sliceColumns } from '../../../src/model/columns.ts'
import { concatColumns, createColumns, KLINE_COLUMNS } from '../../../src/model/kline.ts'

/** Rows in which every cell is another number. */
function rowsOf(length: number, first = 0): KlineColumns {
  const columns = createColumns(length)
  KLINE_COLUMNS.forEach(({ key }, column) => {
    for (let row = 0; row < length; row++) {
      const value = (first + row) * 100 + column
      columns[key][row] = columns[key] instanceof BigInt64Array ? BigInt(value) * 1000n : value / 8
    }
  })
  return columns
}

const cells = (columns: KlineColumns): unknown[] => KLINE_COLUMNS.map(({ key }) => [...columns[key]])

describe('rows of columns', () => {
  it('are cut as views, in every column', () => {
    const columns = rowsOf(5)
    const cut = sliceColumns(columns, 1, 3)
    expect(cells(cut)).toEqual(KLINE_COLUMNS.map(({ key }) => [...columns[key]].slice(1, 3)))
    for (const { key } of KLINE_COLUMNS) expect(cut[key].buffer).toBe(columns[key].buffer)
  })

  it('are picked in any order, as copies', () => {
    const columns = rowsOf(4)
    const picked = pickRows(columns, [3, 0, 3])
    expect(cells(picked)).toEqual(KLINE_COLUMNS.map(({ key }) => [columns[key][3], columns[key][0], columns[key][3]]))
    for (const { key } of KLINE_COLUMNS) expect(picked[key].buffer).not.toBe(columns[key].buffer)
  })

  it('are joined one part after the other', () => {
    expect(cells(concatColumns([rowsOf(2), rowsOf(0), rowsOf(3, 2)]))).toEqual(cells(rowsOf(5)))
    expect(cells(concatColumns([]))).toEqual(KLINE_COLUMNS.map(() => []))
  })
})

/** Whether two sources tell the same bar. */
const sameBar = (rows: KlineColumns): boolean => sameAsTold(rows, 0, rows, 1, looseColumnsOf({}))

/** Two rows that differ in one column alone. */
function pairOf(key: KlineColumn, change: (value: number | bigint) => number | bigint): KlineColumns {
  const columns = pickRows(rowsOf(1, 7), [0, 0])
  columns[key][1] = change(columns[key][1] as number | bigint)
  return columns
}

describe('two rows', () => {
  it('are the same when every column is', () => {
    const twice = pickRows(rowsOf(1, 7), [0, 0])
    expect([sameRow(twice, 0, twice, 1), sameBar(twice)]).toEqual([true, true])
  })

  it.each(KLINE_COLUMNS.map(({ key }) => key).filter((key) => key !== 'closeTime'))('differ by %s alone', (key) => {
    const pair = pairOf(key, (value) => (typeof value === 'bigint' ? value + 1000n : value + 1))
    expect([sameRow(pair, 0, pair, 1), sameBar(pair)]).toEqual([false, false])
  })

  it.each([999n, 1000n, 3_600_000_000n])('are the same bar when close times alone differ, by %d µs: that is an oddity', (us) => {
    const pair = pairOf('closeTime', (value) => (value as bigint) + us)
    expect([sameRow(pair, 0, pair, 1), sameBar(pair)]).toEqual([false, true])
    const open = pairOf('openTime', (value) => (value as bigint) + 1n)
    expect(sameBar(open)).toBe(false)
  })

  it('are compared bit for bit as rows, by value as bars', () => {
    const zeros = pickRows(createColumns(1), [0, 0])
    zeros.volume[1] = -0
    expect([sameRow(zeros, 0, zeros, 1), sameBar(zeros)]).toEqual([false, true])
  })
})
