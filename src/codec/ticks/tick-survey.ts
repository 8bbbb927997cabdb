import { chunkOfUs, chunkRange } from '../../dataset/chunk.ts'
import { idsOf, isSequence, rangeOfLife, rowOrder } from '../../dataset/expected.ts'
import type { SeriesBounds } from '../../dataset/expected.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { NumberedRow } from '../../dataset/sequence.ts'
import { holeBetween, joinTouching } from '../../dataset/sequence.ts'
import { doubleAt, wordsOf } from '../../memory/int64.ts'
import type { Columns } from '../../model/columns.ts'
import { pickRows, sliceColumns } from '../../model/columns.ts'
import type { Gap } from '../../model/gaps.ts'
import { gridOf } from '../../model/interval.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { RowsDigest } from '../arrow/columns-digest.ts'
import { PeriodTally } from './period-tally.ts'

/** Rows that are not as they are stored, each once and in order. */
export class NotAsStored extends Error {}

/** What is known of a day when all its rows have been seen. */
export interface TicksOfDay {
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

/** Rows of a day that is wanted, so far. */
interface DayPart {
  readonly digest: RowsDigest
  readonly first: Columns
  last: Columns
  rows: number
  /** rows with others missing between them */
  readonly broken: { readonly before: NumberedRow; readonly after: NumberedRow }[]
}

/** A day, and what is known of it where it is wanted. */
interface DayAtHand extends TimeRange {
  readonly day: UtcDay
  readonly isWanted: boolean
  part: DayPart | undefined
}

/** Looks at all rows of an archive in order, and gives those of the days that are wanted, day by day. */
export class TickSurvey {
  readonly tally: PeriodTally
  readonly #series: Series
  readonly #wanted: ReadonlySet<UtcDay>
  readonly #compare: ReturnType<typeof rowOrder>
  readonly #parts = new Map<UtcDay, DayPart>()
  #at: DayAtHand | undefined
  /** of rows with ids the last one; before there is one, -1 */
  #previous: NumberedRow = { id: -1, timeUs: -Infinity }
  /** of others, too, as columns of one row */
  #last: Columns | undefined

  /** @param wanted days of the period */
  constructor(series: Series, range: TimeRange, wanted: readonly UtcDay[]) {
    this.tally = new PeriodTally(series, range)
    this.#series = series
    this.#wanted = new Set(wanted)
    this.#compare = rowOrder(series)
  }

  /** @param give gets the rows of a day that is wanted: views. Throws `NotAsStored` where a row does not follow the one before. */
  take(columns: Columns, give: (day: UtcDay, columns: Columns) => void): void {
    const { openTime } = columns
    const ids = idsOf(columns, this.#series)
    const times = wordsOf(openTime)
    for (let from = 0; from < openTime.length;) {
      const at = this.#enter(doubleAt(times, from))
      const to = endOfDay(times, from, openTime.length, at.endUs)
      const broken = at.isWanted && isSequence(this.#series) ? (at.part?.broken ?? []) : undefined
      if (ids === undefined) this.#followTimes(columns, from, to)
      else this.#followIds(wordsOf(ids), times, from, to, broken)
      const own = to - from === openTime.length ? columns : sliceColumns(columns, from, to)
      this.tally.count(at.day, to - from, doubleAt(times, from), doubleAt(times, to - 1))
      if (at.isWanted) {
        this.#note(at, own, broken ?? [])
        give(at.day, own)
      }
      from = to
    }
    this.#last = pickRows(columns, [openTime.length - 1])
  }

  #enter(timeUs: number): DayAtHand {
    if (this.#at !== undefined && timeUs < this.#at.endUs) return this.#at
    const day = chunkOfUs(timeUs, this.#series)
    return (this.#at = { day, ...chunkRange(day, this.#series), isWanted: this.#wanted.has(day), part: undefined })
  }

  #note(at: DayAtHand, own: Columns, broken: DayPart['broken']): void {
    const { columns } = datasetOf(this.#series)
    if (at.part === undefined) {
      const first = pickRows(own, [0])
      at.part = { digest: new RowsDigest(columns), first, last: first, rows: 0, broken }
      this.#parts.set(at.day, at.part)
    }
    at.part.last = pickRows(own, [own.openTime.length - 1])
    at.part.rows += own.openTime.length
    at.part.digest.update(own)
  }

  /** Of rows that their times and other columns tell apart. */
  #followTimes(columns: Columns, from: number, to: number): void {
    let [before, place] = from === 0 ? [this.#last, 0] : [columns, from - 1]
    for (let row = from; row < to; row++) {
      if (before !== undefined && this.#compare(before, place, columns, row) >= 0) throw new NotAsStored()
      ;[before, place] = [columns, row]
    }
  }

  /** Of rows whose ids and times ascend. @param broken gets the rows between which ids are missing; undefined: nobody asks */
  #followIds(ids: Int32Array, times: Int32Array, from: number, to: number, broken: DayPart['broken'] | undefined): void {
    let { id, timeUs } = this.#previous
    for (let row = from; row < to; row++) {
      const [nextId, nextUs] = [doubleAt(ids, row), doubleAt(times, row)]
      if (nextId <= id || nextUs < timeUs) throw new NotAsStored()
      if (nextId !== id + 1 && id >= 0) broken?.push({ before: { id, timeUs }, after: { id: nextId, timeUs: nextUs } })
      id = nextId
      timeUs = nextUs
    }
    this.#previous = { id, timeUs }
  }

  /** The days that are wanted and have rows, in order. @param bounds of the series */
  days(bounds: SeriesBounds): TicksOfDay[] {
    return [...this.#parts].map(([day, { digest, first, last, rows, broken }]) => {
      const [firstOpenUs, lastOpenUs] = [Number(first.openTime[0]), Number(last.openTime[0])]
      const life = rangeOfLife(chunkRange(day, this.#series), bounds, { firstUs: firstOpenUs, lastUs: lastOpenUs }, gridOf(this.#series))
      const gaps = joinTouching(broken.flatMap(({ before, after }) => holeBetween(before, after, life) ?? []))
      return { day, rows, digest: digest.digest(), gaps, firstOpenUs, lastOpenUs, first, last }
    })
  }
}

/** The first of the rows [from, to) whose time is at or after the end of a day; `to` where there is none. */
function endOfDay(times: Int32Array, from: number, to: number, endUs: number): number {
  if (doubleAt(times, to - 1) < endUs) return to
  let row = from + 1
  while (row < to && doubleAt(times, row) < endUs) row++
  return row
}
