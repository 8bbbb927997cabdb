import { findDataset } from '../../dataset/registry.ts'
import { parseJson } from '../../json-text.ts'
import type { Columns } from '../../model/columns.ts'
import { joinColumns } from '../../model/columns.ts'
import type { DecodedShard } from '../arrow/arrow.ts'
import { checkChunk, checkDigest, checkSchema } from '../arrow/arrow.ts'
import { readColumns, refuse } from '../arrow/read-columns.ts'
import type { ArrowStream } from '../arrow/arrow-file.ts'
import { parseArrowStream } from '../arrow/arrow-file.ts'
import { RowsDigest } from '../arrow/columns-digest.ts'
import { DATASET_KEY, decodeMeta, DIGEST_KEY, FORMAT_KEY, MARKET_KEY } from '../arrow/shard-meta.ts'
import { parquetLibrary } from './parquet-library.ts'

/*
 * A chunk of ticks as a Parquet file: what a shard is, where a day has hundreds of thousands of rows. Columns and metadata are those of an
 * Arrow shard; the metadata stands as one JSON object under the key `ckvd`.
 */

/** Rows of a group, each with the least and the greatest value of its columns: some 4 MB as columns, which is what reading and writing hold at once. */
export const ROW_GROUP_ROWS = 65_536
export const META_KEY = 'ckvd'
const MAGIC = 'PAR1'

/** True for the bytes of a Parquet file, whole or not. */
export function isParquet(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAGIC.length)).toString('latin1') === MAGIC
}

/** True when a Parquet file claims to be a shard, whole or not. Never throws. */
export function isParquetShard(bytes: Uint8Array): boolean {
  return isParquet(bytes) && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(FORMAT_KEY)
}

/**
 * Reads a shard and checks everything that it says of itself, as `decodeArrowShard` does, a row group at a time.
 * @throws CKVD_SHARD_FORMAT, CKVD_SHARD_DIGEST
 */
export function decodeParquetShard<T extends Columns>(bytes: Uint8Array, isProven: boolean): DecodedShard<T> {
  const first = readGroup(bytes, 0)
  const metadata = metadataOf(first)
  const name = metadata.get(DATASET_KEY)
  const dataset =
    findDataset(name, metadata.get(MARKET_KEY)) ?? refuse('the rows of a data set that is known', `"${String(name).slice(0, 100)}"`)
  const meta = decodeMeta(metadata, refuse)
  checkSchema(first.schema, dataset)
  const parts: Columns[] = []
  let rows = 0
  for (let group = first; ; group = readGroup(bytes, parts.length)) {
    const own = group.batches.map((batch) => readColumns(group.bytes, batch, dataset))
    const found = own.reduce((sum, { openTime }) => sum + openTime.length, 0)
    if (found === 0 || found > meta.rows - rows) refuse(`${meta.rows} rows, as ckvd.rows says, and at least one`, `${rows + found}`)
    parts.push(joinColumns(own, own[0] as Columns))
    rows += found
    if (rows === meta.rows) break
  }
  const columns = joinColumns(parts, parts[0] as Columns)
  if (!isProven) checkDigest(new RowsDigest(dataset.columns).update(columns).digest(), metadata.get(DIGEST_KEY))
  return { columns: columns as T, meta: checkChunk(columns, meta, dataset) }
}

/** A row group as an Arrow stream. */
function readGroup(bytes: Uint8Array, group: number): ArrowStream & { readonly bytes: Uint8Array } {
  try {
    const stream = parquetLibrary()
      .readParquet(bytes, { rowGroups: [group], batchSize: ROW_GROUP_ROWS })
      .intoIPCStream()
    return { ...parseArrowStream(stream), bytes: stream }
  } catch (cause) {
    return refuse('the structure of a whole Parquet file', `${bytes.length} bytes that are none (${String(cause).slice(0, 200)})`, cause)
  }
}

function metadataOf({ schema }: ArrowStream): ReadonlyMap<string, string> {
  const found = parseJson(schema.metadata.get(META_KEY) ?? '')
  const entries = Object.entries((found ?? {}) as Record<string, unknown>)
  return new Map(entries.flatMap(([key, value]): [string, string][] => (typeof value === 'string' ? [[key, value]] : [])))
}
