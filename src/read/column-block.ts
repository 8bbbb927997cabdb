import type { OfDataset } from '../dataset/registry.ts'
import { datasetOf } from '../dataset/registry.ts'
import type { Columns, Values } from '../model/columns.ts'
import { columnOf, createValues, numbersOf, putValues } from '../model/columns.ts'
import type { KlineColumns } from '../model/kline.ts'

/** Some columns of a data set, all of one length; `openTime` is always there, of klines perhaps the others. */
export type ColumnBlock = Columns & Partial<KlineColumns>

/** The columns to read for some column names (null: all), in the schema's order: the open times order and cut the rows, so they are always read. */
export function keysOf(names: readonly string[] | null, of: OfDataset): string[] {
  return datasetOf(of)
    .columns.filter(({ key, name }) => names === null || key === 'openTime' || names.includes(name))
    .map(({ key }) => key)
}

/**
 * A block of zeros.
 * @param of the data set; default: klines
 */
export function createBlock(keys: readonly string[], length: number, of: OfDataset = {}): ColumnBlock {
  const entries = datasetOf(of)
    .columns.filter(({ key }) => keys.includes(key))
    .map(({ key, type }) => [key, createValues(type, length)])
  return Object.fromEntries(entries) as ColumnBlock
}

/** Some rows of a column as bytes. */
export function bytesOfRows(column: Values, first: number, rows: number): Uint8Array {
  const values = numbersOf(column)
  const size = values.BYTES_PER_ELEMENT
  return new Uint8Array(values.buffer, values.byteOffset + first * size, rows * size)
}

/** Copies rows to a place in a block that has all columns of `target`. */
export function copyRows(source: ColumnBlock, target: ColumnBlock, offset: number): void {
  for (const key of Object.keys(target)) putValues(columnOf(target, key), columnOf(source, key), offset)
}

/** First row in [from, to) that opens at or after a time; `to` when there is none. Rows are in order. */
export function findRow(openTimes: BigInt64Array, timeUs: number, from = 0, to = openTimes.length): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Number(openTimes[middle]) < timeUs) low = middle + 1
    else high = middle
  }
  return low
}
