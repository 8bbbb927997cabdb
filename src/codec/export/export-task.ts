import type { ErrorData } from '../../errors.ts'
import { CkvdError, toCkvdError } from '../../errors.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { concatColumns } from '../../model/kline.ts'
import { sha256Hex } from '../../memory/digest.ts'
import { encodeKlines, ShardWriter, toRecordBatch } from '../arrow/arrow-writer.ts'
import type { CoverageRow } from './coverage-file.ts'
import { coverageBatch, encodeCoverageCsv } from './coverage-file.ts'
import { encodeKlineCsv, gzip } from './csv-text.ts'
import type { ExportEncoding } from './export-format.ts'
import type { ShardPlace } from '../arrow/placed-shard.ts'
import { decodePlacedRows } from '../arrow/placed-shard.ts'

/** One file of klines to make of shards, in the order of their days. */
export interface KlinesTask extends ExportEncoding {
  readonly kind: 'klines'
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

export type ExportTask = KlinesTask | CoverageTask

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
    const { bytes, rows } = task.kind === 'klines' ? await encodeKlineFile(task) : { bytes: await encodeRows(task), rows: task.rows.length }
    return { ok: true, file: { bytes: ownBytes(bytes), sha256: sha256Hex(bytes), rows } }
  } catch (error) {
    return { ok: false, error: toCkvdError(error).toData() }
  }
}

async function encodeKlineFile(task: KlinesTask): Promise<{ bytes: Uint8Array; rows: number }> {
  const columns = concatColumns(task.shards.map(({ bytes, place }) => decodePlacedRows(bytes, place)))
  const rows = columns.openTime.length
  if (rows === 0) throw new CkvdError('CKVD_BUG', 'Expected a file of at least one bar, found none.')
  return { bytes: await encodeColumns(columns, task), rows }
}

async function encodeColumns(columns: KlineColumns, task: KlinesTask): Promise<Uint8Array> {
  const metadata = new Map(task.metadata)
  switch (task.format) {
    case 'parquet':
      // loaded when it is needed: five megabytes of WebAssembly
      return (await import('./parquet.ts')).encodeKlineParquet(toRecordBatch(columns, metadata))
    case 'arrow':
      return encodeKlines(columns, metadata)
    case 'csv':
      return task.gzip ? gzip(encodeKlineCsv(columns)) : encodeKlineCsv(columns)
  }
}

async function encodeRows({ format, rows, metadata }: CoverageTask): Promise<Uint8Array> {
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
