import { countExpectedOfNone, isSequence } from '../dataset/expected.ts'
import { chunkEndUs, chunkOfUs, chunkRange, consecutive } from '../dataset/chunk.ts'
import type { CkvdError } from '../errors.ts'
import type { DayRow, SeriesRow } from '../lake/catalog/catalog-rows.ts'
import { firstSlotUs, gridOf, joinPhases, slotStartUs } from '../model/interval.ts'
import type { Doubt } from '../model/evidence.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { acquireArchive } from './archive/archive-days.ts'
import type { AcquireContext, ArchiveTask } from './archive-task.ts'
import { earliestInArchives, latestInArchives } from './archive/first-archives.ts'
import { doubtfulDay } from './barless-day.ts'
import { DaySeams } from './day-seams.ts'
import type { SeriesPlan } from './plan/series-plan.ts'
import { firstArchiveEndUs } from './plan/known-beginning.ts'
import { chunksOf } from './plan/plan-scope.ts'
import { lastKnownDay } from './plan/series-plan.ts'
import type { AcquiredDay } from './day.ts'
import { expectedRange } from './day.ts'
import type { HeldChunk, StoredChunk } from './repair.ts'
import { heldOfStored, repairDay } from './repair.ts'
import { acquireDaysFromRest } from './rest/rest-days.ts'
import type { Beginnings } from './life/series-life.ts'
import { notTaken } from './life/other-archives.ts'
import { SeriesLife } from './life/series-life.ts'
import { acquireTail } from './rest/tail.ts'
import { unknownSymbol } from './unknown-symbol.ts'

/**
 * Rows of one REST stretch: a longer run of chunks is asked in parts, since its rows are held until they are stored. Eight stretches are
 * under way at once; with parts of a million rows 700 days of `1m` took 840 MB, with these 440, for 2 % more requests.
 */
const MAX_STRETCH_ROWS = 50_000

/** Archives that are downloaded at most before it is known where their series begins. */
const MOST_UNBORN = 16

/** Work in a lane; `signal` is that of the days it is for. */
export type LaneWork = (signal: AbortSignal) => Promise<void>

/** Who runs a series: the ingester with its lanes and its tally, or the library with its flights and signals. */
export interface SeriesHost {
  readonly acquire: Omit<AcquireContext, 'signal'>
  readonly nowUs: number
  /** first day that was asked for, null: from the first one on; and the day after the last one */
  readonly scope: { readonly start: UtcDay | null; readonly end: UtcDay }
  /** a signal for what all days of the series depend on */
  readonly signal: AbortSignal
  readonly known: SeriesRow | undefined
  readonly beginnings: Beginnings
  /** resolves when another archive may be begun; false: the run is being stopped */
  ready(): Promise<boolean>
  /** runs work on an archive, or on a REST stretch, in a lane of its kind; resolves when it is done */
  inArchiveLane(task: ArchiveTask, work: LaneWork): Promise<void>
  inRestLane(days: readonly UtcDay[], work: LaneWork): Promise<void>
  /**
   * What became of the chunks of one piece of work. Those of `requested` that are not among `days` are `unlisted`. `isEdge`: they lie after
   * the last archive or before the first one, where one cause holds for all of them.
   */
  emit(requested: readonly UtcDay[], days: readonly AcquiredDay[], isEdge: boolean): Promise<void>
  /** a stored chunk that stays as it is */
  keep(day: UtcDay): void
  /** nothing can be had of the series */
  fail(days: number, error: CkvdError): void
  /** the stored chunk, read from the lake; undefined: it is gone */
  readStored(day: UtcDay): Promise<StoredChunk | undefined>
  /**
   * Makes a chunk anew that was told in this run, or that the lake has, and tells it again. False: it is not to be had, or `make` gives none.
   */
  amend(day: UtcDay, make: (held: HeldChunk) => Promise<AcquiredDay | undefined>): Promise<boolean>
  /** what is known of a day in the lake; undefined: nothing */
  rowOf(day: UtcDay): DayRow | undefined
  /** REST could not be asked where the series begins: what the archives say is believed for now */
  noteProvisional(): void
}

/**
 * The one way through a series: where it begins, its archives, its holes, what an earlier run had to leave, and whether it goes on after
 * its last archive. Each chunk of the plan is told to the host once, in no fixed order. Gives what is known of the series afterwards.
 * Throws CKVD_ABORTED, errors of the lake and bugs; other errors become conditions.
 */
export async function runSeries(plan: SeriesPlan, host: SeriesHost): Promise<SeriesRow | undefined> {
  return await new SeriesRun(plan, host).run()
}

class SeriesRun {
  readonly #plan: SeriesPlan
  readonly #host: SeriesHost
  readonly #series: Series
  readonly #life: SeriesLife
  /** null where rows are told apart by their times */
  readonly #seams: DaySeams | null

  constructor(plan: SeriesPlan, host: SeriesHost) {
    this.#plan = plan
    this.#host = host
    this.#series = plan.series
    const { known, beginnings, nowUs, signal, acquire } = host
    this.#seams = isSequence(plan.series) ? seamsOf(plan, host) : null
    const last = lastKnownDay(plan)
    const goesOn = plan.more || (last !== null && plan.last !== null && last > plan.last)
    this.#life = new SeriesLife({
      series: plan.series,
      known,
      beginnings,
      rest: acquire.rest,
      earliestInArchives: (heldUs, of) => earliestInArchives(plan.series, heldUs, of, this.#life, { ...acquire, signal }),
      // with all archives taken their last bar has been seen
      latestInArchives: (heldUs) =>
        plan.archives === 'auto' ? Promise.resolve(heldUs) : latestInArchives(plan.series, heldUs, this.#life, { ...acquire, signal }),
      isListingBehind: (market, info) => acquire.edge.isBehind(market, info, signal),
      lastKnownDay: last,
      goesOn,
      nowUs,
      signal,
    })
  }

  async run(): Promise<SeriesRow | undefined> {
    const plan = this.#plan
    let isOpen = true
    if (plan.firstDay === null && plan.lastKept === null && plan.lastStored === null && this.#host.acquire.rest !== null) {
      if (!(await this.#runUnlisted())) return undefined
    } else {
      const lanes = [this.#runLead()]
      // where the series begins decides which bars are expected: days that were asked for before its first archive, then that archive
      await lanes[0]
      let born = Promise.resolve()
      let begun = 0
      for (const task of birthFirst(plan.tasks)) {
        if (!(await this.#host.ready())) {
          isOpen = false
          break
        }
        const lane = this.#runArchive(task, born)
        // its error is told below, with all others
        const over = lane.catch(() => undefined)
        lanes.push(lane)
        if (task.startsSeries) born = over
        // what is downloaded waits with its share of the memory of all series
        else if (++begun === MOST_UNBORN) await born
      }
      await born
      const last = plan.tail.at(-1)
      const goesOn = last === undefined || !this.#life.mayEndIn(last)
      if (isOpen) {
        const holes = goesOn ? [...plan.holes, ...plan.tail] : plan.holes
        lanes.push(
          this.#fill(holes, 'no archive of this day is listed', false),
          ...plan.repairs.map((task) => this.#repair(task.days[0] as UtcDay, task)),
        )
      }
      await settleAll(lanes)
      // after the last archive: its last bar is the first witness
      if (isOpen && !goesOn && plan.tail.length > 0) await this.#runTail(plan.tail)
      if (isOpen) await settleAll(plan.cut.map((day) => this.#recheck(day)))
    }
    if (this.#life.startSource === 'provisional') this.#host.noteProvisional()
    return this.#known(isOpen)
  }

  /** @param isDone all of the plan was done */
  #known(isDone: boolean): SeriesRow {
    const { firstDay, firstForms, lastDay } = this.#plan
    const { known } = this.#host
    const { startUs } = this.#life.bounds
    return {
      dataset: this.#series.dataset,
      market: this.#series.market,
      symbol: this.#series.symbol,
      interval: this.#series.interval,
      firstDay,
      firstForms: isDone ? firstForms : (known?.firstForms ?? null),
      lastDay,
      firstOpenUs: startUs,
      firstSource: startUs === null ? null : this.#life.startSource,
      lastOpenUs: this.#life.lastOpenUs,
      endedUs: this.#life.endedUs,
      phase: this.#series.interval === '3d' ? joinPhases(known?.phase ?? null, this.#life.phase) : null,
      listedAt: known?.listedAt ?? null,
    }
  }

  /** Days that were asked for before the first archive: REST tells where the series begins, or archives that are not taken. */
  async #runLead(): Promise<void> {
    const { lead, firstDay, firstForms } = this.#plan
    if (lead.length === 0) return
    const archiveEndUs = firstDay === null ? null : firstArchiveEndUs(this.#series, firstDay)
    const beginning = await this.#life.beginBefore(archiveEndUs, firstForms === 'both')
    if (!beginning.known) {
      const days = lead.map((day) => doubtfulDay(this.#series, day, beginning.doubt, { startUs: null, endUs: null }))
      return await this.#host.emit(lead, days, true)
    }
    const isBorn = (day: UtcDay): boolean => chunkEndUs(day, this.#series) > (this.#life.bounds.startUs ?? Infinity)
    if (archiveEndUs !== null && lead.some(isBorn)) await this.#life.askAgain(archiveEndUs)
    const { startUs } = this.#life.bounds
    const alive = lead.filter(isBorn)
    const unborn = lead.slice(0, lead.length - alive.length)
    if (unborn.length > 0) await this.#host.emit(unborn, [], true)
    const isTold = startUs === null || this.#life.startSource === 'rest'
    await this.#fill(alive, 'before the first archive', true, isTold ? null : notTaken('begin', startUs))
  }

  /** @param born resolves when it is known where the series begins */
  async #runArchive(task: ArchiveTask, born: Promise<void> = Promise.resolve()): Promise<void> {
    const turn = this.#seams?.begin(task.days, this.#life)
    const work: LaneWork = async (signal) => {
      const ctx = { ...this.#host.acquire, signal, born }
      const acquired = await acquireArchive(task, this.#life, ctx)
      const days = turn === undefined ? acquired : await turn.close(acquired, ctx)
      for (const day of days) this.#life.saw(day.lastOpenUs)
      await this.#host.emit(task.days, days, false)
    }
    await this.#host.inArchiveLane(task, work).finally(() => turn?.end())
  }

  /**
   * Chunks of which REST alone can tell, each run of them in as few stretches as its rows allow.
   * @param why what is known of bars that REST cannot be asked for; null: nothing
   */
  async #fill(days: readonly UtcDay[], reason: string, isEdge: boolean, why: Doubt | null = null): Promise<void> {
    const series = this.#series
    const parts = consecutive(days, series).flatMap((run) => stretchParts(run, series))
    await settleAll(
      parts.map((part) =>
        this.#host.inRestLane(part, async (signal) => {
          const firstHeld = (): Promise<number | null> => this.#firstHeld(part)
          const acquired = await acquireDaysFromRest({ series, days: part, archive: null, reason, why, firstHeld }, this.#life, {
            rest: this.#host.acquire.rest,
            signal,
          })
          for (const day of acquired) this.#life.saw(day.lastOpenUs)
          await this.#host.emit(part, acquired, isEdge)
        }),
      ),
    )
  }

  /** Open time of the first bar that the lake has, where it is later than all of these chunks and no archive before it is taken, us. */
  async #firstHeld(days: readonly UtcDay[]): Promise<number | null> {
    const { firstKept, tasks } = this.#plan
    const last = days.at(-1)
    const isFirst = tasks.every((task) => task.days.every((day) => firstKept !== null && day > firstKept))
    if (firstKept === null || last === undefined || firstKept <= last || !isFirst) return null
    const stored = await this.#host.readStored(firstKept)
    const first = stored?.columns.openTime[0]
    return first === undefined ? null : Number(first)
  }

  /** After the last archive; the latest part first: only where nothing is later a series can have ended. */
  async #runTail(tail: readonly UtcDay[]): Promise<void> {
    const series = this.#series
    for (const part of consecutive(tail, series).flatMap((run) => stretchParts(run, series))) {
      await this.#host.inRestLane(part, async (signal) => {
        const days = await acquireTail({ series, days: part }, this.#life, { rest: this.#host.acquire.rest, signal })
        for (const day of days) this.#life.saw(day.lastOpenUs)
        await this.#host.emit(part, days, true)
      })
    }
  }

  /** A stored chunk with holes of which REST alone is asked again. */
  async #repair(day: UtcDay, task?: ArchiveTask): Promise<void> {
    let isContradicted = false
    const turn = this.#seams?.begin([day], this.#life)
    const work: LaneWork = async (signal) => {
      const stored = await this.#host.readStored(day)
      if (stored === undefined) return this.#host.keep(day)
      await this.#learnFrom(stored)
      const repaired = await repairDay(this.#series, heldOfStored(stored), this.#life, { rest: this.#host.acquire.rest, signal })
      if (repaired === undefined) {
        isContradicted = task !== undefined
        return isContradicted ? undefined : this.#host.keep(day)
      }
      this.#life.saw(repaired.lastOpenUs)
      const days = turn === undefined ? [repaired] : await turn.close([repaired], { ...this.#host.acquire, signal })
      await this.#host.emit([day], days, false)
    }
    await this.#host.inRestLane([day], work).finally(() => turn?.end())
    // the sources contradict each other: the day is made anew, from all of them
    if (isContradicted && task !== undefined) await this.#runArchive(task)
  }

  /** Where no bar before a stored chunk's first one is known, the series may begin in it. */
  async #learnFrom({ day, columns }: StoredChunk): Promise<void> {
    const first = columns.openTime[0]
    if (this.#life.startSource !== null || first === undefined) return
    const grid = gridOf(this.#series)
    const isBirth = this.#plan.firstDay === null || chunkOfUs(chunkRange(this.#plan.firstDay, this.#series).startUs, this.#series) >= day
    if (isBirth && slotStartUs(Number(first), grid) > firstSlotUs(chunkRange(day, this.#series).startUs, grid))
      await this.#life.begin(Number(first))
  }

  /** A stored chunk that expects fewer bars than its slots: it stays where the series' life says so. */
  async #recheck(day: UtcDay): Promise<void> {
    const row = this.#host.rowOf(day)
    if (row === undefined) return
    const stored = this.#life.startSource === null ? await this.#host.readStored(day) : undefined
    if (stored !== undefined) await this.#learnFrom(stored)
    const range = expectedRange(this.#series, day, this.#life.bounds)
    const expected = countExpectedOfNone(this.#series, range)
    if (expected === row.expected) this.#host.keep(day)
    else await this.#repair(day)
  }

  /** A series that the listing does not know: all from REST, from its first bar on, or failed. False: it failed. */
  async #runUnlisted(): Promise<boolean> {
    const { tail } = this.#plan
    const beginning = await this.#life.begin(null)
    const chunks = Math.max(1, tail.length)
    if (!beginning.known || beginning.startUs === null) {
      this.#host.fail(chunks, unknownSymbol(this.#series, true))
      return false
    }
    const { start } = this.#host.scope
    const born = chunkOfUs(beginning.startUs, this.#series)
    const first = start === null || start < born ? born : start
    const requested = tail.length > 0 ? tail : [...chunksOf(this.#series, first, { end: this.#host.scope.end, nowUs: this.#host.nowUs })]
    const unborn = requested.filter((day) => chunkEndUs(day, this.#series) <= (beginning.startUs ?? 0))
    if (unborn.length > 0) await this.#host.emit(unborn, [], true)
    const alive = requested.filter((day) => !unborn.includes(day))
    if (alive.length > 0) await this.#runTail(alive)
    return true
  }
}

/** Waits for all, then throws the first error: no work goes on unseen behind one that failed. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(work)
  await Promise.all(work)
}

function seamsOf({ series, tasks, repairs }: SeriesPlan, host: SeriesHost): DaySeams {
  const days = [...tasks, ...repairs].flatMap((task) => task.days)
  return new DaySeams(series, days, host)
}

/** The archive with which the series begins before all others. */
function birthFirst(tasks: readonly ArchiveTask[]): readonly ArchiveTask[] {
  return [...tasks.filter(({ startsSeries }) => startsSeries), ...tasks.filter(({ startsSeries }) => !startsSeries)]
}

/** Splits a run of chunks into parts of a bounded number of rows. */
function stretchParts(days: readonly UtcDay[], series: Series): UtcDay[][] {
  const parts: UtcDay[][] = []
  let rows = Infinity
  for (const day of days) {
    const { startUs, endUs } = chunkRange(day, series)
    const more = countExpectedOfNone(series, { startUs, endUs })
    if (rows + more > MAX_STRETCH_ROWS) {
      parts.push([])
      rows = 0
    }
    parts.at(-1)?.push(day)
    rows += more
  }
  return parts
}
