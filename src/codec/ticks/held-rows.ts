import { chunkOfUs, chunkRange } from '../../dataset/chunk.ts'
import { isSequence } from '../../dataset/expected.ts'
import { createRows, datasetOf } from '../../dataset/registry.ts'
import { CkvdError } from '../../errors.ts'
import { doubleAt, wordsOf } from '../../memory/int64.ts'
import type { Columns } from '../../model/columns.ts'
import { joinColumns, pickRows, sliceColumns } from '../../model/columns.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs } from '../../model/utc-day.ts'
import { RowColumns } from '../csv/row-columns.ts'
import { PeriodTally } from './period-tally.ts'

/** The last row before a day, and where it stands in the archive. */
interface RowBefore {
  readonly place: number
  readonly timeUs: number
  readonly row: Columns
}

/**
 * Takes all rows of an archive in whatever order they stand, and holds those of the days that are wanted, as they stand, and of a sequence the
 * last one before each, which tells what is missing between two days.
 */
export class HeldRows {
  readonly tally: PeriodTally
  readonly #series: Series
  readonly #wanted: ReadonlySet<UtcDay>
  readonly #mostRows: number
  readonly #held: RowColumns
  readonly #before = new Map<UtcDay, RowBefore>()

  /** @param mostRows rows that are held at most */
  constructor(series: Series, range: TimeRange, wanted: readonly UtcDay[], mostRows: number) {
    this.tally = new PeriodTally(series, range)
    this.#series = series
    this.#wanted = new Set(wanted)
    this.#mostRows = mostRows
    this.#held = new RowColumns(datasetOf(series).columns, 0)
  }

  /** @throws CKVD_CSV_ORDER where more rows would be held than may be */
  take(columns: Columns): void {
    const times = wordsOf(columns.openTime)
    for (let from = 0; from < columns.openTime.length;) {
      const day = chunkOfUs(doubleAt(times, from), this.#series)
      const { to, firstUs, lastUs, last } = endOfRun(times, from, columns.openTime.length, chunkRange(day, this.#series))
      const place = this.tally.rows + (last - from)
      this.tally.count(day, to - from, firstUs, lastUs)
      if (this.#wanted.has(day)) this.#hold(to - from === columns.openTime.length ? columns : sliceColumns(columns, from, to))
      else if (isSequence(this.#series)) this.#noteBefore({ place, timeUs: lastUs }, columns, last)
      from = to
    }
  }

  #hold(columns: Columns): void {
    const rows = this.#held.rows + columns.openTime.length
    if (rows > this.#mostRows) {
      throw new CkvdError(
        'CKVD_CSV_ORDER',
        `Expected rows in order, each once, or at most ${this.#mostRows.toLocaleString('en-US')} of them, which are put in order in memory; found more that are not`,
        { details: { mostRows: this.#mostRows } },
      )
    }
    this.#held.add(columns)
  }

  #noteBefore({ place, timeUs }: Omit<RowBefore, 'row'>, columns: Columns, row: number): void {
    for (const day of this.#wanted) {
      const known = this.#before.get(day)
      if (timeUs >= dayStartUs(day) || (known !== undefined && timeUs < known.timeUs)) continue
      this.#before.set(day, { place, timeUs, row: pickRows(columns, [row]) })
    }
  }

  /** Rows that are held, of each time in the order in which they stand. */
  columns(): Columns {
    const before = new Map([...this.#before.values()].map(({ place, row }) => [place, row]))
    return before.size === 0 ? this.#held.columns() : joinColumns([...before.values(), this.#held.columns()], createRows(this.#series, 0))
  }
}

/** The rows from one on that are of one day: where they end, their least and their greatest time, and the last row of that. */
function endOfRun(times: Int32Array, from: number, end: number, day: TimeRange) {
  let [firstUs, lastUs] = [Infinity, -Infinity]
  let [to, last] = [from, from]
  for (; to < end; to++) {
    const timeUs = doubleAt(times, to)
    if (timeUs < day.startUs || timeUs >= day.endUs) break
    if (timeUs < firstUs) firstUs = timeUs
    if (timeUs < lastUs) continue
    lastUs = timeUs
    last = to
  }
  return { to, firstUs, lastUs, last }
}
