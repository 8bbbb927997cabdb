import {
  Bool,
  Field,
  Float64,
  Int64,
  makeData,
  Message,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow'
import type { Data, DataType } from 'apache-arrow'
import { CkvdError } from '../../errors.ts'
import type { Dataset, DatasetColumn } from '../../dataset/dataset.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { Columns, Values } from '../../model/columns.ts'
import { columnOf } from '../../model/columns.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { KLINE_COLUMNS } from '../../model/kline.ts'
import type { ShardMeta } from './shard-meta.ts'
import { digestColumns } from './columns-digest.ts'
import { encodeMeta } from './shard-meta.ts'
import type { Validity } from './validity.ts'
import { ALL_VALID, validityOf } from './validity.ts'

/**
 * Rows as a shard: an uncompressed Arrow IPC file with one record batch and the schema of docs/lake.md, the columns those of the data set.
 * The same input gives the same bytes. The result owns its whole ArrayBuffer, so it can be transferred to another thread.
 * @param columns at least one row, in order
 */
export function encodeArrowShard(columns: Columns, meta: ShardMeta): Uint8Array<ArrayBuffer> {
  const length = columns.openTime.length
  if (length === 0 || length !== meta.rows) {
    throw new CkvdError('CKVD_BUG', `Expected a shard of at least one row and as many as its metadata says (${meta.rows}), found ${length}`)
  }
  const described = datasetOf(meta).columns
  return encodeBatch(toRecordBatch(columns, encodeMeta(meta, digestColumns(columns, described)), described))
}

/** Klines with any metadata as an uncompressed Arrow IPC file of one record batch. The result owns its whole ArrayBuffer. */
export function encodeKlines(columns: KlineColumns, metadata: ReadonlyMap<string, string>): Uint8Array<ArrayBuffer> {
  return encodeBatch(toRecordBatch(columns, metadata))
}

/**
 * As `encodeKlines`, rows of a data set.
 * @param footerOnly a key of the metadata that stands in the footer alone: readers of files need it once; default none
 */
export function encodeRows(
  columns: Columns,
  metadata: ReadonlyMap<string, string>,
  { columns: described }: Dataset,
  footerOnly?: string,
): Uint8Array<ArrayBuffer> {
  return encodeBatch(toRecordBatch(columns, metadata, described), footerOnly)
}

function encodeBatch(batch: RecordBatch, footerOnly?: string): Uint8Array<ArrayBuffer> {
  const writer = new ShardWriter(footerOnly)
  writer.write(batch)
  writer.finish()
  const bytes = writer.toUint8Array(true)
  const own = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
  return own ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
}

/** Rows as an Arrow record batch with the shards' schema, the columns as they are: nothing is copied. */
export function toRecordBatch(
  columns: Columns,
  metadata: ReadonlyMap<string, string>,
  described: readonly DatasetColumn[] = KLINE_COLUMNS,
): RecordBatch {
  const length = columns.openTime.length
  const fields = described.map(({ name, type, nullable = false }) => new Field(name, arrowType(type), nullable))
  const children = described.map((column) => {
    const validity = column.nullable === true ? validityOf(columns[column.key] as Float64Array) : ALL_VALID
    return arrowData(column, columnOf(columns, column.key), validity)
  })
  return new RecordBatch(new Schema(fields, new Map(metadata)), makeData({ type: new Struct(fields), length, nullCount: 0, children }))
}

/**
 * apache-arrow leaves out the schema message at the head of a file and keeps only the one in the footer. The format asks for
 * both ("the file format is an extension of the stream format"), and readers that stream a file need the first.
 */
export class ShardWriter extends RecordBatchFileWriter {
  readonly #footerOnly: string | undefined

  constructor(footerOnly?: string) {
    super()
    this.#footerOnly = footerOnly
  }

  protected override _writeSchema(schema: Schema): this {
    super._writeSchema(schema)
    const metadata = new Map([...schema.metadata].filter(([key]) => key !== this.#footerOnly))
    return this._writeMessage(Message.from(new Schema(schema.fields, metadata)))
  }
}

/** A column as Arrow has it: of flags a bit a row, the lowest first, of words and texts the texts, of all others the array itself. */
export function arrowData({ type, words = [] }: Pick<DatasetColumn, 'type' | 'words'>, values: Values, validity: Validity): Data {
  const length = values.length
  if (type === 'text') {
    const texts = (values as readonly string[]).map((text) => Buffer.from(text, 'latin1'))
    return textsOf(texts)
  }
  if (type === 'word') {
    const texts = words.map((word) => Buffer.from(word, 'latin1'))
    return textsOf(Array.from(values as Uint8Array, (place) => texts[place] ?? Buffer.alloc(0)))
  }
  const data = type === 'bool' ? bitsOf(values as Uint8Array) : values
  return makeData({ type: arrowType(type), length, data, ...validity } as never) as Data
}

/** The text of each row, one behind the other, and where each begins. */
function textsOf(texts: readonly Uint8Array[]): Data {
  const valueOffsets = new Int32Array(texts.length + 1)
  texts.forEach((text, row) => {
    valueOffsets[row + 1] = (valueOffsets[row] ?? 0) + text.length
  })
  const data = new Uint8Array(valueOffsets.at(-1) ?? 0)
  texts.forEach((text, row) => data.set(text, valueOffsets[row]))
  return makeData({ type: new Utf8(), length: texts.length, nullCount: 0, valueOffsets, data })
}

function bitsOf(values: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(values.length / 8))
  values.forEach((flag, row) => {
    bits[row >> 3] = (bits[row >> 3] ?? 0) | (flag << (row & 7))
  })
  return bits
}

/** The Arrow type of a column. */
export function arrowType(type: DatasetColumn['type']): DataType {
  if (type === 'float64') return new Float64()
  if (type === 'bool') return new Bool()
  if (type === 'word' || type === 'text') return new Utf8()
  return type === 'int64' ? new Int64() : new TimestampMicrosecond('UTC')
}
