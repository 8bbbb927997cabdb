import type PQueue from 'p-queue'
import type { AcquireContext, ArchiveTask } from '../acquire/archive-task.ts'
import { acquireArchive } from '../acquire/archive-days.ts'
import { acquireDaysFromRest, consecutive } from '../acquire/rest-days.ts'
import { unknownSymbol } from '../acquire/unknown-symbol.ts'
import { fetchListings } from '../acquire/listed-plan.ts'
import type { PlanScope, SeriesListings, SeriesPlan } from '../acquire/plan.ts'
import { planSeries } from '../acquire/plan.ts'
import type { AcquiredDay, SeriesBounds } from '../acquire/reconcile.ts'
import { askBirth } from '../acquire/birth.ts'
import { repairDay } from '../acquire/repair.ts'
import { acquireTail } from '../acquire/tail.ts'
import type { DayRow, SeriesRow } from '../lake/catalog-rows.ts'
import { readShard } from '../lake/shards.ts'
import { chunkEndUs } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import { chunkOfUs, nextChunk } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs } from '../model/utc-day.ts'
import type { Listing } from '../sources/listing.ts'
import type { RestWitness } from './rest-witness.ts'

/** What a closed chunk turned out to be. */
export type DayOutcome =
  | { readonly kind: 'acquired'; readonly day: AcquiredDay }
  /** before the series' first bar or after its last one: no bar is expected */
  | { readonly kind: 'unlisted' }

/** What is known of a series' life. */
export interface KnownSeries extends SeriesRow {
  /** REST was asked for the first bar: it may know bars from before the first archive, which `firstOpenUs` of an archive does not tell */
  readonly isStartAsked?: boolean
}

export interface SeriesDaysContext {
  readonly listing: Listing
  readonly acquire: Omit<AcquireContext, 'signal' | 'rest'>
  /** null: REST is off */
  readonly rest: RestWitness | null
  /** bounds what is on its way over all calls */
  readonly lanes: PQueue
  /** what the lake, or an earlier call, knows of the series */
  readonly known: KnownSeries | undefined
  /** rows that the lake has for the days, where a day is acquired again */
  readonly rows: ReadonlyMap<UtcDay, DayRow>
  /** root of the lake that has the shards of `rows` */
  readonly lakeRoot: string | null
  readonly nowUs: number
  readonly signal: AbortSignal
  /** a signal for some days' own work */
  readonly signalFor: (days: readonly UtcDay[]) => AbortSignal
  readonly emit: (day: UtcDay, outcome: DayOutcome) => Promise<void> | void
  /** told what turns up of the series' life, before the days that follow from it */
  readonly learn: (known: KnownSeries) => void
}

/**
 * Acquires closed chunks of a series: what `ingest` would do of the same days, without a plan on disk. `emit` is called once for each
 * day, in no fixed order. Gives what is known of the series afterwards.
 * @param days in order, not empty
 * @throws CKVD_UNKNOWN_SYMBOL, CKVD_ABORTED, errors of the listing
 */
export async function acquireSeriesDays(series: Series, days: readonly UtcDay[], ctx: SeriesDaysContext): Promise<KnownSeries> {
  const scope = scopeOf(series, days, ctx)
  const listings = await fetchListings(series, days[0] as UtcDay, ctx.known, { ...ctx, scope, catalog: null, adoptInto: null })
  const born = listings.firstDay ?? ctx.known?.firstDay ?? null
  const seen = { startUs: ctx.known?.firstOpenUs ?? null, isAsked: ctx.known?.isStartAsked ?? false }
  if (born === null && seen.startUs === null) {
    seen.startUs = (await ctx.rest?.fetchFirstBar(series, { signal: ctx.signal })) ?? null
    seen.isAsked = true
    if (seen.startUs === null) throw unknownSymbol(series, ctx.rest !== null)
  }
  const known = {
    ...series,
    firstDay: born,
    lastDay: ctx.known?.lastDay ?? null,
    firstOpenUs: seen.startUs,
    listedAt: ctx.known?.listedAt ?? null,
    isStartAsked: seen.isAsked,
  }
  ctx.learn(known)
  const runs = consecutive(days, series)
  const lastDays = await settleAll(runs.map((run) => new Run(series, run, { ...ctx, known }, seen).acquire(listings)))
  const lastDay =
    lastDays
      .filter((day) => day !== null)
      .sort()
      .at(-1) ?? known.lastDay
  return { ...known, firstOpenUs: seen.startUs, isStartAsked: seen.isAsked, lastDay }
}

function scopeOf(series: Series, days: readonly UtcDay[], ctx: Pick<SeriesDaysContext, 'rest' | 'nowUs'>): PlanScope {
  return {
    start: days[0] as UtcDay,
    end: nextChunk(days.at(-1) as UtcDay, series.interval),
    archives: 'auto',
    rest: ctx.rest !== null,
    crossCheck: false,
    force: false,
    refresh: false,
    retryFailed: false,
    nowUs: ctx.nowUs,
  }
}

/** Open time of the series' first bar, as far as it has turned up, and whether REST was asked for it. */
interface SeenStart {
  startUs: number | null
  isAsked: boolean
}

/** Consecutive days and what becomes of each. */
class Run {
  readonly #series: Series
  readonly #days: readonly UtcDay[]
  readonly #ctx: SeriesDaysContext
  readonly #seen: SeenStart
  readonly #left: Set<UtcDay>

  constructor(series: Series, days: readonly UtcDay[], ctx: SeriesDaysContext, seen: SeenStart) {
    this.#series = series
    this.#days = days
    this.#ctx = ctx
    this.#seen = seen
    this.#left = new Set(days)
  }

  /** Gives the last day that has an archive, as far as is known. */
  async acquire(listings: SeriesListings): Promise<UtcDay | null> {
    const { rows, known, rest } = this.#ctx
    const plan = planSeries(this.#series, scopeOf(this.#series, this.#days, this.#ctx), listings, known, rows)
    const { bounds: boundsAtFirst, isGuess } =
      plan.askedFrom !== null && rest !== null
        ? await this.#acquireLead(plan, plan.askedFrom, rest)
        : { bounds: plan.bounds, isGuess: false }
    let bounds = boundsAtFirst
    const ended = plan.tail.length > 0 && !plan.more ? await this.#acquireTail(plan.tail, bounds, plan.lastDay) : false
    const last = plan.tasks.reduce<ArchiveTask | null>((a, b) => (a === null || b.archive.firstDay > a.archive.firstDay ? b : a), null)
    const holes = consecutive(plan.more ? [...plan.holes, ...plan.tail] : plan.holes, this.#series)
    const acquire = (task: ArchiveTask): Promise<void> =>
      this.#acquireArchive({ ...task, startsSeries: task.startsSeries && !isGuess, endsSeries: ended && task === last, bounds })
    // where the series begins decides which bars the other archives lack
    const birth = isGuess || bounds.startUs !== null ? undefined : plan.tasks.find(({ startsSeries }) => startsSeries)
    if (birth !== undefined) {
      await acquire(birth)
      bounds = { ...bounds, startUs: this.#seen.startUs }
    }
    await settleAll([
      ...plan.tasks.filter((task) => task !== birth).map(acquire),
      ...holes.map((run) => this.#askRest(run, bounds, 'no archive of this day is listed')),
      ...plan.repairs.map((day) => this.#repair(day, bounds)),
    ])
    // a day of which no bar is expected is left out by all of them; one that stays as it is in the lake has its row
    for (const day of [...this.#left]) {
      const row = rows.get(day)
      await this.#emit(day, row === undefined ? { kind: 'unlisted' } : { kind: 'acquired', day: keptDay(row) })
    }
    return plan.lastDay
  }

  #learnStart(startUs: number, isAsked: boolean): void {
    this.#seen.startUs = startUs
    this.#seen.isAsked ||= isAsked
    if (this.#ctx.known !== undefined) this.#ctx.learn({ ...this.#ctx.known, firstOpenUs: startUs, isStartAsked: this.#seen.isAsked })
  }

  async #emit(day: UtcDay, outcome: DayOutcome): Promise<void> {
    this.#left.delete(day)
    await this.#ctx.emit(day, outcome)
  }

  async #emitAll(days: readonly AcquiredDay[]): Promise<void> {
    await Promise.all(days.filter(({ day }) => this.#left.has(day)).map((day) => this.#emit(day.day, { kind: 'acquired', day })))
  }

  async #acquireArchive(task: ArchiveTask): Promise<void> {
    await this.#inLane(task.days, async (signal) => {
      const acquired = await acquireArchive(task, { ...this.#ctx.acquire, rest: this.#ctx.rest, signal })
      if (acquired.startUs !== null) this.#learnStart(acquired.startUs, false)
      await this.#emitAll(acquired.days)
    })
  }

  async #askRest(days: readonly UtcDay[], bounds: SeriesBounds, reason: string): Promise<void> {
    const { rest } = this.#ctx
    const task = { series: this.#series, days, bounds, endsSeries: false, archive: null, reason }
    await this.#inLane(days, async (signal) => this.#emitAll(await acquireDaysFromRest(task, { rest, signal })))
  }

  async #repair(day: UtcDay, bounds: SeriesBounds): Promise<void> {
    const { rest, rows, lakeRoot } = this.#ctx
    const row = rows.get(day)
    if (row === undefined || lakeRoot === null) return
    await this.#inLane([day], async (signal) => {
      const shard = await readShard(lakeRoot, this.#series, day, row)
      await this.#emitAll([await repairDay(this.#series, { day, columns: shard.columns, meta: shard.meta, row }, bounds, { rest, signal })])
    })
  }

  async #acquireTail(days: readonly UtcDay[], bounds: SeriesBounds, lastDay: UtcDay | null): Promise<boolean> {
    const { rest, nowUs } = this.#ctx
    const lastKnownEndUs = lastDay === null ? null : chunkEndUs(lastDay, this.#series.interval)
    let ended = false
    await this.#inLane(days, async (signal) => {
      const tail = await acquireTail({ series: this.#series, days, bounds, lastKnownEndUs, nowUs }, { rest, signal })
      ended = tail.ended
      await this.#emitAll(tail.days)
    })
    return ended
  }

  /**
   * Before the first archive REST may know earlier bars: it is asked once for the first one. Where it cannot be asked, bars are expected
   * from `askedFrom` on (`isGuess`): what is then missing is unexplained. All days of the run depend on the answer, those in the archive
   * of the month in which the series begins, too.
   */
  async #acquireLead(plan: SeriesPlan, askedFrom: UtcDay, rest: RestWitness): Promise<{ bounds: SeriesBounds; isGuess: boolean }> {
    const { lead, bounds, firstDay } = plan
    const signal = this.#ctx.signalFor(this.#days)
    const birth = await askBirth(this.#series, rest, signal)
    if (!birth.asked) {
      const { error } = birth
      const evidence = `REST could not be asked whether ${this.#series.symbol} began before its first archive`
      await this.#emitAll(lead.map((day) => ({ ...bareDay(day), condition: 'partial' as const, evidence, error })))
      return bounds.startUs === null ? { bounds: { ...bounds, startUs: dayStartUs(askedFrom) }, isGuess: true } : { bounds, isGuess: false }
    }
    const { firstUs } = birth
    if (firstUs === null) return { bounds, isGuess: false }
    const first = chunkOfUs(firstUs, this.#series.interval)
    const own = { startUs: firstUs, endUs: null }
    const alive = lead.filter((day) => day >= first)
    for (const run of consecutive(alive, this.#series)) await this.#askRest(run, own, 'before the first archive')
    // a first bar after the first archive contradicts the archive: the archive is believed
    if (firstDay !== null && first > firstDay) return { bounds, isGuess: false }
    this.#learnStart(firstUs, true)
    return { bounds: own, isGuess: false }
  }

  /** Work for some days; that nobody waits for them any more stops it, and harms no other work. */
  async #inLane(days: readonly UtcDay[], work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const signal = this.#ctx.signalFor(days)
    try {
      await this.#ctx.lanes.add(async () => {
        if (!signal.aborted) await work(signal)
      })
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** Waits for all, then throws the first error: no work goes on unseen behind one that failed. */
async function settleAll<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work)
  return Promise.all(work)
}

/** A day of which nothing was acquired. */
function bareDay(day: UtcDay): Omit<AcquiredDay, 'condition' | 'evidence' | 'error'> {
  const counts = { rows: 0, expected: 0, offGrid: 0, duplicates: 0, oddClose: 0, oddRows: 0, conflicts: 0, differing: 0 }
  return { day, shard: null, shardSha256: null, source: null, ...counts, archive: null, gaps: [] }
}

/** A day that is not tried again now: an archive in quarantine that has not changed. */
function keptDay(row: DayRow): AcquiredDay {
  return { ...bareDay(row.day), condition: row.condition, expected: row.expected, evidence: row.error ?? row.evidence, error: null }
}
