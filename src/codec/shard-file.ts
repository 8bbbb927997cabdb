import type { OfDataset } from '../dataset/registry.ts'
import { isStoredAsParquet } from '../dataset/registry.ts'
import type { Columns } from '../model/columns.ts'
import { sliceColumns } from '../model/columns.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { DecodedShard } from './arrow/arrow.ts'
import { decodeArrowShard, isArrowShard } from './arrow/arrow.ts'
import type { ShardMeta } from './arrow/shard-meta.ts'
import type { ShardParts, WantedRows } from './parquet/parquet-shard.ts'
import {
  decodeParquetRows,
  decodeParquetShard,
  isParquet,
  isParquetShard,
  openParquetShard,
  ROW_GROUP_ROWS,
} from './parquet/parquet-shard.ts'

/*
 * The file of one chunk: Arrow, or Parquet where its data set says so. The only place that knows which.
 */

/** Rows as the file of a chunk. Writers are loaded when they are wanted: where archives are whole only the workers need one. */
export async function encodeShard(columns: Columns, meta: ShardMeta): Promise<Uint8Array<ArrayBuffer>> {
  if (isStoredAsParquet(meta)) return (await import('./parquet/parquet-writer.ts')).encodeParquetShard(columns, meta)
  return (await import('./arrow/arrow-writer.ts')).encodeArrowShard(columns, meta)
}

/** The file of a chunk, read: see `decodeArrowShard`. @throws CKVD_SHARD_FORMAT, CKVD_SHARD_DIGEST */
export function decodeShard<T extends Columns = KlineColumns>(bytes: Uint8Array, isProven = false): DecodedShard<T> {
  return isParquet(bytes) ? decodeParquetShard<T>(bytes, isProven) : decodeArrowShard<T>(bytes, isProven)
}

/** True for a chunk of so many rows that fewer than all may be read of its file. */
export function isDivisible(of: OfDataset, rows: number): boolean {
  return isStoredAsParquet(of) && rows > ROW_GROUP_ROWS
}

/** Some rows of a divisible chunk: see `decodeParquetRows`. @throws CKVD_SHARD_FORMAT */
export function decodeSomeRows(bytes: Uint8Array, wanted: WantedRows): DecodedShard<Columns> {
  return decodeParquetRows(bytes, wanted)
}

/** The file of a chunk, proven, of which a part at a time is decoded: a row group, of an Arrow file all of it. @throws CKVD_SHARD_FORMAT */
export function openShard(bytes: Uint8Array): ShardParts {
  if (isParquet(bytes)) return openParquetShard(bytes)
  const { columns, meta } = decodeArrowShard<Columns>(bytes, true)
  return { meta, count: 1, read: (_part, limit) => (limit === undefined ? columns : sliceColumns(columns, 0, limit)) }
}

/** True when a file claims to be that of a chunk, whole or not; false for foreign files. Never throws. */
export function isOwnShard(bytes: Uint8Array): boolean {
  return isParquetShard(bytes) || isArrowShard(bytes)
}
