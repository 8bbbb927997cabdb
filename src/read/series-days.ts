import type PQueue from 'p-queue'
import type { AcquireContext } from '../acquire/archive-task.ts'
import { fetchListings } from '../acquire/plan/listed-plan.ts'
import type { PlanScope } from '../acquire/plan/plan-scope.ts'
import { planSeries } from '../acquire/plan/plan.ts'
import type { AcquiredDay } from '../acquire/day.ts'
import { heldOfAcquired } from '../acquire/repair.ts'
import type { LaneWork, SeriesHost } from '../acquire/run-series.ts'
import { runSeries } from '../acquire/run-series.ts'
import type { Beginnings } from '../acquire/life/series-life.ts'
import { consecutive, nextChunk, previousChunk } from '../dataset/chunk.ts'
import { isToldByIds } from '../dataset/reach.ts'
import type { CkvdError } from '../errors.ts'
import type { DayRow, SeriesRow } from '../lake/catalog/catalog-rows.ts'
import type { LakeContent } from '../lake/current-shard.ts'
import { readCurrentShard } from '../lake/current-shard.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { Listing } from '../sources/vision/listing.ts'
import type { RestWitness } from './rest-witness.ts'

/** What a closed chunk turned out to be. */
export type DayOutcome =
  | { readonly kind: 'acquired'; readonly day: AcquiredDay }
  /** it stays as it is in the lake */
  | { readonly kind: 'kept'; readonly row: DayRow }
  /** before the series' first bar or after its last one: no bar is expected */
  | { readonly kind: 'unlisted' }

export interface SeriesDaysContext {
  readonly listing: Listing
  readonly acquire: Omit<AcquireContext, 'signal' | 'rest'>
  /** null: REST is off */
  readonly rest: RestWitness | null
  /** bounds what is on its way over all calls */
  readonly lanes: PQueue
  /** what the lake, or an earlier call, knows of the series */
  readonly known: SeriesRow | undefined
  readonly beginnings: Beginnings
  /** the last chunk with bars that the lake has, wherever it lies */
  readonly lastStored: UtcDay | null
  /** rows that the lake has for the days, where a day is acquired again */
  readonly rows: ReadonlyMap<UtcDay, DayRow>
  /** where the shards of `rows` lie; null: there are none */
  readonly lake: LakeContent | null
  readonly nowUs: number
  readonly signal: AbortSignal
  /** a signal for some days' own work */
  readonly signalFor: (days: readonly UtcDay[]) => AbortSignal
  readonly emit: (day: UtcDay, outcome: DayOutcome) => Promise<void> | void
}

/**
 * Acquires closed chunks of a series, the same way as `ingest` does, without a plan on disk. `emit` is called once for each day, in no
 * fixed order. Gives what is known of the series afterwards.
 * @param days in order, not empty
 * @throws CKVD_UNKNOWN_SYMBOL, CKVD_ABORTED, errors of the listing
 */
export async function acquireSeriesDays(series: Series, days: readonly UtcDay[], ctx: SeriesDaysContext): Promise<SeriesRow | undefined> {
  const listings = await fetchListings(series, days[0] as UtcDay, ctx.known, {
    ...ctx,
    scope: scopeOf(series, days, ctx),
    catalog: null,
    adoptInto: null,
  })
  const known = await settleAll(
    consecutive(days, series).map(async (run) => {
      const plan = planSeries(series, scopeOf(series, run, ctx), listings, ctx.known, ctx.rows, ctx.lastStored)
      const host = new CallHost(series, run, ctx)
      const after = await runSeries(plan, host)
      host.throwFailure()
      await host.finish()
      return after
    }),
  )
  return known.reduce((a, b) => (a === undefined || b === undefined ? (a ?? b) : joinKnown(a, b)), undefined)
}

function joinKnown(a: SeriesRow, b: SeriesRow): SeriesRow {
  const later = (x: number | null, y: number | null): number | null => (x === null ? y : y === null ? x : Math.max(x, y))
  return {
    ...b,
    ...(b.firstOpenUs === null ? { firstOpenUs: a.firstOpenUs, firstSource: a.firstSource } : {}),
    lastOpenUs: later(a.lastOpenUs, b.lastOpenUs),
    endedUs: a.endedUs ?? b.endedUs,
  }
}

function scopeOf(series: Series, days: readonly UtcDay[], ctx: Pick<SeriesDaysContext, 'rest' | 'nowUs'>): PlanScope {
  return {
    start: days[0] as UtcDay,
    end: nextChunk(days.at(-1) as UtcDay, series),
    archives: 'auto',
    rest: ctx.rest !== null,
    crossCheck: false,
    force: false,
    refresh: false,
    retryFailed: false,
    nowUs: ctx.nowUs,
  }
}

/** A call of the library as the host of consecutive days: each is emitted once, and work for days that nobody waits for is stopped. */
class CallHost implements SeriesHost {
  readonly acquire: SeriesHost['acquire']
  readonly nowUs: number
  readonly scope: SeriesHost['scope']
  readonly signal: AbortSignal
  readonly known: SeriesRow | undefined
  readonly beginnings: Beginnings
  readonly #ctx: SeriesDaysContext
  readonly #series: Series
  readonly #left: Set<UtcDay>
  /** days that are acquired and may still be given rows, by the work on their neighbours */
  readonly #held = new Map<UtcDay, AcquiredDay>()
  #failure: CkvdError | null = null

  constructor(series: Series, days: readonly UtcDay[], ctx: SeriesDaysContext) {
    this.#ctx = ctx
    this.#series = series
    this.#left = new Set(days)
    this.acquire = { ...ctx.acquire, rest: ctx.rest }
    this.nowUs = ctx.nowUs
    this.scope = scopeOf(series, days, ctx)
    // what all days depend on ends when nobody waits for any of them
    this.signal = ctx.signalFor(days)
    this.known = ctx.known
    this.beginnings = ctx.beginnings
  }

  ready(): Promise<boolean> {
    return Promise.resolve(true)
  }

  inArchiveLane({ days }: { readonly days: readonly UtcDay[] }, work: LaneWork): Promise<void> {
    return this.inRestLane(days, work)
  }

  /** Work for some days; that nobody waits for them any more stops it, and harms no other work. */
  async inRestLane(days: readonly UtcDay[], work: LaneWork): Promise<void> {
    const signal = this.#ctx.signalFor(days)
    try {
      await this.#ctx.lanes.add(async () => {
        if (!signal.aborted) await work(signal)
      })
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async emit(requested: readonly UtcDay[], days: readonly AcquiredDay[]): Promise<void> {
    const acquired = new Map(days.map((day) => [day.day, day]))
    await Promise.all(
      [...new Set([...requested, ...acquired.keys()])].map(async (day) => {
        const own = acquired.get(day)
        if (own === undefined) await this.#emit(day, { kind: 'unlisted' })
        else if (!isToldByIds(this.#series)) await this.#emit(day, { kind: 'acquired', day: own })
        else this.#held.set(day, own)
      }),
    )
    await this.#release((day) => this.#isOver(previousChunk(day, this.#series)) && this.#isOver(nextChunk(day, this.#series)))
  }

  /** True of a day on which no work is left that could show what its neighbours lack. */
  #isOver(day: UtcDay): boolean {
    return !this.#left.has(day) || this.#held.has(day)
  }

  async #release(isDue: (day: UtcDay) => boolean): Promise<void> {
    const due = [...this.#held].filter(([day]) => isDue(day))
    await Promise.all(due.map(([day, own]) => this.#emit(day, { kind: 'acquired', day: own })))
    for (const [day] of due) this.#held.delete(day)
  }

  async amend(day: UtcDay, make: Parameters<SeriesHost['amend']>[1]): Promise<boolean> {
    const acquired = this.#held.get(day)
    const held = acquired === undefined ? undefined : heldOfAcquired(this.#series, acquired)
    const made = held === undefined ? undefined : await make(held)
    if (made !== undefined) this.#held.set(day, made)
    return made !== undefined
  }

  keep(day: UtcDay): void {
    // it stays among those that are left: see `finish`
    void day
  }

  fail(_days: number, error: CkvdError): void {
    this.#failure = error
  }

  async readStored(day: UtcDay): ReturnType<SeriesHost['readStored']> {
    const { rows, lake } = this.#ctx
    const known = rows.get(day)
    if (known === undefined || known.shardSha256 === null || lake === null) return undefined
    const { row, shard } = await readCurrentShard(lake, known, this.signal)
    return shard === undefined ? undefined : { day, columns: shard.columns, meta: shard.meta, row }
  }

  rowOf(day: UtcDay): DayRow | undefined {
    return this.#ctx.rows.get(day)
  }

  noteProvisional(): void {
    // the call's own answer does not depend on it: what is missing is told with its evidence
  }

  throwFailure(): void {
    if (this.#failure !== null) throw this.#failure
  }

  /** A day of which no bar is expected is left out by all work; one that stays as it is in the lake has its row. */
  async finish(): Promise<void> {
    await this.#release(() => true)
    for (const day of [...this.#left]) {
      const row = this.#ctx.rows.get(day)
      await this.#emit(day, row === undefined ? { kind: 'unlisted' } : { kind: 'kept', row })
    }
  }

  async #emit(day: UtcDay, outcome: DayOutcome): Promise<void> {
    if (!this.#left.delete(day)) return
    await this.#ctx.emit(day, outcome)
  }
}

/** Waits for all, then throws the first error: no work goes on unseen behind one that failed. */
async function settleAll<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
