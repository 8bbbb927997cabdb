import type { Dataset } from '../dataset/dataset.ts'
import type { DecodedTable, TablePlace } from './csv/csv-table.ts'
import { decodeTable } from './csv/csv-table.ts'
import type { Columns } from '../model/columns.ts'
import { findOddities } from './csv/odd-rows.ts'
import { joinColumns } from '../model/columns.ts'
import { createRows, datasetOf, isStoredAsParquet, registerDataset } from '../dataset/registry.ts'
import { chunkOfUs, chunkRange, isMonthChunked } from '../dataset/chunk.ts'
import { endsOf, isSequence } from '../dataset/expected.ts'
import { periodStem, seriesLabel } from '../dataset/names.ts'
import type { ChunkEnds } from '../dataset/sequence.ts'
import type { ErrorData } from '../errors.ts'
import { CkvdError, toCkvdError } from '../errors.ts'
import { doubt } from '../model/evidence.ts'
import type { Gap } from '../model/gaps.ts'
import type { KlineColumns } from '../model/kline.ts'
import { concatColumns } from '../model/kline.ts'
import type { Phase } from '../model/interval.ts'
import { countSlots } from '../model/interval.ts'
import type { Packaging, Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs, nextMonth, parseUtcDay, US_PER_DAY } from '../model/utc-day.ts'
import { readZipEntry } from './zip/zip-entry.ts'
import { readZipPieces } from './zip/zip-pieces.ts'
import type { DayOfTicks, ReadRows } from './decode-ticks.ts'
import { encodeDay } from './decode-ticks.ts'
import type { BatchOptions } from './csv/table-scan.ts'
import { scanPlainPieces } from './csv/table-scan.ts'
import { ROW_GROUP_ROWS } from './parquet/parquet-shard.ts'
import { sha256Hex } from '../memory/digest.ts'
import { checkSha256, parseChecksum } from './zip/checksum.ts'
import { encodeArrowShard } from './arrow/arrow-writer.ts'
import { encodeShard } from './shard-file.ts'
import { chunkBytes, rowBytesOf } from './arrow/chunk-bytes.ts'
import { isPacked } from '../dataset/pack.ts'
import type { BufferPool } from '../memory/buffer-pool.ts'
import type { ChunkRows, StrayRows } from './chunks.ts'
import { splitChunks } from './chunks.ts'
import type { DecodedCsv } from './csv/csv.ts'
import { decodeCsv } from './csv/csv.ts'
import { largestCsvOf } from './csv/csv-size.ts'
import type { OddRows } from './csv/odd-rows.ts'
import type { BarSet } from './csv/other-interval.ts'
import { findOtherInterval } from './csv/other-interval.ts'
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

/** One chunk of an archive, encoded. */
export interface DecodedChunk {
  readonly day: UtcDay
  /** an Arrow file at the start of memory of its own, or the bytes of a chunk that stands in a pack (see `shardRows`) */
  readonly shard: Uint8Array
  readonly shardSha256: string
  readonly rows: number
  readonly expected: number
  readonly offGrid: number
  /** rows that repeated another one in all columns */
  readonly duplicates: number
  /** rows that gave other values for an open time; the later row in the file was kept */
  readonly conflicts: number
  /** the first conflicts with both values; empty when there are none */
  readonly conflictNote: string
  /** bars with an odd close time, and bars that break a bar's own rules: see `findOddRows` */
  readonly oddClose: number
  readonly oddRows: number
  readonly gaps: Gap[]
  readonly firstOpenUs: number
  readonly lastOpenUs: number
  /** of a sequence: what tells whether rows are missing between this chunk and those beside it */
  readonly ends?: ChunkEnds | undefined
  readonly condition: 'complete' | 'partial'
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

/** Where an archive lies in time, what its entry is called, and how long that may be. */
interface ArchivePlace {
  readonly range: TimeRange
  readonly stem: string
  readonly maxBytes: number
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
    const maxBytes = largestCsvOf(series, range)
    const ticks = await decodeTicks(request, { range, stem, maxBytes }, archiveSha256, codec)
    if (ticks !== undefined) return ticks
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
        : encodeChunks(judged, request, archiveSha256, { codec, buffers }),
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
  return encodeChunks([{ chunk, odd }], { series, archive }, archive.sha256, { codec: PLAIN_CODEC }, sources)[0]
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

/** A chunk, and what is odd in it. */
interface JudgedChunk {
  readonly chunk: ChunkRows
  readonly odd: OddRows
}

/** Counts what is odd, and refuses chunks of which too much is: these are bars of another interval. */
function judgeChunks(chunks: readonly ChunkRows[], series: Series, { rules }: Dataset): JudgedChunk[] {
  const judged = chunks.map((chunk) => ({ chunk, odd: findOddities(series, chunk.columns) }))
  const unusual = judged.filter(({ chunk, odd }) => odd.oddClose > 0 || chunk.offGrid > 0)
  if (unusual.length === 0 || rules === null) return judged
  for (const { chunk } of unusual) checkInterval([chunk], series, 3)
  checkInterval(chunks, series, 1)
  return judged
}

function checkInterval(chunks: readonly ChunkRows[], series: Series, fewest: number): void {
  const slots = chunks.reduce((sum, { day }) => {
    const { startUs, endUs } = chunkRange(day, series)
    return sum + countSlots(startUs, endUs, series.interval)
  }, 0)
  const [first, ...others] = chunks
  if (first === undefined) return
  const columns = others.length === 0 ? first.columns : concatColumns(chunks.map((chunk) => chunk.columns as KlineColumns))
  refuseOther({ columns: columns as KlineColumns, interval: series.interval, slots, fewest })
}

function refuseOther(bars: BarSet): void {
  const { interval } = bars
  const found = findOtherInterval(bars)
  if (found === undefined) return
  throw new CkvdError(
    'CKVD_CSV_INTERVAL',
    `Expected ${interval} bars, found ${found}: it was published with the bars of another interval, which no other --intervals changes`,
    { details: { expected: interval, found } },
  )
}

type ShardEncoding = (columns: Columns, meta: ShardMeta) => Uint8Array

/**
 * The chunks of an archive. Those of a pack are small, and many: they lie in one piece of memory, which goes to another thread as one.
 * `sources` default to the form of the archive.
 */
function encodeChunks(
  judged: readonly JudgedChunk[],
  { series, archive }: Pick<DecodeRequest, 'series' | 'archive'>,
  archiveSha256: string,
  { codec, buffers }: { readonly codec: DayCodec; readonly buffers?: BufferPool | undefined },
  sources: readonly string[] = [`vision-${archive.packaging}`],
): DecodedChunk[] {
  const rowBytes = rowBytesOf(series)
  const rows = judged.reduce((sum, { chunk }) => sum + chunk.columns.openTime.length, 0)
  const room = new Uint8Array(isPacked(series) ? rows * rowBytes : 0)
  let used = 0
  const encode: ShardEncoding = (columns, meta) =>
    isPacked(series)
      ? chunkBytes(columns, series, room.subarray(used, (used += meta.rows * rowBytes)))
      : codec.encodeShard(columns, meta, buffers)
  const from = { series, archive, archiveSha256, source: sources.join('+') }
  return judged.map((one) => {
    const facts = factsOf(one, series)
    return chunkOf(facts, encode(one.chunk.columns, metaOf(facts, from)))
  })
}

/** Chunks that are large, and are encoded one after the other. */
async function encodeLargeChunks(
  judged: readonly JudgedChunk[],
  { series, archive }: Pick<DecodeRequest, 'series' | 'archive'>,
  archiveSha256: string,
): Promise<DecodedChunk[]> {
  const from = { series, archive, archiveSha256, source: `vision-${archive.packaging}` }
  const chunks: DecodedChunk[] = []
  for (const one of judged) {
    const facts = factsOf(one, series)
    chunks.push(chunkOf(facts, await encodeShard(one.chunk.columns, metaOf(facts, from))))
  }
  return chunks
}

interface ChunkOrigin extends Pick<DecodeRequest, 'series' | 'archive'> {
  readonly archiveSha256: string
  readonly source: string
}

/** All that is told of a chunk but its bytes. */
type ChunkFacts = Omit<DecodedChunk, 'shard' | 'shardSha256' | 'condition'>

function factsOf({ chunk, odd }: JudgedChunk, series: Series): ChunkFacts {
  const { columns, day, expected, offGrid, duplicates, conflicts, conflictNote, gaps } = chunk
  const rows = columns.openTime.length
  return {
    ...{ day, rows, expected, offGrid, duplicates, conflicts, conflictNote, gaps },
    oddClose: odd.oddClose,
    oddRows: odd.oddRows,
    firstOpenUs: Number(columns.openTime[0]),
    lastOpenUs: Number(columns.openTime[rows - 1]),
    ends: endsOf(columns, series),
  }
}

function metaOf(facts: ChunkFacts, { series, archive, archiveSha256, source }: ChunkOrigin): ShardMeta {
  return {
    ...(series.dataset === undefined ? {} : { dataset: series.dataset }),
    market: series.market,
    symbol: series.symbol,
    interval: series.interval,
    day: facts.day,
    source,
    archiveKey: archive.key,
    archiveSha256,
    archiveEtag: archive.etag,
    condition: conditionOf(facts),
    rows: facts.rows,
    expected: facts.expected,
    offGrid: facts.offGrid,
    duplicates: facts.duplicates,
    oddClose: facts.oddClose,
    oddRows: facts.oddRows,
    gaps: facts.gaps.map(({ startUs, endUs, bars }) => ({ startUs, endUs, bars, evidence: doubt('not-asked') })),
  }
}

function conditionOf({ gaps }: Pick<ChunkFacts, 'gaps'>): 'complete' | 'partial' {
  return gaps.length === 0 ? 'complete' : 'partial'
}

function chunkOf(facts: ChunkFacts, shard: Uint8Array): DecodedChunk {
  return { ...facts, shard, shardSha256: sha256Hex(shard), condition: conditionOf(facts) }
}

/** A day of ticks whose rows stand as they are stored, which is never held. Undefined: it is not one. */
async function decodeTicks(
  request: DecodeRequest,
  place: ArchivePlace,
  archiveSha256: string,
  codec: DayCodec,
): Promise<DecodeResult | undefined> {
  const { series, archive, zip, days, startsSeries, seriesStartUs = null, seriesEndUs } = request
  const { range, stem, maxBytes } = place
  const isWanted = days === null || days.includes(chunkOfUs(range.startUs, series))
  if (!isStoredAsParquet(series) || archive.packaging !== 'daily' || !isWanted) return undefined
  const dataset = datasetOf(series)
  const scan = (pieces: AsyncIterable<Uint8Array>, options: BatchOptions): Promise<number> =>
    codec.scanPieces?.(pieces, options) ?? scanPlainPieces(pieces, options)
  const read: ReadRows = ({ onBatch, ready }) =>
    readZipPieces(zip, stem, { maxBytes }, (pieces) =>
      scan(ready === undefined ? pieces : paced(pieces, ready), {
        dataset,
        place: { ...series, period: range },
        onBatch,
        batchRows: ROW_GROUP_ROWS,
      }),
    )
  const factsOf = ({ day, rows, gaps, firstOpenUs, lastOpenUs, first, last }: DayOfTicks): ChunkFacts => {
    const missing = gaps.reduce((sum, { bars }) => sum + bars, 0)
    return {
      ...{ day, rows, expected: rows + missing, offGrid: 0, duplicates: 0, conflicts: 0, conflictNote: '', gaps: [...gaps] },
      ...{ oddClose: 0, oddRows: 0, firstOpenUs, lastOpenUs, ends: isSequence(series) ? { first, last } : undefined },
    }
  }
  const from = { series, archive, archiveSha256, source: 'vision-daily' }
  const bounds = { series, range, startUs: seriesStartUs, endUs: seriesEndUs }
  const encoded = await encodeDay(bounds, read, (day) => metaOf(factsOf(day), from))
  if (encoded === undefined || (startsSeries && seriesStartUs === null && encoded.day.gaps.length > 0)) return undefined
  const { rows, firstOpenUs, lastOpenUs } = encoded.day
  return {
    ...{ archiveSha256, csvRows: rows, absentDays: [], strays: [], dropped: 0, phase: null, firstOpenUs, lastOpenUs },
    chunks: [chunkOf(factsOf(encoded.day), encoded.shard)],
  }
}

/** Pieces, each of which is waited for until what was made of those before it is done with. */
async function* paced(pieces: AsyncIterable<Uint8Array>, ready: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    await ready()
    yield piece
  }
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
