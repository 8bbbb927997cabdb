import { CkvdError } from '../errors.ts'
import type { KlineColumns } from '../model/kline.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import { chunkRange } from '../model/series.ts'
import type { ArrowColumn, ArrowFile, ArrowSchema } from './arrow-file.ts'
import { ArrowFormatError, parseArrowFile, peekMetadata } from './arrow-file.ts'
import { toDoubles } from './int64.ts'
import type { ShardMeta } from './shard-meta.ts'
import { decodeMeta, FORMAT_KEY } from './shard-meta.ts'

export type { ShardMeta } from './shard-meta.ts'

/** A shard's rows and what it says of itself. */
export interface DecodedShard {
  readonly columns: KlineColumns
  readonly meta: ShardMeta
}

type ColumnType = (typeof KLINE_COLUMNS)[number]['type']

/** The type of each column as `arrow-file` names it. */
const TYPE_NAMES: Readonly<Record<ColumnType, string>> = { timestamp: 'timestamp[us, UTC]', float64: 'float64', int64: 'int64' }

/**
 * Reads a shard and checks everything that can be checked without its digest: structure, schema, metadata, order and rows.
 * The columns are views of `bytes` where these are aligned to 8, else copies.
 * @throws CKVD_SHARD_FORMAT with what was expected and found; any bytes end in a value or in this
 */
export function decodeShard(bytes: Uint8Array): DecodedShard {
  const file = parseFile(bytes)
  checkSchema(file.schema)
  const meta = decodeMeta(file.schema.metadata, refuse)
  if (meta.rows !== file.rows || file.rows === 0) refuse(`${meta.rows} rows, as ckvd.rows says, and at least one`, `${file.rows}`)
  const columns = readColumns(bytes, file)
  checkRows(columns, meta)
  return { columns, meta }
}

/** True when a file claims to be a shard (its schema has `ckvd.format`), whole or not; false for foreign files. Never throws. */
export function isOwnShard(bytes: Uint8Array): boolean {
  return peekMetadata(bytes)?.has(FORMAT_KEY) ?? false
}

function parseFile(bytes: Uint8Array): ArrowFile {
  try {
    return parseArrowFile(bytes)
  } catch (cause) {
    if (!(cause instanceof ArrowFormatError || cause instanceof RangeError)) throw cause
    const found = cause instanceof ArrowFormatError ? cause.message : 'an offset past its end'
    return refuse('the structure of a whole Arrow file with one uncompressed record batch', found, cause)
  }
}

function checkSchema({ fields }: ArrowSchema): void {
  if (fields.length !== KLINE_COLUMNS.length) refuse(`${KLINE_COLUMNS.length} columns`, `${fields.length}`)
  KLINE_COLUMNS.forEach(({ name, type }, index) => {
    const field = fields[index]
    const found = `${field?.name} ${field?.type}${field?.nullable === true ? ' nullable' : ''}`
    const expected = `${name} ${TYPE_NAMES[type]}`
    if (found !== expected) refuse(`the column ${expected}`, found)
  })
}

function readColumns(bytes: Uint8Array, { rows, columns }: ArrowFile): KlineColumns {
  const entries = KLINE_COLUMNS.map(({ key, name, type }, index): [string, Float64Array | BigInt64Array] => {
    const { nulls, start, sizeBytes } = columns[index] as ArrowColumn // checkSchema counted them
    if (nulls !== 0 || sizeBytes < rows * 8) refuse(`${rows} values in column ${name}`, `${nulls} nulls and ${sizeBytes} bytes`)
    const at = bytes.byteOffset + start
    const aligned = at % 8 === 0
    const buffer = aligned ? bytes.buffer : bytes.slice(start, start + rows * 8).buffer
    const offset = aligned ? at : 0
    return [key, type === 'float64' ? new Float64Array(buffer, offset, rows) : new BigInt64Array(buffer, offset, rows)]
  })
  return Object.fromEntries(entries) as unknown as KlineColumns
}

/** The promises of a shard's rows: in the chunk, in order, no bar that contradicts itself. NaN fails each comparison. */
function checkRows(columns: KlineColumns, meta: ShardMeta): void {
  const { open, high, low, close, volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume } = columns
  const openTimes = toDoubles(columns.openTime)
  const closeTimes = toDoubles(columns.closeTime)
  const counts = toDoubles(columns.count)
  const { startUs, endUs } = chunkRange(meta.day, meta.interval)
  let previous = startUs - 1
  for (let row = 0; row < meta.rows; row++) {
    // the indices are below the length of every column
    const time = openTimes[row] as number
    if (!(time > previous)) refuse(`open times in strictly ascending order from ${startUs} on`, `${time} after ${previous} in row ${row}`)
    if (!(time < endUs)) refuse(`open times before ${endUs}`, `${time} in row ${row}`)
    previous = time
    const bottom = low[row] as number
    const top = high[row] as number
    const sound =
      bottom >= 0 &&
      bottom <= (open[row] as number) &&
      bottom <= (close[row] as number) &&
      top >= (open[row] as number) &&
      top >= (close[row] as number) &&
      (closeTimes[row] as number) >= time &&
      (counts[row] as number) >= 0 &&
      top < Infinity && // and with it open, low and close
      isAmount(volume[row] as number) &&
      isAmount(quoteVolume[row] as number) &&
      isAmount(takerBuyVolume[row] as number) &&
      isAmount(takerBuyQuoteVolume[row] as number)
    if (!sound) refuse('bars of finite numbers that do not contradict themselves', `another one in row ${row}`)
  }
  for (const gap of meta.gaps) {
    // its end may lie past the chunk: a week or three days that open in a month may close in the next
    if (gap.startUs < startUs || gap.startUs >= endUs) refuse('gaps inside the chunk', `one from ${gap.startUs} to ${gap.endUs}`)
  }
}

function isAmount(value: number): boolean {
  return value >= 0 && value < Infinity
}

function refuse(expected: string, found: string, cause?: unknown): never {
  throw new CkvdError('CKVD_SHARD_FORMAT', `Expected a shard with ${expected}, found ${found}`, { details: { expected, found }, cause })
}
