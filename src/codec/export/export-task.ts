import type { ErrorData } from '../../errors.ts'
import { CkvdError, toCkvdError } from '../../errors.ts'
import type { Dataset } from '../../dataset/dataset.ts'
import type { OfDataset } from '../../dataset/registry.ts'
import { createRows, datasetOf, registerDataset } from '../../dataset/registry.ts'
import type { Columns } from '../../model/columns.ts'
import { joinColumns } from '../../model/columns.ts'
import { sha256Hex } from '../../memory/digest.ts'
import { encodeRows as encodeArrow, ShardWriter, toRecordBatch } from '../arrow/arrow-writer.ts'
import type { CoverageRow } from './coverage-file.ts'
import { coverageBatch, encodeCoverageCsv } from './coverage-file.ts'
import { encodeRowsCsv, gzip } from './csv-text.ts'
import type { ExportEncoding } from './export-format.ts'
import type { ShardPlace } from '../arrow/placed-shard.ts'
import { decodePlacedRows } from '../arrow/placed-shard.ts'

/** One file to make of shards of a data set, in the order of their days. */
export interface RowsTask extends ExportEncoding, OfDataset {
  readonly kind: 'rows'
  /** of a data set that the thread may not know; default: it does */
  readonly described?: Dataset
  readonly shards: readonly { readonly bytes: Uint8Array; readonly place: ShardPlace & { readonly expected: object } }[]
  /** `ckvd.…`, for formats that have metadata */
  readonly metadata: readonly (readonly [string, string])[]
}

/** The ledger beside the data. */
export interface CoverageTask extends ExportEncoding {
  readonly kind: 'coverage'
  readonly rows: readonly CoverageRow[]
  readonly metadata: readonly (readonly [string, string])[]
}

export type ExportTask = RowsTask | CoverageTask

/** A whole file. */
export interface ExportedBytes {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly sha256: string
  readonly rows: number
}

export type ExportOutcome = { readonly ok: true; readonly file: ExportedBytes } | { readonly ok: false; readonly error: ErrorData }

/**
 * The export worker's whole work: checks and decodes the shards and encodes the file. Pure: the same task gives the same bytes. A shard
 * that is not the one of its place is an outcome (`CKVD_SHARD_DIGEST`, `CKVD_SHARD_FORMAT`).
 */
export async function runExportTask(task: ExportTask): Promise<ExportOutcome> {
  try {
    if (task.kind === 'rows' && task.described !== undefined) registerDataset(task.described)
    const { bytes, rows } = task.kind === 'rows' ? await encodeFile(task) : { bytes: await encodeCoverage(task), rows: task.rows.length }
    return { ok: true, file: { bytes: ownBytes(bytes), sha256: sha256Hex(bytes), rows } }
  } catch (error) {
    return { ok: false, error: toCkvdError(error).toData() }
  }
}

async function encodeFile(task: RowsTask): Promise<{ bytes: Uint8Array; rows: number }> {
  const parts = task.shards.map(({ bytes, place }) => decodePlacedRows(bytes, place))
  const columns = joinColumns(parts, createRows(task, 0))
  const rows = columns.openTime.length
  if (rows === 0) throw new CkvdError('CKVD_BUG', 'Expected a file of at least one row, found none.')
  return { bytes: await encodeColumns(columns, task, datasetOf(task)), rows }
}

async function encodeColumns(columns: Columns, task: RowsTask, dataset: Dataset): Promise<Uint8Array> {
  const metadata = new Map(task.metadata)
  switch (task.format) {
    case 'parquet':
      // loaded when it is needed: five megabytes of WebAssembly
      return (await import('./parquet.ts')).encodeRowsParquet(toRecordBatch(columns, metadata, dataset.columns), dataset.columns)
    case 'arrow':
      return encodeArrow(columns, metadata, dataset)
    case 'csv':
      return task.gzip ? gzip(encodeRowsCsv(columns, dataset.columns)) : encodeRowsCsv(columns, dataset.columns)
  }
}

async function encodeCoverage({ format, rows, metadata }: CoverageTask): Promise<Uint8Array> {
  switch (format) {
    case 'csv':
      return encodeCoverageCsv(rows)
    case 'parquet': {
      const batch = coverageBatch(rows, new Map(metadata))
      return (await import('./parquet.ts')).encodeParquet(batch.schema, [batch])
    }
    case 'arrow': {
      const writer = new ShardWriter()
      writer.write(coverageBatch(rows, new Map(metadata)))
      writer.finish()
      return writer.toUint8Array(true)
    }
  }
}

/** Bytes that own their whole buffer, so that they can be transferred to another thread. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
  return whole ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
}
