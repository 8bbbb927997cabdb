import PQueue from 'p-queue'
import { acquireArchive } from '../acquire/archive-days.ts'
import type { AcquireContext, ArchiveTask } from '../acquire/archive-task.ts'
import type { PlanScope, SeriesPlan } from '../acquire/plan.ts'
import type { AcquiredDay, SeriesBounds } from '../acquire/reconcile.ts'
import { repairDay } from '../acquire/repair.ts'
import type { RestGate } from '../acquire/rest-gate.ts'
import { abortError, CkvdError } from '../errors.ts'
import { readShard } from '../lake/shards.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { Backlog } from './backlog.ts'
import { ByteBudget } from './byte-budget.ts'
import type { ChunkSinkContext } from './chunk-sink.ts'
import { ChunkSink } from './chunk-sink.ts'
import { RestStretches } from './rest-stretches.ts'
import { SeriesEnds } from './series-ends.ts'

/** Series worked on at once at most: enough to keep the lanes full where each series has few archives left. */
const SERIES_LANES = 16
/** No further series is begun while those at work have so many archives left for each lane: a plan of years is large. */
const ARCHIVES_AHEAD = 2
/** Bytes that archives in flight may take, from the first byte fetched to the last byte stored. */
const IN_FLIGHT_BYTES = 96 << 20
/** An archive's bytes are held as ZIP, then as shards (about twice its size), then until its group is synced. */
const MEMORY_FACTOR = 4
/** Archives in hand for each download at once: while some arrive, others are decoded, and the workers' next batches wait. */
const ARCHIVES_PER_DOWNLOAD = 6
/** Archives that fail in a row for want of a network before the run is given up. */
const MAX_NETWORK_FAILURES = 16

/** What the coordinator needs. */
export interface CoordinatorContext extends ChunkSinkContext {
  readonly acquire: Omit<AcquireContext, 'signal' | 'rest'>
  /** null: REST is off */
  readonly rest: RestGate | null
  /** downloads at once */
  readonly concurrency: number
  readonly scope: PlanScope
  readonly signal: AbortSignal
}

/**
 * Works through plans: archives in bounded lanes, REST stretches in others, each chunk stored with its condition.
 * Resolves when all is stored. Throws what stops a run: CKVD_ABORTED, CKVD_UNREACHABLE, errors of the lake, bugs.
 */
export async function runPlans(plans: AsyncIterable<SeriesPlan>, context: CoordinatorContext): Promise<void> {
  await new Coordinator(context).run(plans)
}

class Coordinator {
  readonly #context: CoordinatorContext
  readonly #acquire: AcquireContext
  readonly #archives: PQueue
  readonly #sink: ChunkSink
  readonly #stretches: RestStretches
  readonly #budget = new ByteBudget(IN_FLIGHT_BYTES)
  readonly #backlog = new Backlog()
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #fatal: Error | undefined
  #networkFailures = 0

  constructor(context: CoordinatorContext) {
    this.#context = context
    this.#archives = new PQueue({ concurrency: context.concurrency * ARCHIVES_PER_DOWNLOAD })
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal])
    this.#acquire = { ...context.acquire, rest: context.rest, signal: this.#signal }
    this.#sink = new ChunkSink(context)
    this.#stretches = new RestStretches(this.#acquire, this.#sink, (work) => this.#guard(work))
  }

  async run(plans: AsyncIterable<SeriesPlan>): Promise<void> {
    const series = new PQueue({ concurrency: SERIES_LANES })
    for await (const plan of plans) {
      await series.onSizeLessThan(1)
      await this.#backlog.whenBelow(ARCHIVES_AHEAD * this.#archives.concurrency)
      if (this.#signal.aborted) break
      void series.add(() => this.#beginSeries(plan))
    }
    await series.onIdle()
    await this.#context.lake.writer.drain()
    if (this.#fatal !== undefined) throw this.#fatal
    if (this.#context.signal.aborted) throw abortError(this.#context.signal)
  }

  /** The first error that no chunk can carry stops all lanes. */
  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (this.#signal.aborted) return
      this.#fatal = error instanceof Error ? error : new CkvdError('CKVD_BUG', String(error))
      this.#stop.abort(this.#fatal)
    }
  }

  /** Counts the archives of a series as left until they are done, or the series is given up. */
  async #beginSeries(plan: SeriesPlan): Promise<void> {
    let left = plan.tasks.length
    this.#backlog.add(left)
    const onArchive = (): void => {
      left--
      this.#backlog.add(-1)
    }
    await this.#guard(() => this.#runSeries(plan, onArchive))
    this.#backlog.add(-left)
  }

  async #runSeries(plan: SeriesPlan, onArchive: () => void): Promise<void> {
    const { tally, lake, rest } = this.#context
    const ends = new SeriesEnds(this.#acquire, this.#context.scope, this.#sink, this.#stretches)
    tally.series++
    this.#sink.countKept(plan)
    if (plan.firstDay === null && plan.lastKept === null && rest !== null) return await ends.runUnlisted(plan, rest)
    const { bounds: boundsAtFirst, isGuess } =
      plan.askedFrom !== null && rest !== null ? await ends.runLead(plan, rest) : { bounds: plan.bounds, isGuess: false }
    let bounds = boundsAtFirst
    const seen = { startUs: isGuess ? null : bounds.startUs }
    const ended = plan.tail.length > 0 && !plan.more ? await ends.runTail(plan, bounds) : false
    const lastArchive = plan.tasks.reduce<ArchiveTask | null>(
      (last, task) => (last === null || task.archive.firstDay > last.archive.firstDay ? task : last),
      null,
    )
    const lanes: Promise<void>[] = []
    const stores: Promise<void>[] = []
    for (const task of birthFirst(plan.tasks)) {
      await this.#archives.onSizeLessThan(this.#context.concurrency)
      if (this.#signal.aborted) return
      const startsSeries = task.startsSeries && !isGuess
      const own = { ...task, startsSeries, endsSeries: ended && task === lastArchive, bounds }
      const lane = this.#archives.add(() => this.#guard(() => this.#runArchive(own, seen, stores)).then(onArchive))
      lanes.push(lane)
      if (!startsSeries || bounds.startUs !== null) continue
      // where the series begins decides which bars the other archives lack
      await lane
      bounds = { ...bounds, startUs: seen.startUs }
    }
    const holes = plan.more ? [...plan.holes, ...plan.tail] : plan.holes
    lanes.push(this.#stretches.fill(plan.series, holes, bounds, 'no archive of this day is listed'))
    for (const day of plan.repairs) lanes.push(this.#stretches.add(plan.series, [day], () => this.#repair(plan.series, day, bounds)))
    await Promise.all(lanes)
    await Promise.all(stores)
    if (this.#signal.aborted) return
    lake.catalog.putSeries({
      ...plan.series,
      firstDay: plan.firstDay,
      lastDay: plan.lastDay,
      firstOpenUs: seen.startUs,
      listedAt: this.#context.nowIso(),
    })
  }

  /**
   * Takes an archive through download and decoding; storing goes on in `stores`, outside of the lane, so that downloads do
   * not wait for disks. The byte budget bounds what waits for being stored.
   */
  async #runArchive(task: ArchiveTask, seen: { startUs: number | null }, stores: Promise<void>[]): Promise<void> {
    const release = await this.#budget.take(task.archive.sizeBytes * MEMORY_FACTOR, this.#signal)
    let isStoring = false
    try {
      const acquired = await acquireArchive(task, this.#acquire)
      if (acquired.startUs !== null) seen.startUs = acquired.startUs
      this.#watchNetwork(acquired.days)
      this.#sink.countMissing(task.series, task.days, acquired.days)
      stores.push(this.#guard(() => this.#storeArchive(task.series, acquired.days).finally(release)))
      isStoring = true
    } finally {
      if (!isStoring) release()
    }
  }

  async #storeArchive(series: Series, days: readonly AcquiredDay[]): Promise<void> {
    await this.#sink.store(series, days)
    for (const { shard } of days) if (shard !== null) this.#acquire.pool.reuse(shard)
    this.#sink.report('archives')
  }

  /** Many archives in a row that fail for want of a network: the network is at fault, and going on would take hours. */
  #watchNetwork(days: readonly AcquiredDay[]): void {
    const error = days[0]?.error
    if (error === null || error === undefined || !/^CKVD_(HTTP_(NETWORK|TIMEOUT|BUSY)|FORBIDDEN)$/.test(error.code)) {
      this.#networkFailures = 0
      return
    }
    this.#networkFailures++
    if (this.#networkFailures < MAX_NETWORK_FAILURES) return
    throw new CkvdError(
      'CKVD_UNREACHABLE',
      `Expected archives to be reachable, but ${this.#networkFailures} in a row failed; the last: ${error.message} What was stored stays; run the same command again when the source answers.`,
      {
        details: error.details,
        cause: error,
      },
    )
  }

  async #repair(series: Series, day: UtcDay, bounds: SeriesBounds): Promise<readonly AcquiredDay[]> {
    const { lake, rest } = this.#context
    const row = lake.catalog.getDay(series, day)
    if (row === undefined) return []
    const shard = await readShard(lake.paths.root, series, day, row)
    return [await repairDay(series, { day, columns: shard.columns, meta: shard.meta, row }, bounds, { rest, signal: this.#signal })]
  }
}

/** The archive with which the series begins before all others. */
function birthFirst(tasks: readonly ArchiveTask[]): readonly ArchiveTask[] {
  return [...tasks.filter(({ startsSeries }) => startsSeries), ...tasks.filter(({ startsSeries }) => !startsSeries)]
}
