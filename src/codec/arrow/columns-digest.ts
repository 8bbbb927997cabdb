import { createHash } from 'node:crypto'
import type { DatasetColumn } from '../../dataset/dataset.ts'
import type { Columns, Values } from '../../model/columns.ts'

/**
 * What a shard says of its own rows: the SHA-256, as 64 hex digits, of the bytes of its columns, one after the other in the schema's
 * order, eight bytes a value, low byte first, nothing between or behind them. Metadata is not in it: a file says that twice.
 */
export function digestColumns(columns: Columns, described: readonly DatasetColumn[]): string {
  const hash = createHash('sha256')
  for (const { key } of described) {
    const { buffer, byteOffset, byteLength } = columns[key] as Values
    hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return hash.digest('hex')
}
