import { chunkOfUs, chunkRange } from '../dataset/chunk.ts'
import { idsOf, isSequence, rangeOfLife } from '../dataset/expected.ts'
import { datasetOf } from '../dataset/registry.ts'
import type { NumberedRow } from '../dataset/sequence.ts'
import { holeBetween, joinTouching } from '../dataset/sequence.ts'
import { CkvdError } from '../errors.ts'
import type { Columns } from '../model/columns.ts'
import { pickRows } from '../model/columns.ts'
import type { Gap } from '../model/gaps.ts'
import { gridOf } from '../model/interval.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { doubleAt, wordsOf } from '../memory/int64.ts'
import { RowsDigest } from './arrow/columns-digest.ts'
import type { ShardMeta } from './arrow/shard-meta.ts'
import type { TableScanOptions } from './csv/table-scan.ts'

/*
 * A day of ticks has millions of rows: it is read twice, and never held. The first reading proves it and finds what is missing, the second one
 * writes it, a row group at a time. That goes where its rows stand as they are stored, each once and in order, as archives of days do; what does
 * not is decoded as a whole.
 */

/** Reads all rows of a CSV in batches of `ROW_GROUP_ROWS`. @param o.ready is waited for before more of it is read; default: nothing */
export type ReadRows = (o: Pick<TableScanOptions, 'onBatch'> & { readonly ready?: () => Promise<void> }) => Promise<number>

/** What is known of a day before it is written. */
export interface DayOfTicks {
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
export interface DayBounds {
  readonly series: Series
  /** the period of the archive: one chunk */
  readonly range: TimeRange
  readonly startUs: number | null
  readonly endUs: number | null
}

/** Reads a day of ticks; undefined where its rows are not as they are stored, or there are none. */
export async function surveyDay(bounds: DayBounds, read: ReadRows): Promise<DayOfTicks | undefined> {
  const survey = new Survey(bounds)
  await read({ onBatch: (columns) => survey.take(columns) })
  return survey.end()
}

/** The shard of a day that was surveyed. Throws CKVD_BUG where its rows are others than they were. */
export async function writeDay(day: DayOfTicks, meta: ShardMeta, read: ReadRows): Promise<Uint8Array<ArrayBuffer>> {
  const { encodeRowGroups } = await import('./parquet/parquet-writer.ts')
  return await encodeRowGroups(meta, day.digest, async (write) => {
    let written: Promise<void> = Promise.resolve()
    const rows = await read({
      // the batch is copied before the next one overwrites it
      onBatch: (columns) => {
        written = Promise.all([written, write(columns)]).then(() => undefined)
      },
      ready: () => written,
    })
    await written
    if (rows !== day.rows) throw new CkvdError('CKVD_BUG', `Expected ${day.rows} rows the second time, found ${rows}`)
  })
}

class Survey {
  readonly #bounds: DayBounds
  readonly #digest: RowsDigest
  readonly #holes: Gap[] = []
  #isAsStored = true
  #rows = 0
  #first: Columns | undefined
  #last: Columns | undefined
  #previous: NumberedRow = { id: -1, timeUs: -Infinity }

  constructor(bounds: DayBounds) {
    this.#bounds = bounds
    this.#digest = new RowsDigest(datasetOf(bounds.series).columns)
    this.#previous = { id: -1, timeUs: bounds.range.startUs }
  }

  take(columns: Columns): void {
    if (!this.#isAsStored) return
    const { series, range } = this.#bounds
    const ids = idsOf(columns, series)
    if (ids === undefined) throw new CkvdError('CKVD_BUG', 'Expected ticks to have ids, found none')
    const [idWords, timeWords] = [wordsOf(ids), wordsOf(columns.openTime)]
    let { id, timeUs } = this.#previous
    for (let row = 0; row < ids.length; row++) {
      const [nextId, nextUs] = [doubleAt(idWords, row), doubleAt(timeWords, row)]
      if (nextId <= id || nextUs < timeUs || nextUs >= range.endUs) {
        this.#isAsStored = false
        return
      }
      if (nextId !== id + 1 && this.#rows + row > 0) this.#note({ id, timeUs }, { id: nextId, timeUs: nextUs })
      id = nextId
      timeUs = nextUs
    }
    this.#previous = { id, timeUs }
    this.#first ??= pickRows(columns, [0])
    this.#last = pickRows(columns, [ids.length - 1])
    this.#rows += ids.length
    this.#digest.update(columns)
  }

  #note(before: NumberedRow, after: NumberedRow): void {
    const { series, range } = this.#bounds
    const hole = isSequence(series) ? holeBetween(before, after, range) : undefined
    if (hole !== undefined) this.#holes.push(hole)
  }

  end(): DayOfTicks | undefined {
    const [first, last] = [this.#first, this.#last]
    if (!this.#isAsStored || first === undefined || last === undefined) return undefined
    const { series, range, startUs, endUs } = this.#bounds
    const [firstOpenUs, lastOpenUs] = [Number(first.openTime[0]), Number(last.openTime[0])]
    const life = rangeOfLife(range, { startUs, endUs }, { firstUs: firstOpenUs, lastUs: lastOpenUs }, gridOf(series))
    // where only a part of the day is expected the whole way is taken
    const { startUs: fromUs, endUs: toUs } = chunkRange(chunkOfUs(range.startUs, series), series)
    if (this.#holes.length > 0 && (life.startUs !== fromUs || life.endUs !== toUs)) return undefined
    return {
      day: chunkOfUs(range.startUs, series),
      rows: this.#rows,
      digest: this.#digest.digest(),
      gaps: joinTouching(this.#holes),
      ...{ firstOpenUs, lastOpenUs, first, last },
    }
  }
}
