import { chunkOfUs, chunkRange, nextChunk, previousChunk } from '../dataset/chunk.ts'
import { isSequence } from '../dataset/expected.ts'
import { rowsWithin } from '../dataset/rows.ts'
import { AGG_TRADES, TRADES } from '../dataset/sets/trades.ts'
import { abortError, CkvdError } from '../errors.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { LakeContent } from '../lake/current-shard.ts'
import { readCurrentShard } from '../lake/current-shard.ts'
import type { UnexplainedDay } from '../lake/day-facts.ts'
import { countsAsExplained, unexplainedDay } from '../lake/day-facts.ts'
import type { NeverRequested } from '../lake/requested.ts'
import { readRequested } from '../lake/requested.ts'
import type { BarRule } from '../model/bar-rule.ts'
import type { Columns } from '../model/columns.ts'
import { sliceColumns } from '../model/columns.ts'
import { isExplained } from '../model/condition.ts'
import type { EvidencedGap } from '../model/evidence.ts'
import { isProof } from '../model/evidence.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { ResampledBars } from '../model/resample.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { chunksOf } from './resample-lake.ts'
import type { LakeBars } from './resample-lake.ts'
import { amountColumnOf } from './amount-column.ts'
import type { Hole } from './sized-bars.ts'
import { SizedBars } from './sized-bars.ts'
import { asBars } from './trade-bars.ts'

/** Rows that are bars at once: eleven columns of them take 6 MB. */
const PIECE_ROWS = 65_536

/** Bars of a size of their own, made of trades, aggregates or shorter bars of a lake, day after day: no more than a day of them is in memory. */
export class SizedLake {
  /** days that are not explained; grows while `bars` goes on */
  readonly unexplained: UnexplainedDay[] = []
  /** days of which the lake knows nothing */
  readonly neverRequested: NeverRequested[] = []
  readonly #lake: LakeContent
  readonly #series: Series
  readonly #rule: BarRule
  readonly #range: TimeRange

  /**
   * @param range in which all rows lie that bars are made of
   * @throws CKVD_USAGE for a rule about an asset in which the symbol does not trade, and for what cannot be summed
   */
  constructor(lake: LakeContent, series: Series, rule: BarRule, range: TimeRange) {
    this.#lake = lake
    this.#series = series
    this.#rule = rule
    this.#range = range
    if (series.dataset === AGG_TRADES.name && series.market === 'cm')
      throw new CkvdError('CKVD_USAGE', 'Expected trades or bars of COIN-M, got aggTrades: they do not tell what a contract is worth.')
    if (rule.kind === 'amount') amountColumnOf(series, rule.asset)
  }

  /** True when the lake knows of any day for the range. */
  hasDays(): boolean {
    return this.#lake.catalog.iterateDays(this.#series, ...chunksOf(this.#series, this.#range)).next().done !== true
  }

  /** Throws CKVD_SHARD_MISSING, CKVD_SHARD_DIGEST, CKVD_SHARD_FORMAT, CKVD_LAKE_IO, CKVD_ABORTED. */
  async *bars(signal: AbortSignal): AsyncGenerator<LakeBars, void> {
    const range = this.#storedRange()
    if (range === undefined) return
    const amount = this.#rule.kind === 'amount' ? amountColumnOf(this.#series, this.#rule.asset) : 'volume'
    const sized = new SizedBars(this.#rule, amount, range)
    this.#missAt(previousChunk(chunkOfUs(range.startUs, this.#series), this.#series), (gap) => gap.endUs >= range.startUs, sized)
    const [start, end] = chunksOf(this.#series, this.#range)
    const days = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }
    for (const { row, never } of readRequested(this.#lake.catalog, this.#series, days, days)) {
      if (signal.aborted) throw abortError(signal)
      if (never !== undefined) {
        this.neverRequested.push(never)
        sized.miss({ startUs: this.#rangeOf(never.first).startUs, endUs: this.#rangeOf(never.last).endUs, reachesRows: false })
        continue
      }
      const { row: now, shard } = await readCurrentShard<Columns>(this.#lake, row, signal)
      if (!countsAsExplained(now)) this.#note(now)
      for (const hole of this.#holesOf(now, shard !== undefined)) sized.miss(hole)
      const own = shard === undefined ? undefined : rowsWithin(shard.columns, this.#range)
      for (let at = 0; at < (own?.openTime.length ?? 0); at += PIECE_ROWS) {
        sized.push(this.#asBars(sliceColumns(own as Columns, at, at + PIECE_ROWS)))
        yield withNothingExplained(sized.take())
      }
    }
    this.#missAt(chunkOfUs(range.endUs, this.#series), (gap) => gap.startUs <= range.endUs, sized)
    sized.finish()
    yield withNothingExplained(sized.take())
  }

  /** The part of the range of which the lake has days; undefined: it has none. */
  #storedRange(): TimeRange | undefined {
    const { startUs, endUs } = this.#range
    const days = this.#lake.catalog.readDays(this.#series, ...chunksOf(this.#series, this.#range))
    const [first, last] = [days[0], days.at(-1)]
    if (first === undefined || last === undefined) return undefined
    return { startUs: Math.max(this.#rangeOf(first.day).startUs, startUs), endUs: Math.min(this.#rangeOf(last.day).endUs, endUs) }
  }

  /** A hole at the border of the range may be told with the chunk beside it: of that chunk nothing else counts. */
  #missAt(day: UtcDay, isAtBorder: (gap: EvidencedGap) => boolean, sized: SizedBars): void {
    const row = isSequence(this.#series) ? this.#lake.catalog.getDay(this.#series, day) : undefined
    const gap = row === undefined ? undefined : this.#openGapsOf(day).find(isAtBorder)
    if (row === undefined || gap === undefined) return
    if (!countsAsExplained(row)) this.#note(row)
    sized.miss({ startUs: gap.startUs, endUs: gap.endUs, reachesRows: true })
  }

  #note(row: DayRow): void {
    this.unexplained.push(unexplainedDay(row, this.#gapsOf(row.day)))
  }

  /** Where rows of a day are missing that are not known to be nowhere. */
  #holesOf({ day, condition }: DayRow, hasRows: boolean): Hole[] {
    if (hasRows) return this.#openGapsOf(day).map(({ startUs, endUs }) => ({ startUs, endUs, reachesRows: isSequence(this.#series) }))
    return isExplained(condition) && condition !== 'pending' ? [] : [{ ...this.#rangeOf(day), reachesRows: false }]
  }

  #asBars(rows: Columns): KlineColumns {
    const { dataset } = this.#series
    return dataset === TRADES.name || dataset === AGG_TRADES.name ? asBars(rows, dataset === AGG_TRADES.name) : (rows as KlineColumns)
  }

  #gapsOf(day: UtcDay): EvidencedGap[] {
    return this.#lake.catalog.listGaps(this.#series, day, nextChunk(day, this.#series))
  }

  #openGapsOf(day: UtcDay): EvidencedGap[] {
    return this.#gapsOf(day).filter(({ evidence }) => !isProof(evidence))
  }

  #rangeOf(day: UtcDay): TimeRange {
    return chunkRange(day, this.#series)
  }
}

function withNothingExplained(bars: ResampledBars): LakeBars {
  return { ...bars, explained: new Int32Array(bars.bars.length) }
}
