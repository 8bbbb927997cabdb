import { chunkOfUs, nextChunk, previousChunk } from '../../dataset/chunk.ts'
import type { Chunked } from '../../dataset/chunk.ts'
import type { TimeRange } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs } from '../../model/utc-day.ts'
import type { StrayRows } from '../chunks.ts'

/** Days of an archive's period, in order, as far as they are wanted. @param days null: all */
export function wantedDays(series: Chunked, range: TimeRange, days: readonly UtcDay[] | null): UtcDay[] {
  const wanted: UtcDay[] = []
  for (let day = chunkOfUs(range.startUs, series); dayStartUs(day) < range.endUs; day = nextChunk(day, series))
    if (days === null || days.includes(day)) wanted.push(day)
  return wanted
}

/** Counts where the rows of an archive stand, in its period and beside it: see `SplitRows`. */
export class PeriodTally {
  /** of all */
  rows = 0
  /** first and last time of the period */
  firstOpenUs: number | null = null
  lastOpenUs: number | null = null
  readonly #range: TimeRange
  readonly #beside: ReadonlyMap<UtcDay, { rows: number }>
  #inPeriod = 0

  constructor(series: Chunked, range: TimeRange) {
    this.#range = range
    const [before, after] = [previousChunk(chunkOfUs(range.startUs, series), series), chunkOfUs(range.endUs, series)]
    this.#beside = new Map([before, after].map((day) => [day, { rows: 0 }]))
  }

  /** Counts rows of one day, of which these are the first and the last time, us. */
  count(day: UtcDay, rows: number, firstUs: number, lastUs: number): void {
    this.rows += rows
    const { startUs, endUs } = this.#range
    if (firstUs >= startUs && lastUs < endUs) {
      this.#inPeriod += rows
      this.firstOpenUs = Math.min(firstUs, this.firstOpenUs ?? firstUs)
      this.lastOpenUs = Math.max(lastUs, this.lastOpenUs ?? lastUs)
      return
    }
    const beside = this.#beside.get(day)
    if (beside !== undefined) beside.rows += rows
  }

  /** @param isWanted any day of the period is */
  told(isWanted: boolean): {
    readonly strays: StrayRows[]
    readonly dropped: number
    readonly firstOpenUs: number | null
    readonly lastOpenUs: number | null
  } {
    const strays = [...this.#beside].flatMap(([day, { rows }]) => (rows === 0 ? [] : [{ day, rows }]))
    const { firstOpenUs, lastOpenUs } = this
    return { strays, dropped: this.rows - (isWanted ? this.#inPeriod : 0), firstOpenUs, lastOpenUs }
  }
}
