import { createHash } from 'node:crypto'
import type { KlineColumns } from '../../model/kline.ts'
import { KLINE_COLUMNS } from '../../model/kline.ts'

/**
 * What a shard says of its own rows: the SHA-256, as 64 hex digits, of the bytes of its eleven columns, one after the other in the schema's
 * order, eight bytes a value, low byte first, nothing between or behind them. Metadata is not in it: a file says that twice.
 */
export function digestColumns(columns: KlineColumns): string {
  return digestArrays(KLINE_COLUMNS.map(({ key }) => columns[key]))
}

/** The same of other columns. */
export function digestArrays(columns: readonly (Float64Array | BigInt64Array)[]): string {
  const hash = createHash('sha256')
  for (const { buffer, byteOffset, byteLength } of columns) hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  return hash.digest('hex')
}
