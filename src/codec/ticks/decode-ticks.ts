import { chunkRange } from '../../dataset/chunk.ts'
import type { SeriesBounds } from '../../dataset/expected.ts'
import { isSequence, rangeOfLife } from '../../dataset/expected.ts'
import { datasetOf } from '../../dataset/registry.ts'
import { CkvdError } from '../../errors.ts'
import { countSlots, gridOf } from '../../model/interval.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { US_PER_DAY } from '../../model/utc-day.ts'
import type { StrayRows } from '../chunks.ts'
import { splitChunks } from '../chunks.ts'
import type { BatchOptions, TableScanOptions } from '../csv/table-scan.ts'
import type { ArchiveFacts, ChunkFacts, DecodedChunk } from '../decoded-chunk.ts'
import { chunkOf, encodeLargeChunks, metaOf } from '../decoded-chunk.ts'
import { judgeChunks } from '../judge-chunks.ts'
import { ROW_GROUP_ROWS } from '../parquet/parquet-shard.ts'
import { readZipPieces } from '../zip/zip-pieces.ts'
import { DayFiles } from './day-files.ts'
import { HeldRows } from './held-rows.ts'
import { wantedDays } from './period-tally.ts'
import type { TicksOfDay } from './tick-survey.ts'
import { NotAsStored, TickSurvey } from './tick-survey.ts'

/*
 * A day of ticks has millions of rows, and a month hundreds of millions: an archive is read as a stream and never held. All rows are proved, and
 * those of the wanted days written, a row group at a time; what a file says of itself is put in at the end. That goes where rows stand as they are
 * stored, each once and in order, as those of nearly all archives do. Of others the rows of the wanted days are held while they are put in order.
 */

/** Rows that are held at most: as many as 512 MiB of CSV have, some 700 MB as columns, and as much again while they are put in order. */
const MOST_HELD_ROWS = 12 * 1024 * 1024

/** Of a request to decode an archive what ticks need: see `DecodeRequest`. */
interface TicksRequest extends ArchiveFacts {
  readonly zip: Uint8Array
  readonly days: readonly UtcDay[] | null
  readonly startsSeries: boolean
  readonly seriesStartUs?: number | null
  readonly seriesEndUs: number | null
}

/** Where an archive lies in time, what its entry is called and how long that may be, and its digest. */
interface ArchivePlace {
  readonly range: TimeRange
  readonly stem: string
  readonly maxBytes: number
  readonly archiveSha256: string
  /** rows that are held at most where they are not in order; default: `MOST_HELD_ROWS` */
  readonly mostHeldRows?: number
}

/** Reads the rows of a CSV that comes in pieces: `scanPieces`. */
type ScanRows = (pieces: AsyncIterable<Uint8Array>, options: BatchOptions) => Promise<number>

/** Reads all rows of an archive in batches of `ROW_GROUP_ROWS`. @param ready is waited for before more of it is read; default: nothing */
type ReadRows = (onBatch: TableScanOptions['onBatch'], ready?: () => Promise<void>) => Promise<number>

/** What an archive of ticks has: see `DecodeResult`. */
interface DecodedTicks {
  readonly csvRows: number
  readonly chunks: DecodedChunk[]
  readonly absentDays: UtcDay[]
  readonly strays: readonly StrayRows[]
  readonly dropped: number
  readonly firstOpenUs: number | null
  readonly lastOpenUs: number | null
}

/**
 * Reads the ticks of an archive whose chunks are days.
 * @throws CkvdError of the ZIP and CSV codes
 */
export async function decodeTicks(request: TicksRequest, place: ArchivePlace, scan: ScanRows): Promise<DecodedTicks> {
  const { series, zip } = request
  const { range, stem, maxBytes } = place
  const options = { dataset: datasetOf(series), place: { ...series, period: range }, batchRows: ROW_GROUP_ROWS }
  const read: ReadRows = (onBatch, ready) =>
    readZipPieces(zip, stem, { maxBytes }, (pieces) => scan(ready === undefined ? pieces : paced(pieces, ready), { ...options, onBatch }))
  try {
    return await streamTicks(request, place, read)
  } catch (error) {
    if (!(error instanceof NotAsStored)) throw error
    return await holdTicks(request, place, read)
  }
}

/** Pieces, each of which is waited for until what was made of those before it is done with. */
async function* paced(pieces: AsyncIterable<Uint8Array>, ready: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    await ready()
    yield piece
  }
}

/** Throws `NotAsStored` for rows that are not in order, each once. */
async function streamTicks(request: TicksRequest, { range, archiveSha256 }: ArchivePlace, read: ReadRows): Promise<DecodedTicks> {
  const { series, archive } = request
  const { metaText, NOT_YET, putMeta } = await import('../parquet/parquet-writer.ts')
  const wanted = wantedDays(series, range, request.days)
  const survey = new TickSurvey(series, range, wanted)
  // rows take less than in the ZIP, as a rule, of which a day has its part
  const guessBytes = Math.ceil((request.zip.length * 1.5 * US_PER_DAY) / (range.endUs - range.startUs))
  const files = await writeDays(series, read, survey, { guessBytes, textOf: () => NOT_YET })
  const { tally } = survey
  const bounds = boundsOf(request, tally.firstOpenUs)
  const days = survey.days(bounds)
  const from = { series, archive, archiveSha256, source: `vision-${archive.packaging}` }
  const texts = new Map(days.map((day) => [day.day, metaText(metaOf(factsOf(day, series), from), day.digest)]))
  // hundreds of holes take more room than was left
  const long = [...files].flatMap(([day, file]) => (putMeta(file, texts.get(day) ?? '') ? [] : [day]))
  if (long.length > 0) {
    for (const day of long) files.delete(day)
    const again = await writeDays(series, read, new TickSurvey(series, range, long), {
      guessBytes,
      textOf: (day) => texts.get(day) ?? NOT_YET,
    })
    for (const [day, file] of again) files.set(day, file)
  }
  const chunks = days.map((day) => {
    const file = files.get(day.day)
    if (file === undefined) throw new CkvdError('CKVD_BUG', `Expected a file of the rows of ${day.day}, found none`)
    return chunkOf(factsOf(day, series), file)
  })
  const absentDays = wanted.filter((day) => !texts.has(day) && isExpected(series, day, bounds))
  return { csvRows: tally.rows, chunks, absentDays, ...tally.told(wanted.length > 0) }
}

/** The files of the days of an archive. */
interface FilesToBe {
  /** of one */
  readonly guessBytes: number
  /** what it says of itself */
  readonly textOf: (day: UtcDay) => string
}

/** Reads an archive and writes those days of it that a survey gives. */
async function writeDays(
  series: Series,
  read: ReadRows,
  survey: TickSurvey,
  { guessBytes, textOf }: FilesToBe,
): Promise<Map<UtcDay, Uint8Array>> {
  const { RowGroupFile } = await import('../parquet/parquet-writer.ts')
  const { columns } = datasetOf(series)
  const files = new DayFiles(columns, (day) => new RowGroupFile(columns, textOf(day), guessBytes))
  try {
    await read(
      (batch) => survey.take(batch, (day, own) => files.take(day, own)),
      () => files.ready(),
    )
    return await files.end()
  } catch (error) {
    await files.abort(error)
    throw error
  }
}

/** Rows that are not in order: those of the wanted days are held, and put in order. @throws CKVD_CSV_ORDER where these are too many */
async function holdTicks(request: TicksRequest, place: ArchivePlace, read: ReadRows): Promise<DecodedTicks> {
  const { series } = request
  const { range, archiveSha256, mostHeldRows = MOST_HELD_ROWS } = place
  const wanted = wantedDays(series, range, request.days)
  const held = new HeldRows(series, range, wanted, mostHeldRows)
  await read((batch) => held.take(batch))
  const { startUs, endUs } = boundsOf(request, held.tally.firstOpenUs)
  const bounds = { startsSeries: false, seriesStartUs: startUs, seriesEndUs: endUs }
  const { chunks, absentDays } = splitChunks(held.columns(), { series, range, days: wanted, ...bounds })
  const judged = judgeChunks(chunks, series, datasetOf(series))
  return {
    csvRows: held.tally.rows,
    chunks: await encodeLargeChunks(judged, request, archiveSha256),
    absentDays,
    ...held.tally.told(wanted.length > 0),
  }
}

function boundsOf({ startsSeries, seriesStartUs = null, seriesEndUs }: TicksRequest, firstOpenUs: number | null): SeriesBounds {
  return { startUs: seriesStartUs ?? (startsSeries ? firstOpenUs : null), endUs: seriesEndUs }
}

/** True where rows are expected in a day that has none. */
function isExpected(series: Series, day: UtcDay, bounds: SeriesBounds): boolean {
  const { startUs, endUs } = rangeOfLife(chunkRange(day, series), bounds, null, gridOf(series))
  return countSlots(startUs, endUs, gridOf(series)) > 0
}

/** What is told of a day whose rows were stored as they stood. */
function factsOf({ day, rows, gaps, firstOpenUs, lastOpenUs, first, last }: TicksOfDay, series: Series): ChunkFacts {
  const missing = gaps.reduce((sum, { bars }) => sum + bars, 0)
  return {
    ...{ day, rows, expected: rows + missing, offGrid: 0, duplicates: 0, conflicts: 0, conflictNote: '', gaps: [...gaps] },
    ...{ oddClose: 0, oddRows: 0, firstOpenUs, lastOpenUs, ends: isSequence(series) ? { first, last } : undefined },
  }
}
