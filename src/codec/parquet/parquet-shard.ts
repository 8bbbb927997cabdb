import type { Dataset } from '../../dataset/dataset.ts'
import { findDataset } from '../../dataset/registry.ts'
import { parseJson } from '../../json-text.ts'
import type { Columns } from '../../model/columns.ts'
import { columnOf, joinColumns } from '../../model/columns.ts'
import type { TimeRange } from '../../model/series.ts'
import type { DecodedShard } from '../arrow/arrow.ts'
import { checkChunk, checkDigest, checkSchema } from '../arrow/arrow.ts'
import { readColumns, refuse } from '../arrow/read-columns.ts'
import type { ArrowStream } from '../arrow/arrow-file.ts'
import { parseArrowStream } from '../arrow/arrow-file.ts'
import { RowsDigest } from '../arrow/columns-digest.ts'
import type { ShardMeta } from '../arrow/shard-meta.ts'
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
  const dataset = datasetIn(metadata)
  const meta = decodeMeta(metadata, refuse)
  checkSchema(first.schema, dataset)
  const parts: Columns[] = []
  let rows = 0
  for (let group = first; ; group = readGroup(bytes, parts.length)) {
    const own = group.batches.map((batch) => readColumns(group.bytes, batch, dataset, true))
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

/** A shard whose rows are read a part at a time. */
export interface ShardParts {
  readonly meta: ShardMeta
  /** how many parts there are; one at least */
  readonly count: number
  /** the rows of a part, from 0, in order; of it the first ones alone where `limit` says so. @throws CKVD_SHARD_FORMAT */
  readonly read: (part: number, limit?: number) => Columns
}

/**
 * The row groups of a shard, of which one at a time is decoded. The file must be proven: of its rows nothing is checked but how many they are.
 * @throws CKVD_SHARD_FORMAT
 */
export function openParquetShard(bytes: Uint8Array): ShardParts {
  const names = readGroup(bytes, 0, 1)
  const metadata = metadataOf(names)
  const meta = decodeMeta(metadata, refuse)
  const dataset = datasetIn(metadata)
  checkSchema(names.schema, dataset)
  const read = (group: number, limit?: number): Columns => {
    const part = rowsOf(readGroup(bytes, group, limit), dataset)
    const due = Math.min(limit ?? Infinity, ROW_GROUP_ROWS, meta.rows - group * ROW_GROUP_ROWS)
    if (part.openTime.length !== due) refuse(`${due} rows in group ${group}`, `${part.openTime.length}`)
    return part
  }
  return { meta, count: Math.ceil(meta.rows / ROW_GROUP_ROWS), read }
}

/** Which rows of a shard are wanted. */
export interface WantedRows {
  /** microseconds, the end excluded */
  readonly range: TimeRange
  /** keys of the columns; that of the times is among them */
  readonly keys: readonly string[]
}

/**
 * Some columns of the rows of a shard that lie in a range, with others beside them: whole row groups, which end with a row before the range and
 * one behind it, where there are such. The file must be proven: of its rows nothing is checked.
 * @throws CKVD_SHARD_FORMAT
 */
export function decodeParquetRows(bytes: Uint8Array, { range, keys }: WantedRows): DecodedShard<Columns> {
  const { meta, count, read } = openParquetShard(bytes)
  const firstTimeOf = (group: number): number => Number(read(group, 1).openTime[0])
  let [from, to] = [0, count]
  // the last group that begins before the range
  while (to - from > 1) {
    const middle = (from + to) >> 1
    if (firstTimeOf(middle) < range.startUs) from = middle
    else to = middle
  }
  const parts: Columns[] = []
  for (let group = from; group < count; group++) {
    const part = read(group)
    parts.push(Object.fromEntries(keys.map((key) => [key, columnOf(part, key)])) as Columns)
    if (Number(part.openTime.at(-1)) >= range.endUs) break
  }
  return { columns: joinColumns(parts, parts[0] as Columns), meta }
}

/** The rows of a row group, of which there is one at least. @throws CKVD_SHARD_FORMAT */
function rowsOf({ bytes, batches, schema }: RowGroup, dataset: Dataset): Columns {
  checkSchema(schema, dataset)
  const own = batches.map((batch) => readColumns(bytes, batch, dataset, true))
  if (own.every(({ openTime }) => openTime.length === 0)) refuse('rows in each of its groups', 'none in one')
  return joinColumns(own, own[0] as Columns)
}

type RowGroup = ArrowStream & { readonly bytes: Uint8Array }

/** A row group, or a part of it, as an Arrow stream. */
function readGroup(bytes: Uint8Array, group: number, limit?: number): RowGroup {
  try {
    const stream = parquetLibrary()
      .readParquet(bytes, { rowGroups: [group], batchSize: ROW_GROUP_ROWS, ...(limit === undefined ? {} : { limit }) })
      .intoIPCStream()
    return { ...parseArrowStream(stream), bytes: stream }
  } catch (cause) {
    return refuse('the structure of a whole Parquet file', `${bytes.length} bytes that are none (${String(cause).slice(0, 200)})`, cause)
  }
}

function datasetIn(metadata: ReadonlyMap<string, string>): Dataset {
  const name = metadata.get(DATASET_KEY)
  return findDataset(name, metadata.get(MARKET_KEY)) ?? refuse('the rows of a data set that is known', `"${String(name).slice(0, 100)}"`)
}

function metadataOf({ schema }: ArrowStream): ReadonlyMap<string, string> {
  const found = parseJson(schema.metadata.get(META_KEY) ?? '')
  const entries = Object.entries((found ?? {}) as Record<string, unknown>)
  return new Map(entries.flatMap(([key, value]): [string, string][] => (typeof value === 'string' ? [[key, value]] : [])))
}
