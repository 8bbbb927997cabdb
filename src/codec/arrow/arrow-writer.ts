import {
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
} from 'apache-arrow'
import type { Data, DataType } from 'apache-arrow'
import { CkvdError } from '../../errors.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { KLINE_COLUMNS } from '../../model/kline.ts'
import type { ShardMeta } from './shard-meta.ts'
import { digestColumns } from './columns-digest.ts'
import { encodeMeta } from './shard-meta.ts'

/**
 * Klines as a shard: an uncompressed Arrow IPC file with one record batch and the schema of docs/lake.md.
 * The same input gives the same bytes. The result owns its whole ArrayBuffer, so it can be transferred to another thread.
 * @param columns at least one row, open times strictly ascending
 */
export function encodeShard(columns: KlineColumns, meta: ShardMeta): Uint8Array<ArrayBuffer> {
  const length = columns.openTime.length
  if (length === 0 || length !== meta.rows) {
    throw new CkvdError('CKVD_BUG', `Expected a shard of at least one row and as many as its metadata says (${meta.rows}), found ${length}`)
  }
  return encodeKlines(columns, encodeMeta(meta, digestColumns(columns)))
}

/** Klines with any metadata as an uncompressed Arrow IPC file of one record batch. The result owns its whole ArrayBuffer. */
export function encodeKlines(columns: KlineColumns, metadata: Map<string, string>): Uint8Array<ArrayBuffer> {
  const writer = new ShardWriter()
  writer.write(toRecordBatch(columns, metadata))
  writer.finish()
  const bytes = writer.toUint8Array(true)
  const own = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
  return own ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
}

/** Klines as an Arrow record batch with the shards' schema, the columns as they are: nothing is copied. */
export function toRecordBatch(columns: KlineColumns, metadata: Map<string, string>): RecordBatch {
  const length = columns.openTime.length
  const fields = KLINE_COLUMNS.map(({ name, type }) => new Field(name, arrowType(type), false))
  const children = KLINE_COLUMNS.map(
    ({ key, type }) => makeData({ type: arrowType(type), length, nullCount: 0, data: columns[key] } as never) as Data,
  )
  return new RecordBatch(new Schema(fields, metadata), makeData({ type: new Struct(fields), length, nullCount: 0, children }))
}

/**
 * apache-arrow leaves out the schema message at the head of a file and keeps only the one in the footer. The format asks for
 * both ("the file format is an extension of the stream format"), and readers that stream a file need the first.
 */
export class ShardWriter extends RecordBatchFileWriter {
  protected override _writeSchema(schema: Schema): this {
    super._writeSchema(schema)
    return this._writeMessage(Message.from(schema))
  }
}

/** The Arrow type of a column of klines or funding rates. */
export function arrowType(type: (typeof KLINE_COLUMNS)[number]['type']): DataType {
  if (type === 'float64') return new Float64()
  return type === 'int64' ? new Int64() : new TimestampMicrosecond('UTC')
}
