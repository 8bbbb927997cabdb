import type { Data, DataType } from 'apache-arrow'
import {
  Field,
  Float64,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampMicrosecond,
  Utf8,
  Vector,
  vectorFromArray,
} from 'apache-arrow'
import { expect, test } from 'vitest'
import { CkvdError, isCkvdError } from '../../../src/errors.ts'
import { toObjects } from '../../../src/index.ts'

function batchOf(columns: Readonly<Record<string, Vector>>): RecordBatch {
  const fields = Object.entries(columns).map(([name, vector]) => new Field(name, vector.type, true))
  const children = Object.values(columns).map((vector) => vector.data[0] as Data<DataType>)
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length: 2, nullCount: 0, children }))
}

test('rows are plain: every microsecond and every digit, nulls where nothing is, over all batches and slices', () => {
  const time = new TimestampMicrosecond('UTC')
  const data = new BigInt64Array([1_704_413_280_000_000n, 1_704_413_339_999_999n])
  const first = batchOf({
    open_time: new Vector([makeData({ type: time, data, length: 2, nullCount: 0 })]),
    close: vectorFromArray([1.5, null]),
    count: new Vector([makeData({ type: new Int64(), data: new BigInt64Array([7n, 2n ** 60n]), length: 2, nullCount: 0 })]),
    name: vectorFromArray(['a', 'b'], new Utf8()),
    list: vectorFromArray([[1, 2], [3]], new List(new Field('item', new Float64(), true))),
  })
  const table = new Table([first, first])
  const rows = [
    { open_time: '2024-01-05T00:08:00.000000Z', close: 1.5, count: 7, name: 'a', list: [1, 2] },
    { open_time: '2024-01-05T00:08:59.999999Z', close: null, count: '1152921504606846976', name: 'b', list: [3] },
  ]
  expect(toObjects(table)).toEqual([...rows, ...rows])
  expect(toObjects(table.slice(1, 3))).toEqual([rows[1], rows[0]])
  expect(JSON.parse(JSON.stringify(toObjects(table)))).toEqual([...rows, ...rows])
})

test('so are the rows of columns, whose times are the names that end so', () => {
  const columns = { open_time: new BigInt64Array([1_704_413_280_000_000n]), count: new BigInt64Array([7n]), close: new Float64Array([1.5]) }
  expect(toObjects({ columns })).toEqual([{ open_time: '2024-01-05T00:08:00.000000Z', count: 7, close: 1.5 }])
  expect(toObjects({ columns: {} })).toEqual([])
})

test('what is neither is refused with a code', () => {
  for (const wrong of [undefined, null, [], { rows: 1 }]) {
    let thrown: unknown
    try {
      toObjects(wrong as unknown as Table)
    } catch (error) {
      thrown = error
    }
    expect(isCkvdError(thrown, 'CKVD_USAGE')).toBe(true)
  }
})

test('JSON of an error has its code, its message and its facts', () => {
  const error = new CkvdError('CKVD_PARTIAL', '3 bars are missing.', { details: { bars: 3 }, cause: new Error('why') })
  expect(JSON.parse(JSON.stringify({ error }))).toEqual({
    error: { code: 'CKVD_PARTIAL', message: '3 bars are missing.', details: { bars: 3 } },
  })
})
