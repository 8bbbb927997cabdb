import type { ErrorData } from '../../errors.ts'
import { CkvdError, toCkvdError } from '../../errors.ts'
import type { Dataset } from '../../dataset/dataset.ts'
import type { OfDataset } from '../../dataset/registry.ts'
import { createRows, datasetOf, registerDataset } from '../../dataset/registry.ts'
import type { Columns } from '../../model/columns.ts'
import { joinColumns } from '../../model/columns.ts'
import { sha256Hex } from '../../memory/digest.ts'
import { digestColumns } from '../arrow/columns-digest.ts'
import { encodeRows as encodeArrow, ShardWriter, toRecordBatch } from '../arrow/arrow-writer.ts'
import type { CoverageRow } from './coverage-file.ts'
import { coverageBatch, encodeCoverageCsv } from './coverage-file.ts'
import { encodeRowsCsv, gzip } from './csv-text.ts'
import type { ExportEncoding } from './export-format.ts'
import type { ShardPlace } from '../arrow/placed-shard.ts'
import { decodePlacedRows } from '../arrow/placed-shard.ts'
import { digestOfDays } from './source-digest.ts'

/** One file to make of shards of a data set, in the order of their days. */
export interface RowsTask extends ExportEncoding, OfDataset {
  readonly kind: 'rows'
  /** of a data set that the thread may not know; default: it does */
  readonly described?: Dataset
  readonly shards: readonly { readonly bytes: Uint8Array; readonly place: ShardPlace & { readonly expected: object } }[]
  /** `ckvd.…`, for formats that have metadata; `ckvd.source_digest` comes behind them */
  readonly metadata: readonly (readonly [string, string])[]
  /** the source digest of the file that is there; null: there is none */
  readonly before: string | null
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

/** What became of a task. */
export interface Exported {
  /** over the days of rows (`digestOfDays`); of the coverage the SHA-256 of its bytes */
  readonly sourceDigest: string
  /** null: the file that is there has these rows */
  readonly file: ExportedBytes | null
}

export type ExportOutcome = { readonly ok: true; readonly exported: Exported } | { readonly ok: false; readonly error: ErrorData }

/**
 * The export worker's whole work: checks and decodes the shards and encodes the file. Pure: the same task gives the same bytes. A shard
 * that is not the one of its place is an outcome (`CKVD_SHARD_DIGEST`, `CKVD_SHARD_FORMAT`).
 */
export async function runExportTask(task: ExportTask): Promise<ExportOutcome> {
  try {
    if (task.kind === 'rows' && task.described !== undefined) registerDataset(task.described)
    return { ok: true, exported: task.kind === 'rows' ? await exportRows(task) : await exportCoverage(task) }
  } catch (error) {
    return { ok: false, error: toCkvdError(error).toData() }
  }
}

async function exportRows(task: RowsTask): Promise<Exported> {
  const series = placeOf(task)
  const dataset = datasetOf(series)
  const parts = task.shards.map(({ bytes, place }) => decodePlacedRows(bytes, place))
  const days = task.shards.map(({ place }, i) => ({ day: place.day, sha256: digestColumns(parts[i] as Columns, dataset.columns) }))
  const sourceDigest = digestOfDays({ ...task, series }, days)
  if (sourceDigest === task.before) return { sourceDigest, file: null }
  const columns = joinColumns(parts, createRows(series, 0))
  const metadata = new Map([...task.metadata, ['ckvd.source_digest', sourceDigest]])
  return { sourceDigest, file: fileOf(await encodeColumns(columns, task, dataset, metadata), columns.openTime.length) }
}

/** The series of a file: its first shard's. */
function placeOf({ shards }: RowsTask): ShardPlace {
  const place = shards[0]?.place
  if (place === undefined) throw new CkvdError('CKVD_BUG', 'Expected a file of at least one shard, found none.')
  return place
}

async function exportCoverage(task: CoverageTask): Promise<Exported> {
  const file = fileOf(await encodeCoverage(task), task.rows.length)
  return { sourceDigest: file.sha256, file }
}

function fileOf(bytes: Uint8Array, rows: number): ExportedBytes {
  return { bytes: ownBytes(bytes), sha256: sha256Hex(bytes), rows }
}

async function encodeColumns(columns: Columns, task: RowsTask, dataset: Dataset, metadata: Map<string, string>): Promise<Uint8Array> {
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
