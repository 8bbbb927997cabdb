import { chunkRange } from '../../dataset/chunk.ts'
import { CkvdError } from '../../errors.ts'
import type { Dataset, DatasetColumn } from '../../dataset/dataset.ts'
import { apartOf, idsOf, rowOrder } from '../../dataset/expected.ts'
import { findDataset } from '../../dataset/registry.ts'
import { areAscending } from '../../dataset/sequence.ts'
import type { Columns } from '../../model/columns.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import type { ArrowFile, ArrowSchema } from './arrow-file.ts'
import { parseArrowFile, peekMetadata } from './arrow-file.ts'
import { ArrowFormatError } from './flat-reader.ts'
import { digestColumns } from './columns-digest.ts'
import { doubleAt, wordsOf } from '../../memory/int64.ts'
import { findOddities } from '../csv/odd-rows.ts'
import type { ShardMeta } from './shard-meta.ts'
import { readColumns, refuse } from './read-columns.ts'
import { DATASET_KEY, decodeMeta, DIGEST_KEY, FORMAT_KEY, MARKET_KEY, statesDigest } from './shard-meta.ts'

export type { ShardMeta } from './shard-meta.ts'

/** A shard's rows and what it says of itself. The type of the columns is for who knows the data set; who does not takes `Columns`. */
export interface DecodedShard<T extends Columns = KlineColumns> {
  readonly columns: T
  readonly meta: ShardMeta
}

/** The type of each column as `arrow-file` names it. */
const TYPE_NAMES: Readonly<Record<DatasetColumn['type'], string>> = {
  timestamp: 'timestamp[us, UTC]',
  float64: 'float64',
  int64: 'int64',
  bool: 'bool',
  word: 'utf8',
  text: 'utf8',
}

/**
 * Reads a shard and checks everything that it says of itself: structure, schema, metadata, the digest of its columns (the first shards have
 * none), order and rows. The columns are views of `bytes` where these are aligned to 8, else copies.
 * @param isProven the digest of the whole file is the recorded one: that of the columns is not computed as well; default false
 * @throws CKVD_SHARD_FORMAT, CKVD_SHARD_DIGEST with what was expected and found; any bytes end in a value or in one of these
 */
export function decodeArrowShard<T extends Columns = KlineColumns>(bytes: Uint8Array, isProven = false): DecodedShard<T> {
  const { file, dataset, columns } = parseRows(bytes)
  const { metadata } = file.schema
  const meta = decodeMeta(metadata, refuse)
  if (meta.rows !== file.rows || file.rows === 0) refuse(`${meta.rows} rows, as ckvd.rows says, and at least one`, `${file.rows}`)
  if (!isProven && metadata.has(DIGEST_KEY)) checkDigest(digestColumns(columns, dataset.columns), metadata.get(DIGEST_KEY))
  return { columns: columns as T, meta: checkChunk(columns, meta, dataset, statesDigest(metadata)) }
}

/** The structure of a file of ours, its data set and its columns. @throws CKVD_SHARD_FORMAT */
export function parseRows(
  bytes: Uint8Array,
  footerOnly?: string,
): { readonly file: ArrowFile; readonly dataset: Dataset; readonly columns: Columns } {
  const file = parseFile(bytes, footerOnly)
  const dataset = datasetIn(file.schema)
  checkSchema(file.schema, dataset)
  return { file, dataset, columns: readColumns(bytes, file, dataset) }
}

/**
 * Checks the rows of a chunk against what is said of them; gives that, with what was not counted.
 * @param areCounted bars that are odd are counted in the metadata; default true
 * @throws CKVD_SHARD_FORMAT
 */
export function checkChunk(columns: Columns, meta: ShardMeta, dataset: Dataset, areCounted = true): ShardMeta {
  checkRows(columns, meta, dataset)
  return dataset.rules !== null ? checkOddities(columns as KlineColumns, meta, areCounted) : meta
}

/** True when an Arrow file claims to be a shard (its schema has `ckvd.format`), whole or not; false for foreign files. Never throws. */
export function isArrowShard(bytes: Uint8Array): boolean {
  return peekMetadata(bytes)?.has(FORMAT_KEY) ?? false
}

function parseFile(bytes: Uint8Array, footerOnly?: string): ArrowFile {
  try {
    return parseArrowFile(bytes, footerOnly)
  } catch (cause) {
    if (!(cause instanceof ArrowFormatError || cause instanceof RangeError)) throw cause
    const found = cause instanceof ArrowFormatError ? cause.message : 'an offset past its end'
    return refuse('the structure of a whole Arrow file with one uncompressed record batch', found, cause)
  }
}

/** The data set that the metadata names, which none has of klines. */
function datasetIn({ metadata }: ArrowSchema): Dataset {
  const name = metadata.get(DATASET_KEY)
  return findDataset(name, metadata.get(MARKET_KEY)) ?? refuse('the rows of a data set that is known', `"${String(name).slice(0, 100)}"`)
}

/** Throws CKVD_SHARD_FORMAT for a schema that is not that of the data set. */
export function checkSchema({ fields }: ArrowSchema, { columns }: Dataset): void {
  if (fields.length !== columns.length) refuse(`${columns.length} columns`, `${fields.length}`)
  columns.forEach(({ name, type, nullable }, index) => {
    const field = fields[index]
    const found = `${field?.name} ${field?.type}${field?.nullable === true ? ' nullable' : ''}`
    const expected = `${name} ${TYPE_NAMES[type]}${nullable === true ? ' nullable' : ''}`
    if (found !== expected) refuse(`the column ${expected}`, found)
  })
}

/** Throws CKVD_SHARD_DIGEST. */
export function checkDigest(found: string, expected: string | undefined): void {
  if (found === expected) return
  throw new CkvdError(
    'CKVD_SHARD_DIGEST',
    `Expected a shard whose columns have the SHA-256 ${expected}, as it says itself, found ${found}`,
    {
      details: { expected, found },
    },
  )
}

/** The promises of a shard's rows: in the chunk, in order, of finite numbers. NaN fails each comparison. */
function checkRows(columns: Columns, meta: ShardMeta, dataset: Dataset): void {
  const openTimes = wordsOf(columns.openTime)
  const { startUs, endUs } = chunkRange(meta.day, meta)
  const ids = idsOf(columns, meta)
  const areApart = apartOf(meta).length > 0
  let previous = startUs - 1
  for (let row = 0; row < meta.rows; row++) {
    // the indices are below the length of every column
    const time = doubleAt(openTimes, row)
    const isNext = time > previous || ((ids !== undefined || areApart) && row > 0 && time === previous)
    if (!isNext)
      refuse(
        `open times in ${ids === undefined && !areApart ? 'strictly ' : ''}ascending order from ${isoOfUs(startUs)} on`,
        row === 0 ? `${timeText(time)} in row 0` : `${timeText(time)} after ${timeText(previous)} in row ${row}`,
      )
    if (!(time < endUs)) refuse(`open times before ${isoOfUs(endUs)}`, `${timeText(time)} in row ${row}`)
    previous = time
  }
  if (ids !== undefined) checkIds(columns, ids, meta)
  if (areApart) checkApart(columns, meta)
  for (const { key, type, nullable } of dataset.columns) {
    const row = type === 'float64' ? findInfinite(columns[key] as Float64Array, nullable === true) : -1
    if (row >= 0) refuse('bars of finite numbers', `one that is not finite in row ${row}`)
  }
  for (const gap of meta.gaps) {
    // its end may lie past the chunk: a week or three days that open in a month may close in the next
    if (gap.startUs < startUs || gap.startUs >= endUs)
      refuse('gaps inside the chunk', `one from ${timeText(gap.startUs)} to ${timeText(gap.endUs)}`)
  }
}

/** A time of a file, which may be any number: only some are times of the calendar. */
function timeText(timeUs: number): string {
  return Math.abs(timeUs) < 2.5e17 ? isoOfUs(timeUs) : `${timeUs} µs`
}

/** Of a sequence: rows of one time stand in the order of their ids, and each id is there once. */
function checkIds(columns: Columns, ids: BigInt64Array, meta: ShardMeta): void {
  if (areAscending(ids)) return
  const compare = rowOrder(meta)
  const row = ids.findIndex((_id, i) => i > 0 && compare(columns, i - 1, columns, i) >= 0)
  if (row >= 0) refuse('rows of one time in the order of their ids', `id ${ids[row]} after ${ids[row - 1]} in row ${row}`)
  if (new Set(ids).size < ids.length) refuse('each id once', 'one twice')
}

/** Where other columns tell rows of one time apart: they stand in the order of these, and each is there once. */
function checkApart(columns: Columns, meta: ShardMeta): void {
  const compare = rowOrder(meta)
  const row = columns.openTime.findIndex((_time, i) => i > 0 && compare(columns, i - 1, columns, i) >= 0)
  if (row >= 0) refuse('rows of one time in the order of what tells them apart, each once', `another order in row ${row}`)
}

/** The first row whose value is no finite number; -1: there is none. `isNullable`: NaN stands for none. */
function findInfinite(values: Float64Array, isNullable: boolean): number {
  for (let row = 0; row < values.length; row++) if (!Number.isFinite(values[row]) && !(isNullable && Number.isNaN(values[row]))) return row
  return -1
}

/** What is odd in the rows must be counted in the metadata. The first shards count nothing: in them no bar contradicts itself. */
function checkOddities(columns: KlineColumns, meta: ShardMeta, areCounted: boolean): ShardMeta {
  const { oddClose, oddRows, times } = findOddities(meta, columns)
  if (oddRows > meta.oddRows) {
    const first = times[0] === undefined ? '' : `, the first one at ${isoOfUs(times[0])}`
    refuse(meta.oddRows === 1 ? '1 bar that contradicts itself' : `${meta.oddRows} bars that contradict themselves`, `${oddRows}${first}`)
  }
  if (!areCounted) {
    if (closesEarly(columns)) refuse('bars that close after they open', 'one that closes before')
    return { ...meta, oddClose }
  }
  if (oddClose > meta.oddClose) refuse(`${meta.oddClose} ${meta.oddClose === 1 ? 'bar' : 'bars'} with an odd close_time`, `${oddClose}`)
  return meta
}

function closesEarly({ openTime, closeTime }: KlineColumns): boolean {
  const openTimes = wordsOf(openTime)
  const closeTimes = wordsOf(closeTime)
  for (let row = 0; row < openTime.length; row++) if (doubleAt(closeTimes, row) < doubleAt(openTimes, row)) return true
  return false
}
