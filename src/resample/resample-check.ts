import { chunkOfUs } from '../dataset/chunk.ts'
import type { LakeContent } from '../lake/current-shard.ts'
import { readCurrentShard } from '../lake/current-shard.ts'
import { isExplained } from '../model/condition.ts'
import { gridOf, slotStartUs } from '../model/interval.ts'
import type { KlineColumn, KlineColumns } from '../model/kline.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import type { ResampledBars } from '../model/resample.ts'
import { SUM_COLUMNS } from '../model/resample.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import { isoOfUs } from '../model/utc-day.ts'
import type { LakeBars, LakeResampler } from './resample-lake.ts'
import { chunksOf, stateOf } from './resample-lake.ts'

/**
 * How a larger bar differs from the exchange's own:
 * - `value`: a cell differs;
 * - `rounding`: a sum is the double beside the exchange's, because smaller bars have more digits than float64 keeps; counts as equal;
 * - `off-grid`: the exchange's bar opens off its grid (spot, 2018-02-09: at 28 min 14.789 s), so it is of another stretch;
 * - `only-exchange`: it has a bar where no smaller bar exists; `only-resampled`: it has none where smaller bars exist.
 */
export type DifferenceKind = 'value' | 'rounding' | 'off-grid' | 'only-exchange' | 'only-resampled'

/** One cell, or one bar where `column` is null. */
export interface BarDifference {
  readonly kind: DifferenceKind
  /** ISO time of the larger bar */
  readonly open_time: string
  readonly column: string | null
  readonly resampled: number | string | null
  readonly exchange: number | string | null
}

/** What came of a comparison; bars, not cells. */
export interface CheckCounts {
  compared: number
  equal: number
  /** bars that are incomplete, or that one of the two does not have in the lake */
  not_comparable: number
}

interface Chunk {
  readonly columns: KlineColumns
  row: number
}

/** Compares larger bars, in their order, with the exchange's own in the lake. */
export class BarCheck {
  readonly counts: CheckCounts = { compared: 0, equal: 0, not_comparable: 0 }
  readonly #lake: LakeContent
  readonly #series: Series
  readonly #opens: TimeRange
  readonly #resampler: LakeResampler
  readonly #rows: Generator<DayRow, void>
  readonly #signal: AbortSignal
  #chunk: Chunk | undefined
  #isDone = false

  /** @param opens open times that are compared */
  constructor(lake: LakeContent, opens: TimeRange, resampler: LakeResampler, signal: AbortSignal) {
    const series = resampler.target
    this.#lake = lake
    this.#series = series
    this.#opens = opens
    this.#resampler = resampler
    this.#signal = signal
    this.#rows = lake.catalog.iterateDays(series, ...chunksOf(series, opens))
  }

  /** The differences of the next bars. Throws CKVD_SHARD_…, CKVD_ABORTED. */
  async compare(bars: LakeBars): Promise<BarDifference[]> {
    const found: BarDifference[] = []
    for (let row = 0; row < bars.bars.length; row++) {
      const slotUs = Number(bars.columns.openTime[row])
      found.push(...(await this.#skipTo(slotUs)))
      const chunk = await this.#current()
      const isHere = chunk !== undefined && this.#slotOf(chunk) === slotUs
      if (stateOf(bars, row) === 'incomplete') this.counts.not_comparable++
      else if (isHere) found.push(...this.#compareBar(bars, row, chunk))
      else if (this.#isKnown(slotUs)) found.push(this.#count(bar('only-resampled', slotUs)))
      else this.counts.not_comparable++
      if (isHere) chunk.row++
    }
    return found
  }

  /** What the exchange has after the last bar. */
  finish(): Promise<BarDifference[]> {
    return this.#skipTo(Infinity)
  }

  /** Leaves behind the exchange's bars before a slot: there are no larger bars of ours for them. */
  async #skipTo(slotUs: number): Promise<BarDifference[]> {
    const found: BarDifference[] = []
    for (;;) {
      const chunk = await this.#current()
      if (chunk === undefined) return found
      const own = this.#slotOf(chunk)
      if (own >= slotUs) return found
      chunk.row++
      if (own < this.#opens.startUs || own >= this.#opens.endUs) continue
      if (this.#resampler.isKnownEmpty(own)) found.push(this.#count(bar('only-exchange', own)))
      else this.counts.not_comparable++
    }
  }

  /** The chunk with the exchange's next bar; undefined after the last one. */
  async #current(): Promise<Chunk | undefined> {
    while (this.#chunk === undefined || this.#chunk.row >= this.#chunk.columns.openTime.length) {
      const next = this.#isDone ? undefined : this.#rows.next()
      if (next === undefined || next.done === true) {
        this.#isDone = true
        return undefined
      }
      if (next.value.rows === 0) continue
      const { shard } = await readCurrentShard(this.#lake, next.value, this.#signal)
      if (shard !== undefined) this.#chunk = { columns: shard.columns, row: 0 }
    }
    return this.#chunk
  }

  #slotOf({ columns, row }: Chunk): number {
    return slotStartUs(Number(columns.openTime[row]), gridOf(this.#series))
  }

  /** True when the lake knows all of the exchange's bars around a slot. */
  #isKnown(slotUs: number): boolean {
    const row = this.#lake.catalog.getDay(this.#series, chunkOfUs(slotUs, this.#series))
    return row !== undefined && row.condition !== 'pending' && isExplained(row.condition)
  }

  #count(difference: BarDifference): BarDifference {
    this.counts.compared++
    return difference
  }

  #compareBar(bars: LakeBars, at: number, chunk: Chunk): BarDifference[] {
    this.counts.compared++
    const slotUs = Number(bars.columns.openTime[at])
    const openUs = Number(chunk.columns.openTime[chunk.row])
    if (openUs !== slotUs)
      return [{ ...bar('off-grid', slotUs), column: 'open_time', resampled: isoOfUs(slotUs), exchange: isoOfUs(openUs) }]
    const found = compareCells(bars, at, chunk.columns, chunk.row)
    if (found.every(({ kind }) => kind === 'rounding')) this.counts.equal++
    return found
  }
}

/** The cells in which a bar that was made differs from the exchange's own of the same slot. */
export function compareCells(made: ResampledBars, at: number, own: KlineColumns, row: number): BarDifference[] {
  const open_time = isoOfUs(Number(made.columns.openTime[at]))
  return KLINE_COLUMNS.flatMap(({ key, name, type }): BarDifference[] => {
    const ours = Number(made.columns[key][at])
    const theirs = Number(own[key][row])
    const kind = compareCell(key, ours, theirs, made.rounded[at] as number)
    const show = (value: number): number | string => (type === 'timestamp' ? isoOfUs(value) : value)
    return kind === undefined ? [] : [{ kind, open_time, column: name, resampled: show(ours), exchange: show(theirs) }]
  })
}

/**
 * Close times are compared to the millisecond, as REST tells them.
 * @param rounded the sums of the bar that may be rounded, as in `ResampledBars`
 */
function compareCell(key: KlineColumn, ours: number, theirs: number, rounded: number): DifferenceKind | undefined {
  if (key === 'closeTime') return Math.floor(ours / 1000) === Math.floor(theirs / 1000) ? undefined : 'value'
  if (ours === theirs) return undefined
  const sum = (SUM_COLUMNS as readonly KlineColumn[]).indexOf(key)
  return sum >= 0 && (rounded & (1 << sum)) !== 0 && areNeighbours(ours, theirs) ? 'rounding' : 'value'
}

/** True for two doubles above 0 with none between them. */
export function areNeighbours(a: number, b: number): boolean {
  const [low, high] = a < b ? [a, b] : [b, a]
  const bits = new BigInt64Array(new Float64Array([low, high]).buffer)
  return (bits[1] as bigint) - (bits[0] as bigint) === 1n
}

function bar(kind: DifferenceKind, slotUs: number): BarDifference {
  return { kind, open_time: isoOfUs(slotUs), column: null, resampled: null, exchange: null }
}
