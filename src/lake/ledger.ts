import type { EvidencedGap } from '../model/evidence.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { BeginningRow, CatalogWrite, DayRow, RevisionRow, RunRow, SeriesRow } from './catalog/catalog-rows.ts'

/** Some days of a series that follow each other. `end` is excluded. */
export interface DayRange {
  readonly first: UtcDay
  readonly end: UtcDay
}

/** Days that stand in a pack with all of their bars. */
export interface WholeDays extends DayRange {
  readonly rows: number
  /** SHA-256 of the rows of each day, as hex digits, one after the other; empty where `pack` proves them */
  readonly digests: string
  /** the pack that has them, where its file proves all of it */
  readonly pack?: WholePack
}

/** A pack whose days are all there with all of their bars. */
export interface WholePack extends DayRange {
  /** SHA-256 of its file, as hex digits */
  readonly sha256: string
}

/** A pack that was written. */
export interface WrittenPack extends WholePack {
  readonly series: Series
}

/**
 * What is known of a lake's chunks, for who reads: what is committed, also while somebody writes. Ranges of days are half-open. All may throw
 * `CKVD_CATALOG`, `CKVD_LAKE_IO`.
 *
 * Answers are given at once, since between what is known of a day and what is decided of it nothing may wait; a ledger far away answers from
 * what it has read ahead, a series at a time.
 */
export interface LedgerReader {
  getSeries(series: Series): SeriesRow | undefined
  /** Series that the listing was read for, in order. */
  listSeries(): SeriesRow[]
  /** Series that have at least one day, whether or not the listing was read for them, in order. */
  listStoredSeries(): Series[]
  getDay(series: Series, day: UtcDay): DayRow | undefined
  /** Days in [from, to), in order. */
  readDays(series: Series, from?: UtcDay, to?: UtcDay): DayRow[]
  /** As `readDays`, without holding all of them; the caller may write meanwhile, or stop early. */
  iterateDays(series: Series, from?: UtcDay, to?: UtcDay): Generator<DayRow, void>
  /**
   * Of some ranges of a series in packs those of which each day is there with `bars` bars, all that it expects, as `complete` or `provisional`:
   * what is needed to read them, without a row for each. In no fixed order.
   */
  findWhole(series: Series, ranges: readonly DayRange[], bars: number): WholeDays[]
  /** How many chunks in [from, to) are `complete` with `bars` bars, all that they expect, and need not be looked at again. */
  countSettled(series: Series, from: UtcDay, to: UtcDay, bars: number): number
  /** Gaps that start in [from, to), in order. */
  listGaps(series: Series, from?: UtcDay, to?: UtcDay): EvidencedGap[]
  /** The last chunk of the series that has bars; null when none has. */
  lastDayWithBars(series: Series): UtcDay | null
  /** Chunks whose row last changed at that time (ISO text with milliseconds) or later, in order. */
  readDaysSince(series: Series, since: string): DayRow[]
  /** Versions that were replaced at that time or later, by day, the oldest first. */
  readRevisionsSince(series: Series, since: string): RevisionRow[]
  /** Runs that have written to the lake, in order. */
  listRuns(): RunRow[]
  /** REST's answers to "the first bar of all" of a symbol, by interval. */
  listBeginnings(symbol: Pick<Series, 'market' | 'symbol'>): BeginningRow[]
}

/**
 * What is known of a lake's chunks, for the one who holds its write lock, who sees at once what it has written. Also throws `CKVD_DISK_FULL`, and
 * `CKVD_BUG` for a row that cannot be.
 *
 * `commit` alone is waited for: it comes with a group of chunks, and a ledger far away sends with it what the other methods have written since.
 */
export interface Ledger extends LedgerReader {
  /** How messages name it: a file, or an address. */
  readonly place: string
  /**
   * Records chunks: all of them or, when it fails, none; durable when it is done. Gaps take the place of all that the chunk had, a version that
   * is replaced is kept, and a person's acceptance outlives a row of the same unexplained condition.
   * @param packs files of klines that hold these chunks, each proven, and no others: those with all of their bars may be told by `findWhole`
   */
  commit(batch: readonly CatalogWrite[], packs?: readonly WrittenPack[]): void | Promise<void>
  putSeries(row: SeriesRow): void
  putBeginning(row: BeginningRow): void
  /** Records why a person accepts a chunk that is there: it counts as explained, and its condition stays. */
  setAccepted(series: Series, day: UtcDay, reason: string): void
  /** Forgets a chunk, its gaps and its revisions; the shard stays. */
  deleteDay(series: Series, day: UtcDay): void
  /** Forgets a series; its shards stay. */
  deleteSeries(series: Series): void
  /** Records that a run has begun; gives its id. `startedAt` is ISO text. */
  startRun(run: { readonly startedAt: string; readonly command: string }): number
  /** Records that a run has ended; `counts` is stored as JSON. */
  endRun(id: number, end: { readonly endedAt: string; readonly counts: unknown; readonly exit: number }): void
}
