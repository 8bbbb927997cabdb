import { RecordBatch, RecordBatchStreamWriter, Schema } from 'apache-arrow'
import { Compression, Encoding, Table, writeParquet, WriterPropertiesBuilder } from 'parquet-wasm'
import type { DatasetColumn } from '../../dataset/dataset.ts'
import type { ColumnType } from '../../model/columns.ts'

/**
 * Parquet through parquet-wasm (the Rust `parquet` crate): importing this file loads five megabytes of WebAssembly, so it is
 * loaded where a file is made: by the export worker, and on demand. Its memory grows to what the largest batch needs and stays there.
 */

/** What counts in whole numbers. */
const WHOLE: ReadonlySet<ColumnType> = new Set(['timestamp', 'int64'])

/**
 * Rows of a data set as a Parquet file: zstd, one row group, statistics of row group and pages. The same batch gives the
 * same bytes.
 *
 * Times and counts are delta encoded: a grid of times costs some 60 bytes a file. Floats are plain and left to zstd: dictionaries, which
 * the library would try first, cost a third of the speed and (5m bars of BTCUSDT, whose prices hardly repeat) half of the size; byte
 * stream split gains 4 % there and loses 12 % elsewhere, and old readers do not know it. See `bench/parquet.mjs`.
 */
export function encodeRowsParquet(batch: RecordBatch, described: readonly DatasetColumn[]): Uint8Array {
  let properties = baseProperties().setDictionaryEnabled(false)
  for (const { name, type } of described) {
    properties = properties.setColumnEncoding(name, WHOLE.has(type) ? Encoding.DELTA_BINARY_PACKED : Encoding.PLAIN)
  }
  return encode(batch.schema, [batch], properties)
}

/** Record batches of one schema as a Parquet file: zstd, dictionaries where they help, statistics. */
export function encodeParquet(schema: Schema, batches: readonly RecordBatch[]): Uint8Array {
  return encode(schema, batches, baseProperties())
}

function baseProperties(): WriterPropertiesBuilder {
  return new WriterPropertiesBuilder().setCompression(Compression.ZSTD)
}

/**
 * The schema's metadata become one entry of the file's key-value metadata, `ckvd`, a JSON object: of several entries the library's hash
 * map makes a new order in each thread, and the same lake would not give the same bytes.
 */
function encode(schema: Schema, batches: readonly RecordBatch[], properties: WriterPropertiesBuilder): Uint8Array {
  const bare = new Schema(schema.fields)
  const stream = new RecordBatchStreamWriter()
  stream.reset(undefined, bare)
  for (const { data } of batches) stream.write(new RecordBatch(bare, data))
  stream.finish()
  const metadata = new Map([['ckvd', JSON.stringify(Object.fromEntries(schema.metadata))]])
  // table and properties are consumed: there is nothing to free
  return writeParquet(Table.fromIPCStream(stream.toUint8Array(true)), properties.setKeyValueMetadata(metadata).build())
}
