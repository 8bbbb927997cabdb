import { chunkOfUs, nextChunk } from '../dataset/chunk.ts'
import { rowsWithin } from '../dataset/rows.ts'
import type { EvidencedGap } from '../model/evidence.ts'
import { abortError } from '../errors.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { UnexplainedDay } from '../lake/day-facts.ts'
import { countsAsExplained, unexplainedDay } from '../lake/day-facts.ts'
import type { LakeContent } from '../lake/current-shard.ts'
import { readCurrentShard } from '../lake/current-shard.ts'
import type { NeverRequested } from '../lake/requested.ts'
import { readRequested } from '../lake/requested.ts'
import type { Grid, Interval } from '../model/interval.ts'
import { countSlots, firstSlotUs, gridOf, nextSlotUs, slotStartUs } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { ResampledBars } from '../model/resample.ts'
import { isComplete, Resampler } from '../model/resample.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs } from '../model/utc-day.ts'

/** Larger bars of a series; `explained` are the smaller slots of each that are known to be empty, by the catalog's evidence. */
export interface LakeBars extends ResampledBars {
  readonly explained: Int32Array
}

/** Of a larger bar: no smaller bar is missing, all that are missing are explained, or some are not (or not in the lake). */
export type BarState = 'complete' | 'outage' | 'incomplete'

export function stateOf(bars: LakeBars, row: number): BarState {
  if (isComplete(bars, row)) return 'complete'
  // the arrays are of one length
  return (bars.bars[row] as number) + (bars.explained[row] as number) >= (bars.expected[row] as number) ? 'outage' : 'incomplete'
}

/** Open times of the larger bars that open on some days; without a day the range has no end there. */
export function openRange(start: UtcDay | undefined, end: UtcDay | undefined): TimeRange {
  return { startUs: start === undefined ? -Infinity : dayStartUs(start), endUs: end === undefined ? Infinity : dayStartUs(end) }
}

/** The chunks of a series that hold the bars of a range, as the catalog takes them. */
export function chunksOf(series: Series, { startUs, endUs }: TimeRange): readonly [UtcDay | undefined, UtcDay | undefined] {
  return [
    startUs === -Infinity ? undefined : chunkOfUs(startUs, series),
    endUs === Infinity ? undefined : nextChunk(chunkOfUs(endUs - 1, series), series),
  ]
}

function daysOf(series: Series, range: TimeRange): { start?: UtcDay; end?: UtcDay } {
  const [start, end] = chunksOf(series, range)
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }
}

/**
 * Larger bars of a stored series, day after day: no more than a day of smaller bars is in memory. A larger bar is made when it opens in
 * the range, from smaller bars after the range as well where the lake has them. Shards are compared with the digests of the catalog.
 */
export class LakeResampler {
  /** days of smaller bars that are not explained; grows while `bars` goes on */
  readonly unexplained: UnexplainedDay[] = []
  /** days of smaller bars of which the lake knows nothing; grows while `bars` goes on */
  readonly neverRequested: NeverRequested[] = []
  /** the series that is made, with the phase of the exchange's own bars of it where the lake knows one */
  readonly target: Series
  readonly #lake: LakeContent
  readonly #series: Series
  readonly #grid: Grid
  /** open times of the smaller bars that are read */
  readonly #sources: TimeRange
  /** end of the open times that are made */
  readonly #endUs: number
  readonly #resampler: Resampler
  /** stretches without bars on days that are explained, in order */
  #gaps: EvidencedGap[]

  /**
   * @param opens open times of the larger bars to make
   * @throws CKVD_USAGE when bars of the series' interval do not make up bars of `to`
   */
  constructor(lake: LakeContent, series: Series, to: Interval, opens: TimeRange) {
    const { startUs, endUs } = opens
    const firstUs = lake.catalog.getSeries(series)?.firstOpenUs ?? undefined
    this.target = { ...series, interval: to, phase: lake.catalog.getSeries({ ...series, interval: to })?.phase }
    this.#resampler = new Resampler({ from: series.interval, to, firstUs, phase: this.target.phase })
    this.#lake = lake
    this.#series = series
    this.#grid = gridOf(this.target)
    this.#endUs = endUs
    this.#sources = {
      startUs: startUs === -Infinity ? startUs : firstSlotUs(startUs, this.#grid),
      endUs: endUs === Infinity ? endUs : nextSlotUs(slotStartUs(endUs - 1, this.#grid), this.#grid),
    }
    this.#gaps = lake.catalog.listGaps(series, ...chunksOf(series, this.#sources))
  }

  /** True when the lake knows of any day of smaller bars for the range. */
  hasDays(): boolean {
    const { startUs, endUs } = this.#sources
    return startUs < endUs && this.#lake.catalog.iterateDays(this.#series, ...chunksOf(this.#series, this.#sources)).next().done !== true
  }

  /** Throws CKVD_SHARD_MISSING, CKVD_SHARD_DIGEST, CKVD_SHARD_FORMAT, CKVD_LAKE_IO, CKVD_ABORTED. */
  async *bars(signal: AbortSignal): AsyncGenerator<LakeBars, void> {
    const { startUs, endUs } = this.#sources
    if (startUs >= endUs) return
    const read = daysOf(this.#series, this.#sources)
    // what lies after the range is read for the last bar alone: nobody has asked for it
    const asked = daysOf(this.#series, { startUs, endUs: this.#endUs })
    for (const { row, never } of readRequested(this.#lake.catalog, this.#series, read, asked)) {
      if (signal.aborted) throw abortError(signal)
      if (never !== undefined) {
        this.neverRequested.push(never)
        continue
      }
      const columns = await this.#read(row, signal)
      if (columns !== undefined) yield this.#explain(this.#resampler.push(rowsWithin(columns, this.#sources)))
    }
    yield this.#explain(this.#resampler.finish())
  }

  /** How many smaller slots of the larger slot at `slotUs` are known to be empty. */
  countExplained(slotUs: number): number {
    const endUs = nextSlotUs(slotUs, this.#grid)
    let count = 0
    for (let i = this.#firstGapAfter(slotUs); i < this.#gaps.length; i++) {
      const gap = this.#gaps[i] as EvidencedGap
      if (gap.startUs >= endUs) break
      count += countSlots(Math.max(gap.startUs, slotUs), Math.min(gap.endUs, endUs), this.#series.interval)
    }
    return count
  }

  /** True when the larger slot at `slotUs` has no smaller bar for a reason that the lake knows. */
  isKnownEmpty(slotUs: number): boolean {
    return this.countExplained(slotUs) >= countSlots(slotUs, nextSlotUs(slotUs, this.#grid), this.#series.interval)
  }

  /** The bars of a day, noted as the lake has it by now; undefined where it has none. */
  async #read(row: DayRow, signal: AbortSignal): Promise<KlineColumns | undefined> {
    const now = row.rows === 0 ? { row, shard: undefined } : await readCurrentShard(this.#lake, row, signal)
    if (now.row !== row) this.#gaps = this.#withGapsOf(row.day)
    this.#note(now.row)
    return now.shard?.columns
  }

  /** The gaps with those of a day as they are now. */
  #withGapsOf(day: UtcDay): EvidencedGap[] {
    const next = nextChunk(day, this.#series)
    const [startUs, endUs] = [dayStartUs(day), dayStartUs(next)]
    return [
      ...this.#gaps.filter((gap) => gap.startUs < startUs),
      ...this.#lake.catalog.listGaps(this.#series, day, next),
      ...this.#gaps.filter((gap) => gap.startUs >= endUs),
    ]
  }

  #note(row: DayRow): void {
    if (countsAsExplained(row)) return
    const next = nextChunk(row.day, row)
    this.unexplained.push(unexplainedDay(row, this.#lake.catalog.listGaps(this.#series, row.day, next)))
    const startUs = dayStartUs(row.day)
    const endUs = dayStartUs(next)
    this.#gaps = this.#gaps.filter((gap) => gap.startUs < startUs || gap.startUs >= endUs)
  }

  /** Index of the first gap that ends after a time. */
  #firstGapAfter(timeUs: number): number {
    let low = 0
    let high = this.#gaps.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#gaps[middle] as EvidencedGap).endUs <= timeUs) low = middle + 1
      else high = middle
    }
    return low
  }

  #explain(bars: ResampledBars): LakeBars {
    const explained = Int32Array.from(bars.bars, (_bars, row) =>
      isComplete(bars, row) ? 0 : this.countExplained(Number(bars.columns.openTime[row])),
    )
    return { ...bars, explained }
  }
}
