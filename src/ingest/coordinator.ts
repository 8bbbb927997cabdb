import PQueue from 'p-queue'
import type { AcquireContext, ArchiveTask } from '../acquire/archive-task.ts'
import { acquireArchive } from '../acquire/archive-days.ts'
import { acquireDaysFromRest, consecutive } from '../acquire/rest-days.ts'
import { unknownSymbol } from '../acquire/unknown-symbol.ts'
import type { AcquiredDay, SeriesBounds } from '../acquire/reconcile.ts'
import { askBirth } from '../acquire/birth.ts'
import { repairDay } from '../acquire/repair.ts'
import type { RestGate } from '../acquire/rest-gate.ts'
import type { Tail } from '../acquire/tail.ts'
import { acquireTail } from '../acquire/tail.ts'
import { abortError, CkvdError } from '../errors.ts'
import { isAccepted } from '../lake/catalog-rows.ts'
import type { WritableLake } from '../lake/lake.ts'
import { readShard } from '../lake/shards.ts'
import { CONDITIONS, isExplained } from '../model/condition.ts'
import { chunkEndUs, countSlots } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import { chunkOfUs, chunkRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs } from '../model/utc-day.ts'
import type { HttpClient } from '../sources/http.ts'
import { Backlog } from './backlog.ts'
import { ByteBudget } from './byte-budget.ts'
import type { PlanScope, SeriesPlan } from '../acquire/plan.ts'
import { chunksOf } from '../acquire/plan.ts'
import type { IngestEvents, ProgressMeter } from './progress.ts'
import type { Tally } from './result.ts'
import { problemOf } from './result.ts'
import { storeDay } from '../acquire/store.ts'

/** Series worked on at once at most: enough to keep the lanes full where each series has few archives left. */
const SERIES_LANES = 16
/** No further series is begun while those at work have so many archives left for each lane: a plan of years is large. */
const ARCHIVES_AHEAD = 2
/** REST stretches at once; the limiter decides when each is sent. */
const REST_LANES = 8
/** Bytes that archives in flight may take, from the first byte fetched to the last byte stored. */
const IN_FLIGHT_BYTES = 96 << 20
/** An archive's bytes are held as ZIP, then as shards (about twice its size), then until its group is synced. */
const MEMORY_FACTOR = 4
/** Rows of one REST stretch: a longer run of chunks is asked in parts, since its rows are held until they are stored. */
const MAX_STRETCH_ROWS = 1_000_000
/** Archives in hand for each download at once: while some arrive, others are decoded, and the workers' next batches wait. */
const ARCHIVES_PER_DOWNLOAD = 6
/** Archives that fail in a row for want of a network before the run is given up. */
const MAX_NETWORK_FAILURES = 16

/** What the coordinator needs. */
export interface CoordinatorContext {
  readonly lake: WritableLake
  readonly http: HttpClient
  readonly acquire: Omit<AcquireContext, 'signal' | 'rest'>
  /** null: REST is off */
  readonly rest: RestGate | null
  /** downloads at once */
  readonly concurrency: number
  readonly scope: PlanScope
  readonly nowIso: () => string
  readonly signal: AbortSignal
  readonly events: IngestEvents
  readonly meter: ProgressMeter
  readonly tally: Tally
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
  readonly #stretches = new PQueue({ concurrency: REST_LANES })
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
    tally.series++
    for (const condition of CONDITIONS) {
      const count = plan.kept[condition] ?? 0
      // what is unexplained and no problem was accepted by a person
      const problems = plan.keptProblems.filter((problem) => problem.condition === condition).length
      tally.count(condition, count, isExplained(condition) ? 0 : count - problems)
    }
    for (const problem of plan.keptProblems) {
      const error = new CkvdError(
        'CKVD_PARTIAL',
        problem.error ?? `${problem.day} is ${problem.condition} since an earlier run; see \`ckvd coverage\`.`,
      )
      tally.addProblem(problemOf(plan.series, problem.day, problem.condition, error))
    }
    tally.count('unlisted', plan.unlisted)
    tally.changed += plan.changed.length
    tally.skipped += Object.values(plan.kept).reduce((sum, count) => sum + count, 0)
    if (plan.firstDay === null && plan.lastKept === null && rest !== null) return await this.#runUnlistedSeries(plan, rest)
    const { bounds: boundsAtFirst, isGuess } =
      plan.askedFrom !== null && rest !== null ? await this.#runLead(plan, rest) : { bounds: plan.bounds, isGuess: false }
    let bounds = boundsAtFirst
    const seen = { startUs: isGuess ? null : bounds.startUs }
    const ended = plan.tail.length > 0 && !plan.more ? await this.#runTail(plan, bounds) : false
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
    for (const run of consecutive(holes, plan.series).flatMap((days) => stretchParts(days, plan.series))) {
      lanes.push(
        this.#addStretch(plan.series, run, () =>
          acquireDaysFromRest(
            { series: plan.series, days: run, bounds, endsSeries: false, archive: null, reason: 'no archive of this day is listed' },
            this.#acquire,
          ),
        ),
      )
    }
    for (const day of plan.repairs) lanes.push(this.#addStretch(plan.series, [day], () => this.#repair(plan.series, day, bounds)))
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
      this.#countUnlisted(task.series, task.days, acquired.days)
      stores.push(this.#guard(() => this.#storeArchive(task.series, acquired.days).finally(release)))
      isStoring = true
    } finally {
      if (!isStoring) release()
    }
  }

  async #storeArchive(series: Series, days: readonly AcquiredDay[]): Promise<void> {
    await this.#store(series, days)
    for (const { shard } of days) if (shard !== null) this.#acquire.pool.reuse(shard)
    this.#context.meter.archives++
    this.#report()
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

  /** Chunks in which nothing is expected. What an earlier run recorded of them, when it could not know that, is forgotten. */
  #countUnlisted(series: Series, requested: readonly UtcDay[], acquired: readonly AcquiredDay[]): void {
    const { lake, tally } = this.#context
    const found = new Set(acquired.map(({ day }) => day))
    const unlisted = requested.filter((day) => !found.has(day))
    tally.count('unlisted', unlisted.length)
    for (const day of unlisted) if (lake.catalog.getDay(series, day)?.shardSha256 === null) lake.catalog.deleteDay(series, day)
  }

  #addStretch(series: Series, days: readonly UtcDay[], acquire: () => Promise<readonly AcquiredDay[]>): Promise<void> {
    return this.#stretches.add(() =>
      this.#guard(async () => {
        const acquired = await acquire()
        await this.#store(series, acquired)
        this.#countUnlisted(series, days, acquired)
        this.#context.meter.stretches++
        this.#report()
      }),
    )
  }

  async #repair(series: Series, day: UtcDay, bounds: SeriesBounds): Promise<readonly AcquiredDay[]> {
    const { lake, rest } = this.#context
    const row = lake.catalog.getDay(series, day)
    if (row === undefined) return []
    const shard = await readShard(lake.paths.root, series, day, row)
    return [await repairDay(series, { day, columns: shard.columns, meta: shard.meta, row }, bounds, { rest, signal: this.#signal })]
  }

  /**
   * Before the first archive REST may know earlier bars: it is asked once for the first one. Where it cannot be asked, bars
   * are expected from the first requested chunk on (`isGuess`): what is then missing is unexplained.
   */
  async #runLead(plan: SeriesPlan, rest: RestGate): Promise<{ bounds: SeriesBounds; isGuess: boolean }> {
    const { series, lead } = plan
    const birth = await askBirth(series, rest, this.#signal)
    if (!birth.asked) {
      const days = lead.map((day) => this.#unasked(series, day, birth.error))
      await this.#store(series, days)
      if (plan.askedFrom === null || plan.bounds.startUs !== null) return { bounds: plan.bounds, isGuess: false }
      return { bounds: { ...plan.bounds, startUs: dayStartUs(plan.askedFrom) }, isGuess: true }
    }
    const { firstUs } = birth
    if (firstUs === null) {
      this.#countUnlisted(series, lead, [])
      return { bounds: plan.bounds, isGuess: false }
    }
    const first = chunkOfUs(firstUs, series.interval)
    const unborn = lead.filter((day) => day < first)
    this.#countUnlisted(series, unborn, [])
    const bounds = { startUs: firstUs, endUs: null }
    const alive = lead.filter((day) => day >= first)
    for (const run of consecutive(alive, series).flatMap((days) => stretchParts(days, series))) {
      await this.#addStretch(series, run, () =>
        acquireDaysFromRest(
          { series, days: run, bounds, endsSeries: false, archive: null, reason: 'before the first archive' },
          this.#acquire,
        ),
      )
    }
    // a first bar after the first archive contradicts the archive: the archive is believed
    return { bounds: plan.firstDay !== null && first > plan.firstDay ? plan.bounds : bounds, isGuess: false }
  }

  #unasked(series: Series, day: UtcDay, error: CkvdError): AcquiredDay {
    return {
      day,
      condition: 'partial',
      shard: null,
      shardSha256: null,
      source: null,
      rows: 0,
      expected: 0,
      offGrid: 0,
      duplicates: 0,
      conflicts: 0,
      differing: 0,
      archive: null,
      gaps: [],
      evidence: `REST could not be asked whether ${series.symbol} began before its first archive`,
      error,
    }
  }

  /** After the last archive; true when the series has ended. */
  async #runTail(plan: SeriesPlan, bounds: SeriesBounds): Promise<boolean> {
    const { series, tail } = plan
    const lastKnown = [plan.lastDay, plan.lastKept]
      .filter((day) => day !== null)
      .sort()
      .at(-1)
    const lastKnownEndUs = lastKnown === undefined ? null : chunkEndUs(lastKnown, series.interval)
    let ended = true
    // the latest part first: only where nothing is later a series can have ended
    for (const part of stretchParts(tail, series).reverse()) {
      const { nowUs } = this.#context.scope
      const result: Tail = ended
        ? await acquireTail({ series, days: part, bounds, lastKnownEndUs, nowUs }, this.#acquire)
        : {
            days: await acquireDaysFromRest(
              { series, days: part, bounds, endsSeries: false, archive: null, reason: 'after the last archive' },
              this.#acquire,
            ),
            ended,
          }
      ended = result.ended
      await this.#store(series, result.days)
      this.#countUnlisted(series, part, result.days)
      this.#context.meter.stretches++
      this.#report()
    }
    return ended && tail.length > 0
  }

  /** A series that the listing does not know: all from REST, from its first bar on, or failed. */
  async #runUnlistedSeries(plan: SeriesPlan, rest: RestGate): Promise<void> {
    const { scope, tally } = this.#context
    const { series } = plan
    const failed = (error: CkvdError): void => {
      tally.count('failed', Math.max(1, plan.tail.length))
      tally.addProblem(problemOf(series, null, 'failed', error))
    }
    const birth = await askBirth(series, rest, this.#signal)
    if (!birth.asked) return failed(birth.error)
    const { firstUs } = birth
    if (firstUs === null) return failed(unknownSymbol(series, true))
    const first = chunkOfUs(firstUs, series.interval)
    const requested = plan.tail.length > 0 ? plan.tail : [...chunksOf(series, first, scope)]
    const days = requested.filter((day) => day >= first)
    this.#countUnlisted(
      series,
      requested.filter((day) => day < first),
      [],
    )
    await this.#runTail({ ...plan, tail: days }, { startUs: firstUs, endUs: null })
  }

  async #store(series: Series, days: readonly AcquiredDay[]): Promise<void> {
    const { lake, tally, meter, nowIso, events } = this.#context
    await Promise.all(
      days.map(async (acquired) => {
        const stored = await storeDay(lake, series, acquired, nowIso)
        const { row } = stored
        events.onChunk?.(row)
        const accepted = isAccepted(row)
        tally.count(row.condition, 1, accepted ? 1 : 0)
        if (stored.written) tally.stored++
        if (stored.upgraded) tally.upgraded++
        if (stored.republished) tally.republished++
        tally.rows += stored.written ? row.rows : 0
        meter.rows += stored.written ? row.rows : 0
        meter.days++
        if (acquired.conflicts > 0 || acquired.differing > 0) {
          tally.addDifference({
            ...series,
            day: row.day,
            conflicts: acquired.conflicts,
            differing_rows: acquired.differing,
            evidence: acquired.evidence,
          })
        }
        const refused = stored.refused
        if (refused !== null && refused.error !== null) tally.addProblem(problemOf(series, row.day, row.condition, refused.error))
        else if (!isExplained(row.condition) && !accepted)
          tally.addProblem(problemOf(series, row.day, row.condition, acquired.error ?? partialError(acquired)))
      }),
    )
  }

  #report(): void {
    const { events, meter, http, tally } = this.#context
    events.onProgress?.(meter.snapshot(http, tally.problemCount))
  }
}

/** The archive with which the series begins before all others. */
function birthFirst(tasks: readonly ArchiveTask[]): readonly ArchiveTask[] {
  return [...tasks.filter(({ startsSeries }) => startsSeries), ...tasks.filter(({ startsSeries }) => !startsSeries)]
}

function partialError(acquired: AcquiredDay): CkvdError {
  const missing = acquired.gaps.reduce((sum, gap) => sum + gap.bars, 0)
  const why = acquired.gaps[0]?.evidence ?? acquired.evidence ?? 'nothing is known of it'
  return new CkvdError('CKVD_PARTIAL', `${missing} of ${acquired.expected} bars are missing, and it is not known why: ${why}.`)
}

/** Splits a run of chunks into parts of a bounded number of rows. */
function stretchParts(days: readonly UtcDay[], series: Series): UtcDay[][] {
  const parts: UtcDay[][] = []
  let rows = Infinity
  for (const day of days) {
    const { startUs, endUs } = chunkRange(day, series.interval)
    const more = countSlots(startUs, endUs, series.interval)
    if (rows + more > MAX_STRETCH_ROWS) {
      parts.push([])
      rows = 0
    }
    parts.at(-1)?.push(day)
    rows += more
  }
  return parts
}
