import { chunkRange, nextChunk, previousChunk } from '../dataset/chunk.ts'
import { endsOf, findMissing, idsOf } from '../dataset/expected.ts'
import { isToldByIds } from '../dataset/reach.ts'
import { mergeRows, rowsWithin } from '../dataset/rows.ts'
import type { ChunkEnds } from '../dataset/sequence.ts'
import { isCkvdError } from '../errors.ts'
import type { Columns } from '../model/columns.ts'
import { pickRows } from '../model/columns.ts'
import { doubt } from '../model/evidence.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { withRest } from './archive/complete-day.ts'
import type { AcquireContext } from './archive-task.ts'
import type { AcquiredDay, BesideRows } from './day.ts'
import { buildDay, expectedRange, withBeside } from './day.ts'
import type { HeldChunk, StoredChunk } from './repair.ts'
import { amendDay, heldOfAcquired } from './repair.ts'
import type { OpenSides } from './rest/id-question.ts'
import { askEdges, withHeldTimes } from './rest/id-question.ts'
import { askRest, explainGap } from './rest/rest-question.ts'
import type { SeriesLife } from './life/series-life.ts'

/** Who has the chunks beside those at work: see `SeriesHost`. */
export interface SeamHost {
  readStored(day: UtcDay): Promise<StoredChunk | undefined>
  amend(day: UtcDay, make: (held: HeldChunk) => Promise<AcquiredDay | undefined>): Promise<boolean>
}

/** What work that has begun will tell of its chunks' ends. */
interface Announced {
  /** the place of this work among that on the series, in the order in which it was begun */
  readonly turn: number
  readonly ends: Promise<ReadonlyMap<UtcDay, ChunkEnds>>
  /** resolves when the work is over: its chunks are told, or there are none */
  readonly over: Promise<void>
}

/** Work on chunks that has begun. */
export interface Turn {
  /** Chunks as they are beside their neighbours: where rows are missing between them, made anew. Tells who waits how they end. */
  readonly close: (acquired: readonly AcquiredDay[], ctx: AcquireContext) => Promise<readonly AcquiredDay[]>
  /** The work is over, whatever became of it: nobody waits for it any more. */
  readonly end: () => void
}

/** The chunks of one turn, and what closes them. */
interface Closing {
  readonly turn: number
  readonly own: Map<UtcDay, AcquiredDay>
  readonly life: SeriesLife
  readonly ctx: AcquireContext
}

/**
 * Finds what is missing between the chunks of a sequence: a chunk alone cannot tell whether it lacks its first or its last rows. Of two
 * neighbours the one on which work begins later is compared with the other one, which it waits for; one that is stored and stays is compared
 * with what comes beside it. Nobody waits for work that begins later, so that none can wait for the other.
 *
 * Rows that REST has of such a hole go where their times say: a neighbour that lacks its last rows, or its first ones, gets them, and is told
 * again, before the chunk that has shown it is told. Killed in between, the next run finds the hole again.
 */
export class DaySeams {
  readonly #series: Series
  readonly #host: SeamHost
  readonly #planned: ReadonlySet<UtcDay>
  readonly #announced = new Map<UtcDay, Announced>()
  #turns = 0
  /** chunks are made anew one after the other: both neighbours of one may give it rows */
  #amending: Promise<unknown> = Promise.resolve()

  /** @param planned all chunks on which there is work */
  constructor(series: Series, planned: Iterable<UtcDay>, host: SeamHost) {
    this.#series = series
    this.#planned = new Set(planned)
    this.#host = host
  }

  /** Announces chunks whose work begins. */
  begin(days: readonly UtcDay[], life: SeriesLife): Turn {
    const turn = this.#turns++
    let tell: (acquired: readonly AcquiredDay[]) => void = () => undefined
    const ends = new Promise<ReadonlyMap<UtcDay, ChunkEnds>>((resolve) => {
      tell = (acquired) => resolve(new Map(acquired.flatMap((day) => (day.ends === undefined ? [] : [[day.day, day.ends]]))))
    })
    let finish: () => void = () => undefined
    const over = new Promise<void>((resolve) => (finish = resolve))
    for (const day of days) this.#announced.set(day, { turn, ends, over })
    return {
      close: async (acquired, ctx) => {
        tell(acquired)
        const own = new Map(acquired.map((day) => [day.day, day]))
        for (const { day } of acquired) await this.#close(day, { turn, own, life, ctx })
        return [...own.values()]
      },
      end: () => {
        tell([])
        finish()
      },
    }
  }

  async #close(day: UtcDay, closing: Closing): Promise<void> {
    const acquired = closing.own.get(day)
    if (acquired?.ends === undefined) return
    const previous = await this.#endsOf(previousChunk(day, this.#series), closing.turn + 1)
    const next = await this.#endsOf(nextChunk(day, this.#series), closing.turn)
    const { ends } = acquired
    const lacks = (before: Columns, after: Columns): boolean => this.#idOf(after) - this.#idOf(before) > 1
    const beside = {
      before: typeof previous === 'object' && lacks(previous.last, ends.first) ? previous.last : undefined,
      after: typeof next === 'object' && lacks(ends.last, next.first) ? next.first : undefined,
    }
    const isBeside = beside.before !== undefined || beside.after !== undefined
    const joined = isBeside ? await this.#rebuild(acquired, beside, closing) : acquired
    closing.own.set(day, await this.#reach(joined, { before: previous === 'none', after: next === 'none' }, closing))
  }

  /** Where nothing is known beside a chunk, REST tells whether it lacks its first rows, or its last ones. */
  async #reach(acquired: AcquiredDay, sides: OpenSides, { life, ctx }: Closing): Promise<AcquiredDay> {
    const series = this.#series
    const { day, ends, shard } = acquired
    if (ctx.rest === null || ends === undefined || !isToldByIds(series) || !(sides.before || sides.after)) return acquired
    const held = heldOfAcquired(series, acquired)
    if (held === undefined) return acquired
    const rows = await askEdges(series, ends, chunkRange(day, series), sides, ctx.rest, ctx.signal)
    if (rows.openTime.length === 0) return acquired
    const amended = await amendDay(series, held, rows, life, ctx)
    if (amended === undefined) return acquired
    if (shard !== null) ctx.pool.reuse(shard)
    return amended
  }

  #idOf(row: Columns): number {
    return Number(idsOf(row, this.#series)?.[0])
  }

  /** The ends of a chunk on which work began before a turn, or that is stored and stays. `later`: it compares itself. */
  async #endsOf(day: UtcDay, turn: number): Promise<ChunkEnds | 'later' | 'none'> {
    const announced = this.#announced.get(day)
    if (announced === undefined ? this.#planned.has(day) : announced.turn >= turn) return 'later'
    return (await announced?.ends)?.get(day) ?? (await this.#storedEnds(day)) ?? 'none'
  }

  async #storedEnds(day: UtcDay): Promise<ChunkEnds | undefined> {
    try {
      const stored = await this.#host.readStored(day)
      return stored === undefined ? undefined : endsOf(stored.columns, this.#series)
    } catch (error) {
      // a damaged chunk tells nothing: `verify` finds it
      if (isCkvdError(error, 'CKVD_SHARD_MISSING', 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT')) return undefined
      throw error
    }
  }

  /** Asks for what is missing beside a chunk and gives it, and its neighbours, the rows that are theirs. */
  async #rebuild(acquired: AcquiredDay, beside: BesideRows, closing: Closing): Promise<AcquiredDay> {
    const { life, ctx } = closing
    const series = this.#series
    const held = heldOfAcquired(series, acquired)
    if (held === undefined) return acquired
    const { day, columns, sources, archive, duplicates, conflicts, differing, restStretches, evidence } = held
    const range = expectedRange(series, day, life.bounds, columns)
    const all = withBeside(columns, beside)
    const missing = findMissing(series, all, range)
    const answer = await askRest(series, missing, { times: [], firstUs: null, nowUs: life.nowUs }, ctx.rest, ctx.signal)
    const found = answer.kind === 'asked' ? withHeldTimes(answer.sound, all, series) : pickRows(all, [])
    const isContradicted = mergeRows(all, found, series).differing > 0
    const given = isContradicted ? pickRows(all, []) : found
    const own = mergeRows(columns, rowsWithin(given, chunkRange(day, series)), series)
    const [before, after] = await Promise.all([
      this.#lend(beside.before, given, previousChunk(day, series), closing),
      this.#lend(beside.after, given, nextChunk(day, series), closing),
    ])
    const built = await buildDay({
      ...{ series, day, bounds: life.bounds, archive, duplicates, conflicts, differing, evidence, error: acquired.error },
      beside: { before: before?.last, after: after?.first },
      columns: own.columns,
      sources: withRest(sources, own.added),
      restStretches: answer.kind === 'asked' ? [...restStretches, ...missing] : restStretches,
      explain: (gap) =>
        isContradicted ? doubt('contradiction', "REST's rows beside it are not those that are held") : explainGap(gap, answer, []),
      disputed: acquired.condition === 'disputed',
    })
    if (acquired.shard !== null) ctx.pool.reuse(acquired.shard)
    return built
  }

  /**
   * Gives a neighbour the rows that are its own. How it ends then; undefined: nothing is told by it.
   * @param edge its row that is nearest to the chunk
   */
  async #lend(edge: Columns | undefined, found: Columns, day: UtcDay, closing: Closing): Promise<ChunkEnds | undefined> {
    if (edge === undefined) return undefined
    const unchanged = { first: edge, last: edge }
    const all = rowsWithin(found, chunkRange(day, this.#series))
    const ids = idsOf(all, this.#series) ?? new BigInt64Array()
    const rows = pickRows(
      all,
      [...ids.keys()].filter((row) => Number(ids[row]) !== this.#idOf(edge)),
    )
    if (rows.openTime.length === 0) return unchanged
    return (await this.#amend(day, rows, closing)) ? endsOf(rows, this.#series) : unchanged
  }

  /** False where a chunk cannot be given more rows. */
  async #amend(day: UtcDay, rows: Columns, { own, life, ctx }: Closing): Promise<boolean> {
    const make = (held: HeldChunk): Promise<AcquiredDay | undefined> => amendDay(this.#series, held, rows, life, ctx)
    const acquired = own.get(day)
    if (acquired !== undefined) {
      const held = heldOfAcquired(this.#series, acquired)
      const made = held === undefined ? undefined : await make(held)
      if (made !== undefined) own.set(day, made)
      return made !== undefined
    }
    await this.#announced.get(day)?.over
    const amended = this.#amending.then(() => this.#host.amend(day, make))
    // told where it is awaited
    this.#amending = amended.catch(() => undefined)
    return await amended
  }
}
