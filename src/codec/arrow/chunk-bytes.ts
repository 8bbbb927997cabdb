import { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import { columnOf, numbersOf } from '../../model/columns.ts'
import type { OfDataset } from '../../dataset/registry.ts'
import { datasetOf } from '../../dataset/registry.ts'

/*
 * A chunk on its way into a pack and out of it: the bytes of its rows, column after column. It is what `digestColumns` digests.
 */

/** Bytes of a value, in every column. */
export const VALUE_BYTES = 8

/** Bytes of a row in all columns of its data set. */
export function rowBytesOf(of: OfDataset): number {
  return VALUE_BYTES * datasetOf(of).columns.length
}

/** True for a chunk that stands in a pack: what is recorded of it are the bytes of its rows. A file of its own has more. */
export function isPackedRow({ rows, shardBytes }: { readonly rows: number; readonly shardBytes: number | null }, of: OfDataset): boolean {
  return shardBytes === rows * rowBytesOf(of)
}

/**
 * The rows of a chunk, column after column.
 * @param of the data set; default: klines
 * @param bytes room for them; default: memory of their own
 */
export function chunkBytes(
  columns: Columns,
  of: OfDataset = {},
  bytes = new Uint8Array(columns.openTime.length * rowBytesOf(of)),
): Uint8Array<ArrayBuffer> {
  const rows = columns.openTime.length
  datasetOf(of).columns.forEach(({ key }, i) => {
    const values = numbersOf(columnOf(columns, key))
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), i * rows * VALUE_BYTES)
  })
  return bytes
}

/** The columns in the bytes of a chunk: views where these are aligned to 8, else of a copy. Throws CKVD_SHARD_FORMAT. */
export function chunkColumns<T extends Columns>(bytes: Uint8Array, of: OfDataset): T {
  const rowBytes = rowBytesOf(of)
  const rows = bytes.length / rowBytes
  if (!Number.isInteger(rows) || rows === 0)
    throw new CkvdError(
      'CKVD_SHARD_FORMAT',
      `Expected whole rows of ${rowBytes} bytes each, at least one, found ${bytes.length} bytes in all`,
    )
  const { buffer, byteOffset } = bytes.byteOffset % VALUE_BYTES === 0 ? bytes : bytes.slice()
  const entries = datasetOf(of).columns.map(({ key, type }, i): [string, Float64Array | BigInt64Array] => {
    const at = byteOffset + i * rows * VALUE_BYTES
    return [key, type === 'float64' ? new Float64Array(buffer, at, rows) : new BigInt64Array(buffer, at, rows)]
  })
  return Object.fromEntries(entries) as T
}
