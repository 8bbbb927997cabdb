import PQueue from 'p-queue'
import type { AcquireContext, ArchiveTask } from '../acquire/archive-task.ts'
import type { PlanScope } from '../acquire/plan/plan-scope.ts'
import type { SeriesPlan } from '../acquire/plan/series-plan.ts'
import type { AcquiredDay } from '../acquire/day.ts'
import type { RestGate } from '../acquire/rest/rest-gate.ts'
import type { Beginnings } from '../acquire/life/series-life.ts'
import { createBeginnings } from './beginnings.ts'
import type { UniverseLine } from './universe.ts'
import type { LaneWork, SeriesHost } from '../acquire/run-series.ts'
import { runSeries } from '../acquire/run-series.ts'
import { heldOfStored } from '../acquire/repair.ts'
import { isSequence } from '../dataset/expected.ts'
import { seriesLabel } from '../dataset/names.ts'
import { abortError, CkvdError } from '../errors.ts'
import { readShard } from '../lake/shards.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { Backlog } from './backlog.ts'
import { ByteBudget } from './byte-budget.ts'
import type { ChunkSinkContext } from './chunk-sink.ts'
import { ChunkSink } from './chunk-sink.ts'

/** Series worked on at once at most: enough to keep the lanes full where each series has few archives left. */
const SERIES_LANES = 16
/** No further series is begun while those at work have so many archives left for each lane: a plan of years is large. */
const ARCHIVES_AHEAD = 2
/** Bytes that archives in flight may take, from the first byte fetched to the last byte stored. */
const IN_FLIGHT_BYTES = 96 << 20
/** An archive's bytes are held as ZIP, then as shards (about twice its size), then until its group is synced. */
const MEMORY_FACTOR = 4
/** Archives in hand: while some arrive (the sources decide how many at once), others are decoded, and the workers' next batches wait. */
const ARCHIVES_IN_HAND = 384
/** Archives of a series that wait for a lane: the next ones are planned, but not begun. */
const ARCHIVES_QUEUED = 32
/** REST stretches at once; the limiter decides when each is sent. */
const REST_LANES = 8
/** Archives that fail in a row for want of a network before the run is given up. */
const MAX_NETWORK_FAILURES = 16

/** What the coordinator needs. */
export interface CoordinatorContext extends ChunkSinkContext {
  readonly acquire: Omit<AcquireContext, 'signal' | 'rest'>
  /** null: REST is off */
  readonly rest: RestGate | null
  readonly universe: readonly UniverseLine[]
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
  readonly #archives = new PQueue({ concurrency: ARCHIVES_IN_HAND })
  readonly #rest = new PQueue({ concurrency: REST_LANES })
  /** what gives back the bytes of an archive, by the chunks that are wanted of it */
  readonly #beginnings: Beginnings
  readonly #leases = new Map<readonly UtcDay[], () => void>()
  readonly #budget = new ByteBudget(IN_FLIGHT_BYTES)
  readonly #backlog = new Backlog()
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  #fatal: Error | undefined
  #networkFailures = 0

  constructor(context: CoordinatorContext) {
    this.#context = context
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal])
    this.#acquire = { ...context.acquire, rest: context.rest, signal: this.#signal }
    this.#beginnings = createBeginnings(context.lake.catalog, context.universe)
  }

  async run(plans: AsyncIterable<SeriesPlan>): Promise<void> {
    const series = new PQueue({ concurrency: SERIES_LANES })
    await this.#guard(async () => {
      for await (const plan of plans) {
        await series.onSizeLessThan(1)
        await this.#backlog.whenBelow(ARCHIVES_AHEAD * ARCHIVES_IN_HAND)
        if (this.#signal.aborted) break
        void series.add(() => this.#beginSeries(plan))
      }
    })
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
    const { tally, lake } = this.#context
    tally.series++
    const stores: Promise<void>[] = []
    // its own, since it gathers what is told of the series as a whole
    const sink = new ChunkSink(this.#context)
    sink.countKept(plan)
    const known = await runSeries(plan, this.#hostOf(plan, sink, onArchive, stores))
    await Promise.all(stores)
    sink.endSeries()
    if (this.#signal.aborted || known === undefined) return
    lake.catalog.putSeries({ ...known, listedAt: this.#context.nowIso() })
  }

  #hostOf({ series, start }: SeriesPlan, sink: ChunkSink, onArchive: () => void, stores: Promise<void>[]): SeriesHost {
    const { lake, scope, tally } = this.#context
    const { catalog } = lake
    /** chunks of this run on their way into the lake, or there */
    const told = new Map<UtcDay, Promise<void>>()
    const readStored: SeriesHost['readStored'] = async (day) => {
      const row = catalog.getDay(series, day)
      if (row === undefined || row.shardSha256 === null) return undefined
      const shard = await readShard(lake.shards, series, day, row)
      return { day, columns: shard.columns, meta: shard.meta, row }
    }
    const store = async (requested: readonly UtcDay[], days: readonly AcquiredDay[], isEdge: boolean): Promise<void> => {
      await sink.store(series, days, isEdge)
      sink.countMissing(series, requested, days)
    }
    return {
      acquire: this.#acquire,
      nowUs: scope.nowUs,
      scope: { start, end: scope.end },
      signal: this.#signal,
      known: catalog.getSeries(series),
      beginnings: this.#beginnings,
      ready: async () => {
        await this.#archives.onSizeLessThan(ARCHIVES_QUEUED)
        return !this.#signal.aborted
      },
      inArchiveLane: (task, work) => this.#archives.add(() => this.#guard(() => this.#runArchive(task, work)).then(onArchive)),
      inRestLane: (_days, work) =>
        this.#rest.add(() =>
          this.#guard(async () => {
            await work(this.#signal)
            sink.report('stretches')
          }),
        ),
      emit: async (requested, days, isEdge) => {
        const release = this.#leases.get(requested)
        if (release === undefined) return await store(requested, days, isEdge)
        // storing goes on outside of the lane, so that downloads do not wait for disks; the byte budget bounds what waits for it
        this.#leases.delete(requested)
        this.#watchNetwork(days)
        const stored = store(requested, days, isEdge).then(() => {
          for (const { shard } of days) if (shard !== null) this.#acquire.pool.reuse(shard)
          sink.report('archives')
        })
        const guarded = this.#guard(() => stored.finally(release))
        stores.push(guarded)
        if (isSequence(series)) for (const { day } of days) told.set(day, guarded)
      },
      keep: (day) => sink.countKeptDay(series, day),
      fail: (days, error) => sink.countFailed(series, days, error),
      readStored,
      amend: async (day, make) => {
        await told.get(day)
        const stored = await readStored(day)
        const made = stored === undefined ? undefined : await make(heldOfStored(stored))
        if (made !== undefined) await sink.amend(series, made)
        return made !== undefined
      },
      rowOf: (day) => catalog.getDay(series, day),
      noteProvisional: () => tally.provisionalBeginnings.add(seriesLabel(series)),
    }
  }

  /** Takes an archive through download and decoding, within the byte budget until its days are stored. */
  async #runArchive(task: ArchiveTask, work: LaneWork): Promise<void> {
    const release = await this.#budget.take(task.archive.sizeBytes * MEMORY_FACTOR, this.#signal)
    this.#leases.set(task.days, release)
    try {
      await work(this.#signal)
    } finally {
      // it ended without days to store
      if (this.#leases.delete(task.days)) release()
    }
  }

  /** Many archives in a row that fail for want of a network: the network is at fault, and going on would take hours. */
  #watchNetwork(days: readonly AcquiredDay[]): void {
    const error = days[0]?.error
    if (error === null || error === undefined || (error.about !== 'network' && error.code !== 'CKVD_FORBIDDEN')) {
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
}
