import type { Dataset } from '../dataset/dataset.ts'
import type { DecodedTable, TablePlace } from './csv/csv-table.ts'
import { decodeTable } from './csv/csv-table.ts'
import type { Columns } from '../model/columns.ts'
import { findOddities } from './csv/odd-rows.ts'
import { joinColumns } from '../model/columns.ts'
import { createRows, datasetOf, isStoredAsParquet, registerDataset } from '../dataset/registry.ts'
import { chunkOfUs, chunkRange, isMonthChunked } from '../dataset/chunk.ts'
import { periodStem, seriesLabel } from '../dataset/names.ts'
import type { ErrorData } from '../errors.ts'
import { CkvdError, toCkvdError } from '../errors.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { Phase } from '../model/interval.ts'
import type { Packaging, Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs, nextMonth, parseUtcDay, US_PER_DAY } from '../model/utc-day.ts'
import { readZipEntry } from './zip/zip-entry.ts'
import { decodeTicks } from './ticks/decode-ticks.ts'
import type { DecodedChunk } from './decoded-chunk.ts'
import { encodeChunks, encodeLargeChunks } from './decoded-chunk.ts'
import { judgeChunks, refuseOther } from './judge-chunks.ts'
import type { BatchOptions } from './csv/table-scan.ts'
import { scanPlainPieces } from './csv/table-scan.ts'
import { sha256Hex } from '../memory/digest.ts'
import { checkSha256, parseChecksum } from './zip/checksum.ts'
import { encodeArrowShard } from './arrow/arrow-writer.ts'
import type { BufferPool } from '../memory/buffer-pool.ts'
import type { StrayRows } from './chunks.ts'
import { splitChunks } from './chunks.ts'
import type { DecodedCsv } from './csv/csv.ts'
import { decodeCsv } from './csv/csv.ts'
import { isStreamed, largestCsvOf } from './csv/csv-size.ts'
import type { ShardMeta } from './arrow/shard-meta.ts'
import type { Inflate } from './zip/zip-entry.ts'

/** An archive to decode, as it was downloaded. */
export interface DecodeRequest {
  readonly series: Series
  /** of a data set that the thread may not know; default: it does */
  readonly dataset?: Dataset | undefined
  readonly archive: {
    readonly key: string
    readonly etag: string
    readonly packaging: Packaging
    /** day or month as the key writes it: `2024-01-01`, `2024-01`, or un-padded, `2020-8` */
    readonly period: string
  }
  readonly zip: Uint8Array
  /** the CHECKSUM file; null when there is none */
  readonly checksum: Uint8Array | null
  /** chunks wanted, of bars longer than a day also the one just before and just after the archive's period; null = all of the period */
  readonly days: readonly UtcDay[] | null
  /** bars before the first row of this archive are not expected: the series starts here */
  readonly startsSeries: boolean
  /** the series' first bar, where it is known from elsewhere: no slot before its own is expected; default null */
  readonly seriesStartUs?: number | null
  /** no slot at or after this time is expected; null = slots to the end are expected */
  readonly seriesEndUs: number | null
  /** decode although the CHECKSUM is missing or wrong, to compare with another source; default false */
  readonly distrust?: boolean
}

export interface DecodeResult {
  readonly archiveSha256: string
  /** rows of the CSV */
  readonly csvRows: number
  /** wanted chunks with at least one row, in order */
  readonly chunks: DecodedChunk[]
  /** wanted chunks without a row, as far as bars were expected in them */
  readonly absentDays: UtcDay[]
  /** rows that open in the chunk just before or just after the archive's period, wanted or not: at most two entries */
  readonly strays: readonly StrayRows[]
  /** rows outside of the archive's period that are in no wanted chunk, and all rows of a daily archive whose day is not wanted */
  readonly dropped: number
  /** of `3d`, the phase on which all rows agree (the usual one where they do not); null: it has no row, or is of another interval */
  readonly phase: Phase | null
  /** first and last open time of the archive's period, of bars longer than a day also of the chunks beside it; null when it has no row there */
  readonly firstOpenUs: number | null
  readonly lastOpenUs: number | null
}

/** Archives for another thread to decode, one after the other. */
export interface DecodeTask {
  readonly requests: readonly DecodeRequest[]
  /** memory that threads share, for the shards: who sends some takes what comes and gives it back; null: each shard has its own memory */
  readonly spares: readonly Uint8Array[] | null
}

/** What crosses threads: class instances do not. An archive that was moved here goes back with its error. */
export type DecodeOutcome =
  { readonly ok: true; readonly result: DecodeResult } | { readonly ok: false; readonly error: ErrorData; readonly zip: Uint8Array }

/**
 * The steps that take most of the time. Each has a simple form and a fast one (`WasmDecoder`, `ShardEncoder`), which give the
 * same bytes and errors; the fast ones keep memory and templates from call to call: each thread has its own, for one archive
 * at a time.
 */
export interface DayCodec {
  /** undefined: zlib does it */
  readonly inflate?: Inflate
  /** the columns may be views that the next call overwrites */
  decodeCsv(bytes: Uint8Array): DecodedCsv
  /** undefined: `decodeTable` does it */
  decodeTable?(bytes: Uint8Array, dataset: Dataset, place: TablePlace): DecodedTable
  /** undefined: the plain one does it */
  scanPieces?(pieces: AsyncIterable<Uint8Array>, options: BatchOptions): Promise<number>
  encodeShard(columns: Columns, meta: ShardMeta, buffers?: BufferPool): Uint8Array
}

const PLAIN_CODEC: DayCodec = { decodeCsv: (bytes) => decodeCsv(bytes), encodeShard: (columns, meta) => encodeArrowShard(columns, meta) }

/**
 * The whole way of an archive, bytes to shards: CHECKSUM, ZIP, CSV, order, chunks, gaps, Arrow. No I/O, no clock, nothing kept.
 * @param buffers memory for the shards; default: each has its own
 * @throws CkvdError of the CHECKSUM, ZIP and CSV codes; series, period and key are in `details` and in the message
 */
export async function decodeArchive(request: DecodeRequest, codec: DayCodec = PLAIN_CODEC, buffers?: BufferPool): Promise<DecodeResult> {
  const { series, archive, zip, days, startsSeries, seriesStartUs = null, seriesEndUs } = request
  try {
    const range = periodRangeOf(request)
    const stem = periodStem(series, archive.period)
    const archiveSha256 = request.distrust === true ? sha256Hex(zip) : checkArchive(request, `${stem}.zip`)
    const maxBytes = largestCsvOf(series, range, zip.length)
    if (isStreamed(series)) {
      const scan = (pieces: AsyncIterable<Uint8Array>, options: BatchOptions): Promise<number> =>
        codec.scanPieces?.(pieces, options) ?? scanPlainPieces(pieces, options)
      return { archiveSha256, phase: null, ...(await decodeTicks(request, { range, stem, maxBytes, archiveSha256 }, scan)) }
    }
    const csv = await readZipEntry(zip, stem, codec.inflate === undefined ? { maxBytes } : { maxBytes, inflate: codec.inflate })
    // from here on nothing waits: the columns may live in memory that the next archive takes
    const dataset = datasetOf(series)
    const place: TablePlace = { ...series, period: range }
    const table = (): DecodedTable => codec.decodeTable?.(csv, dataset, place) ?? decodeTable(csv, dataset, place)
    const { columns, rows } = dataset.csv === 'klines' ? codec.decodeCsv(csv) : table()
    const split = splitChunks(columns, { series, range, days, startsSeries, seriesStartUs, seriesEndUs })
    const judged = judgeChunks(split.chunks, series, dataset)
    // where it begins and ends is told by rows that nobody wants, too: how long they are is looked at, not how many there are, since some
    // are twice and some stand beside the period
    const given = split.chunks.reduce((sum, chunk) => sum + chunk.columns.openTime.length, 0)
    if (given < rows && dataset.rules !== null)
      refuseOther({ columns: columns as KlineColumns, interval: series.interval, slots: Infinity, fewest: 3 })
    return {
      archiveSha256,
      csvRows: rows,
      absentDays: split.absentDays,
      strays: split.strays,
      dropped: split.dropped,
      phase: split.phase,
      firstOpenUs: split.firstOpenUs,
      lastOpenUs: split.lastOpenUs,
      chunks: isStoredAsParquet(series)
        ? await encodeLargeChunks(judged, request, archiveSha256)
        : encodeChunks(judged, request, archiveSha256, (own, meta) => codec.encodeShard(own, meta, buffers)),
    }
  } catch (error) {
    throw error instanceof CkvdError ? locate(error, request) : error
  }
}

/** Decodes archives one after the other for another thread: never throws, errors are data. What is no `CkvdError` becomes CKVD_BUG. */
export async function runDecodeTask(
  requests: readonly DecodeRequest[],
  codec: DayCodec = PLAIN_CODEC,
  buffers?: BufferPool,
): Promise<DecodeOutcome[]> {
  const outcomes: DecodeOutcome[] = []
  for (const request of requests) {
    try {
      if (request.dataset !== undefined) registerDataset(request.dataset)
      outcomes.push({ ok: true, result: await decodeArchive(request, codec, buffers) })
    } catch (error) {
      outcomes.push({ ok: false, error: toCkvdError(error).toData(), zip: request.zip })
    }
  }
  return outcomes
}

/** A chunk whose rows stand in several archives. */
export interface ChunkParts {
  readonly series: Series
  readonly day: UtcDay
  /** the preferred ones first: of two rows of one open time, that of the earlier part stays */
  readonly parts: readonly Columns[]
  /** the archive from which most is taken */
  readonly archive: DecodeRequest['archive'] & { readonly sha256: string }
  readonly sources: readonly string[]
  readonly seriesStartUs: number | null
  readonly seriesEndUs: number | null
}

/** Joins the rows that several archives have of a chunk, as if they stood in one. Undefined without a row. */
export function joinChunk({ series, day, parts, archive, sources, seriesStartUs, seriesEndUs }: ChunkParts): DecodedChunk | undefined {
  const range = chunkRange(day, series)
  const bounds = { days: [day], startsSeries: false, seriesStartUs, seriesEndUs }
  const [chunk] = splitChunks(joinColumns(parts.toReversed(), createRows(series, 0)), { series, range, ...bounds }).chunks
  if (chunk === undefined) return undefined
  const odd = findOddities(series, chunk.columns)
  return encodeChunks([{ chunk, odd }], { series, archive }, archive.sha256, encodeArrowShard, sources)[0]
}

const PERIOD = /^(\d{4})-(\d{1,2})(?:-(\d{1,2}))?$/

function periodRangeOf({ series, archive }: DecodeRequest): TimeRange {
  const [, year = '', month = '', date] = PERIOD.exec(archive.period) ?? []
  const day = parseUtcDay(`${year}-${month.padStart(2, '0')}-${(date ?? '1').padStart(2, '0')}`)
  const packaging: Packaging = date === undefined ? 'monthly' : 'daily'
  if (day === undefined || packaging !== archive.packaging) {
    throw new CkvdError('CKVD_BUG', `Expected the period of a ${archive.packaging} archive, found "${archive.period}"`)
  }
  // a day's archive of bars that are longer than a day has a part of its month
  if (isMonthChunked(series)) return chunkRange(chunkOfUs(dayStartUs(day), series), series)
  const startUs = dayStartUs(day)
  return { startUs, endUs: packaging === 'daily' ? startUs + US_PER_DAY : nextMonth(startUs) }
}

function checkArchive({ zip, checksum }: DecodeRequest, name: string): string {
  if (checksum === null) throw new CkvdError('CKVD_CHECKSUM_MISSING', `Expected a CHECKSUM beside ${name}, found none`)
  return checkSha256(zip, parseChecksum(checksum, name))
}

/** The place that `csvError` puts at the end of a message. */
const LINE_PLACE = / \((line \d+, column \d+)\)$/

/** The same error, told where it happened: `… (spot BTCUSDT 1m 2024-03-01, line 842, column 3)`. */
function locate(error: CkvdError, { series, archive }: DecodeRequest): CkvdError {
  const line = LINE_PLACE.exec(error.message)?.[1]
  const text = error.message.replace(LINE_PLACE, '')
  const place = `${seriesLabel(series)} ${archive.period}${line === undefined ? '' : `, ${line}`}`
  const details = { ...error.details, ...series, period: archive.period, key: archive.key }
  return new CkvdError(error.code, `${text} (${place})`, { details, cause: error })
}
