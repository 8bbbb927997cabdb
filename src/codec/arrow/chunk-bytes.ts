import { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { KLINE_COLUMNS } from '../../model/kline.ts'

/*
 * A chunk on its way into a pack and out of it: the bytes of its rows, column after column. It is what `digestColumns` digests.
 */

/** Bytes of a value, in every column. */
export const VALUE_BYTES = 8
/** Bytes of a row in all columns. */
export const ROW_BYTES = VALUE_BYTES * KLINE_COLUMNS.length

/** True for a chunk that stands in a pack: what is recorded of it are the bytes of its rows. A file of its own has more. */
export function isPackedRow({ rows, shardBytes }: { readonly rows: number; readonly shardBytes: number | null }): boolean {
  return shardBytes === rows * ROW_BYTES
}

/**
 * The rows of a chunk, column after column. The result owns its ArrayBuffer.
 * @param columns those of klines
 */
export function chunkBytes(columns: Columns): Uint8Array<ArrayBuffer> {
  const rows = columns.openTime.length
  const bytes = new Uint8Array(rows * ROW_BYTES)
  KLINE_COLUMNS.forEach(({ key }, i) => {
    const { buffer, byteOffset, byteLength } = (columns as KlineColumns)[key]
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), i * rows * VALUE_BYTES)
  })
  return bytes
}

/** The columns in the bytes of a chunk: views where these are aligned to 8, else of a copy. Throws CKVD_SHARD_FORMAT. */
export function chunkColumns(bytes: Uint8Array): KlineColumns {
  const rows = bytes.length / ROW_BYTES
  if (!Number.isInteger(rows) || rows === 0)
    throw new CkvdError('CKVD_SHARD_FORMAT', `Expected rows of ${ROW_BYTES} bytes, and at least one, found ${bytes.length} bytes`)
  const { buffer, byteOffset } = bytes.byteOffset % VALUE_BYTES === 0 ? bytes : bytes.slice()
  const entries = KLINE_COLUMNS.map(({ key, type }, i): [string, Float64Array | BigInt64Array] => {
    const at = byteOffset + i * rows * VALUE_BYTES
    return [key, type === 'float64' ? new Float64Array(buffer, at, rows) : new BigInt64Array(buffer, at, rows)]
  })
  return Object.fromEntries(entries) as unknown as KlineColumns
}
