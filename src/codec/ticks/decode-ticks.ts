import { chunkOfUs } from '../../dataset/chunk.ts'
import { idsOf, isSequence, rangeOfLife, rowOrder } from '../../dataset/expected.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { NumberedRow } from '../../dataset/sequence.ts'
import { holeBetween, joinTouching } from '../../dataset/sequence.ts'
import type { Columns } from '../../model/columns.ts'
import { pickRows } from '../../model/columns.ts'
import type { Gap } from '../../model/gaps.ts'
import { gridOf } from '../../model/interval.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { doubleAt, wordsOf } from '../../memory/int64.ts'
import { RowsDigest } from '../arrow/columns-digest.ts'
import type { ShardMeta } from '../arrow/shard-meta.ts'
import type { BatchOptions, TableScanOptions } from '../csv/table-scan.ts'
import type { ArchiveFacts, ChunkFacts, DecodedChunk } from '../decoded-chunk.ts'
import { chunkOf, metaOf } from '../decoded-chunk.ts'
import { ROW_GROUP_ROWS } from '../parquet/parquet-shard.ts'
import { readZipPieces } from '../zip/zip-pieces.ts'

/*
 * A day of ticks has millions of rows: it is read once and never held. Rows are proved and written a row group at a time, and what the file says
 * of itself is put in at the end. That goes where the rows stand as they are stored, each once and in order, as archives of days have them; what
 * does not is decoded as a whole.
 */

/** Reads all rows of a CSV in batches of `ROW_GROUP_ROWS`. @param o.ready is waited for before more of it is read; default: nothing */
type ReadRows = (o: Pick<TableScanOptions, 'onBatch'> & { readonly ready?: () => Promise<void> }) => Promise<number>

/** What is known of a day before it is written. */
interface DayOfTicks {
  readonly day: UtcDay
  readonly rows: number
  readonly digest: string
  readonly gaps: readonly Gap[]
  readonly firstOpenUs: number
  readonly lastOpenUs: number
  /** the first and the last row, each as columns of one row */
  readonly first: Columns
  readonly last: Columns
}

/** Where the rows of a day may stand, and where its series begins and ends. */
interface DayBounds {
  readonly series: Series
  /** the period of the archive: one chunk */
  readonly range: TimeRange
  readonly startUs: number | null
  readonly endUs: number | null
  /** where its start is not known, its first row is */
  readonly startsSeries: boolean
}

/** Of a request to decode an archive what a day of ticks needs: see `DecodeRequest`. */
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
}

/** Reads the rows of a CSV that comes in pieces: `scanPieces`. */
type ScanRows = (pieces: AsyncIterable<Uint8Array>, options: BatchOptions) => Promise<number>

/** A day of ticks whose rows stand as they are stored. Undefined: it is not one. @throws CkvdError of the ZIP and CSV codes */
export async function decodeTicks(request: TicksRequest, place: ArchivePlace, scan: ScanRows): Promise<DecodedChunk | undefined> {
  const { series, archive, zip, days, startsSeries, seriesStartUs = null, seriesEndUs } = request
  const { range, stem, maxBytes, archiveSha256 } = place
  const isWanted = days === null || days.includes(chunkOfUs(range.startUs, series))
  if (archive.packaging !== 'daily' || !isWanted) return undefined
  const dataset = datasetOf(series)
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
  const bounds = { series, range, startUs: seriesStartUs, endUs: seriesEndUs, startsSeries }
  const encoded = await encodeDay(bounds, read, (day) => metaOf(factsOf(day), from))
  return encoded === undefined ? undefined : chunkOf(factsOf(encoded.day), encoded.shard)
}

/** Pieces, each of which is waited for until what was made of those before it is done with. */
async function* paced(pieces: AsyncIterable<Uint8Array>, ready: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    await ready()
    yield piece
  }
}

/** Rows that are not as they are stored: the whole way is taken. */
class NotAsStored extends Error {}

/**
 * Decodes a day of ticks; undefined where its rows are not as they are stored, or there are none.
 * @param metaOf what its file says of it
 */
async function encodeDay(
  bounds: DayBounds,
  read: ReadRows,
  metaOf: (day: DayOfTicks) => ShardMeta,
): Promise<{ readonly day: DayOfTicks; readonly shard: Uint8Array } | undefined> {
  const { columns } = datasetOf(bounds.series)
  const { metaText, NOT_YET, putMeta, writeRowGroups } = await import('../parquet/parquet-writer.ts')
  const survey = new Survey(bounds)
  const write = (text: string, take: (columns: Columns) => void): Promise<Uint8Array> =>
    writeRowGroups(columns, text, async (writeGroup) => {
      let written: Promise<unknown> = Promise.resolve()
      const rows = await read({
        // the batch is copied before the next one overwrites it
        onBatch: (batch) => {
          take(batch)
          written = Promise.all([written, writeGroup(batch)])
          // told where it is awaited; an error of the rows comes first
          written.catch(() => undefined)
        },
        ready: async () => void (await written),
      })
      await written
      if (rows === 0) throw new NotAsStored()
    })
  try {
    const shard = await write(NOT_YET, (batch) => survey.take(batch))
    const day = survey.end()
    const text = metaText(metaOf(day), day.digest)
    // hundreds of holes take more room than was left
    return { day, shard: putMeta(shard, text) ? shard : await write(text, () => undefined) }
  } catch (error) {
    if (error instanceof NotAsStored) return undefined
    throw error
  }
}

/** Looks at the rows of a day in order. */
class Survey {
  readonly #bounds: DayBounds
  readonly #compare: ReturnType<typeof rowOrder>
  readonly #digest: RowsDigest
  readonly #holes: Gap[] = []
  #rows = 0
  #first: Columns | undefined
  #last: Columns | undefined
  #previous: NumberedRow

  constructor(bounds: DayBounds) {
    this.#bounds = bounds
    this.#compare = rowOrder(bounds.series)
    this.#digest = new RowsDigest(datasetOf(bounds.series).columns)
    this.#previous = { id: -1, timeUs: bounds.range.startUs }
  }

  take(columns: Columns): void {
    const { series } = this.#bounds
    const ids = idsOf(columns, series)
    if (ids === undefined) this.#followTimes(columns)
    else this.#followIds(columns, ids)
    this.#first ??= pickRows(columns, [0])
    this.#last = pickRows(columns, [columns.openTime.length - 1])
    this.#rows += columns.openTime.length
    this.#digest.update(columns)
  }

  /** Throws `NotAsStored` where rows that their times and other columns tell apart are not in order. */
  #followTimes(columns: Columns): void {
    const { openTime } = columns
    const { startUs, endUs } = this.#bounds.range
    let [before, place] = [this.#last, 0]
    for (let row = 0; row < openTime.length; row++) {
      if (before !== undefined && this.#compare(before, place, columns, row) >= 0) throw new NotAsStored()
      ;[before, place] = [columns, row]
    }
    if (Number(openTime[0]) < startUs || Number(openTime.at(-1)) >= endUs) throw new NotAsStored()
  }

  /** Throws `NotAsStored` where ids or times do not ascend; notes holes. */
  #followIds(columns: Columns, ids: BigInt64Array): void {
    const { range } = this.#bounds
    const [idWords, timeWords] = [wordsOf(ids), wordsOf(columns.openTime)]
    let { id, timeUs } = this.#previous
    for (let row = 0; row < ids.length; row++) {
      const [nextId, nextUs] = [doubleAt(idWords, row), doubleAt(timeWords, row)]
      if (nextId <= id || nextUs < timeUs || nextUs >= range.endUs) throw new NotAsStored()
      if (nextId !== id + 1 && this.#rows + row > 0) this.#note({ id, timeUs }, { id: nextId, timeUs: nextUs })
      id = nextId
      timeUs = nextUs
    }
    this.#previous = { id, timeUs }
  }

  #note(before: NumberedRow, after: NumberedRow): void {
    const { series, range } = this.#bounds
    const hole = isSequence(series) ? holeBetween(before, after, range) : undefined
    if (hole !== undefined) this.#holes.push(hole)
  }

  end(): DayOfTicks {
    const [first, last] = [this.#first, this.#last]
    if (first === undefined || last === undefined) throw new NotAsStored()
    const { series, range, startsSeries, endUs } = this.#bounds
    const [firstOpenUs, lastOpenUs] = [Number(first.openTime[0]), Number(last.openTime[0])]
    const startUs = this.#bounds.startUs ?? (startsSeries ? firstOpenUs : null)
    const life = rangeOfLife(range, { startUs, endUs }, { firstUs: firstOpenUs, lastUs: lastOpenUs }, gridOf(series))
    // where only a part of the day is expected the whole way is taken
    if (this.#holes.length > 0 && (life.startUs !== range.startUs || life.endUs !== range.endUs)) throw new NotAsStored()
    return {
      day: chunkOfUs(range.startUs, series),
      rows: this.#rows,
      digest: this.#digest.digest(),
      gaps: joinTouching(this.#holes),
      ...{ firstOpenUs, lastOpenUs, first, last },
    }
  }
}
