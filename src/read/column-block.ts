import { VALUE_BYTES } from '../codec/arrow/chunk-bytes.ts'
import type { Columns } from '../model/columns.ts'
import type { KlineColumn, KlineColumns } from '../model/kline.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import type { ColumnName } from '../question/query.ts'

/** Some columns of klines, all of one length; `openTime` is always there. */
export type ColumnBlock = Columns & Partial<KlineColumns>

/** The columns to read for some column names (null: all), in the schema's order: the open times order and cut the rows, so they are always read. */
export function keysOf(names: readonly ColumnName[] | null): KlineColumn[] {
  return KLINE_COLUMNS.filter(({ key, name }) => names === null || key === 'openTime' || (names as readonly string[]).includes(name)).map(
    ({ key }) => key,
  )
}

/** A block of zeros. */
export function createBlock(keys: readonly KlineColumn[], length: number): ColumnBlock {
  const entries = KLINE_COLUMNS.filter(({ key }) => keys.includes(key)).map(({ key, type }) => [
    key,
    type === 'float64' ? new Float64Array(length) : new BigInt64Array(length),
  ])
  return Object.fromEntries(entries) as ColumnBlock
}

/** Some rows of a column as bytes. */
export function bytesOfRows(values: Float64Array | BigInt64Array, first: number, rows: number): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset + first * VALUE_BYTES, rows * VALUE_BYTES)
}

/** Rows [start, end) of a block as views. */
export function sliceBlock(block: ColumnBlock, start: number, end: number): ColumnBlock {
  return Object.fromEntries(Object.entries(block).map(([key, values]) => [key, values.subarray(start, end)])) as unknown as ColumnBlock
}

/** Copies rows to a place in a block that has all columns of `target`. */
export function copyRows(source: ColumnBlock, target: ColumnBlock, offset: number): void {
  for (const key of Object.keys(target) as KlineColumn[]) (target[key] as Float64Array).set(source[key] as Float64Array, offset)
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
