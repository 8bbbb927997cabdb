import type { CkvdError } from '../errors.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { Series } from '../model/series.ts'
import type { RequestKind } from '../sources/http/http.ts'
import type { ArchiveEntry } from '../sources/vision/archive-page.ts'
import type { PlanTotals } from './planner.ts'

/** A snapshot of a run that goes on. */
export interface IngestProgress {
  /** archives and REST stretches done, of how many planned */
  readonly done: number
  /** archives and REST stretches planned */
  readonly total: number
  /** archives downloaded, decoded and stored */
  readonly archives: number
  /** chunks recorded */
  readonly days: number
  /** bars written */
  readonly rows: number
  /** bytes received, all requests; with a bound on the rate those that it has let through */
  readonly bytesDownloaded: number
  /** requests sent, by kind */
  readonly requests: Readonly<Record<RequestKind, number>>
  /** chunks and series that are not explained so far */
  readonly problems: number
  /** milliseconds since the run began */
  readonly elapsedMs: number
  /** milliseconds left at the rate so far; null while unknown */
  readonly etaMs: number | null
}

/** How far the plan of a run is. */
export interface IngestPlanning {
  /** series planned so far */
  readonly planned: number
  /** symbols of the universe; of each there may be several data sets */
  readonly symbols: number
  /** bytes received so far, all requests; with a bound on the rate those that it has let through */
  readonly bytesDownloaded: number
  /** milliseconds since planning began */
  readonly elapsedMs: number
}

/** What a run tells while it goes on. All calls are synchronous and must not throw. */
export interface IngestEvents {
  /** the number under which the lake remembers the run */
  onRun?(run: number): void
  /** called after every series, and each second while listings are read */
  onPlanning?(planning: IngestPlanning): void
  /** the account of REST weight cannot be where it belongs: what was wrong, and where it is instead (null: in memory) */
  onMisplaced?(error: CkvdError, path: string | null): void
  /** the whole plan; downloads may have begun */
  onPlan?(totals: PlanTotals, series: number): void
  /** a series is planned and nothing else is to be done (`planIngest`): the archives that it needs, by day */
  onArchives?(series: Series, archives: readonly ArchiveEntry[]): void
  /** a chunk is recorded; for logs */
  onChunk?(row: DayRow): void
  /** something worth knowing that is no problem, as soon as it is known; it is in the result's `notes`, too */
  onNote?(note: string): void
  /** called after every archive and stretch, and each second, once the whole plan is told: the receiver decides how often it draws */
  onProgress?(progress: IngestProgress): void
}

/** Counts the work of a run. */
export class ProgressMeter {
  readonly #startedMs = performance.now()
  /** archives planned so far */
  planned = 0
  archives = 0
  stretches = 0
  days = 0
  rows = 0
  #plannedMs = 0
  #bytesBefore = 0
  #bytesPlanned = 0

  /**
   * The whole plan is known: before the first archive is done the bytes alone tell how long it will take.
   * @param bytes bytes of the archives in the plan
   * @param received bytes received so far, listings above all
   */
  endPlanning(bytes: number, received: number): void {
    this.#plannedMs = performance.now()
    this.#bytesPlanned = bytes
    this.#bytesBefore = received
  }

  /** Milliseconds until the planned bytes are here, at the rate since the plan was made; null where none have come. */
  #etaOfBytes(received: number): number | null {
    const came = received - this.#bytesBefore
    const left = this.#bytesPlanned - came
    return came <= 0 || left <= 0 ? null : ((performance.now() - this.#plannedMs) / came) * left
  }

  snapshot(http: { counts: Readonly<Record<RequestKind, number>>; bytesThrough: number }, problems: number): IngestProgress {
    const elapsedMs = performance.now() - this.#startedMs
    const done = this.archives + this.stretches
    const left = Math.max(0, this.planned - done)
    return {
      done,
      total: Math.max(this.planned, done),
      archives: this.archives,
      days: this.days,
      rows: this.rows,
      bytesDownloaded: http.bytesThrough,
      requests: http.counts,
      problems,
      elapsedMs,
      etaMs: done === 0 ? this.#etaOfBytes(http.bytesThrough) : (elapsedMs / done) * left,
    }
  }
}
