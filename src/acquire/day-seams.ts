import { shardRows } from '../codec/shard-rows.ts'
import { chunkRange, nextChunk, previousChunk } from '../dataset/chunk.ts'
import { endsOf, idsOf } from '../dataset/expected.ts'
import type { ChunkEnds } from '../dataset/sequence.ts'
import { isCkvdError } from '../errors.ts'
import type { Columns } from '../model/columns.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { AcquireContext } from './archive-task.ts'
import type { AcquiredDay, BesideRows } from './day.ts'
import { buildDay } from './day.ts'
import type { StoredChunk } from './repair.ts'
import { askRest, explainGap } from './rest/rest-question.ts'
import type { SeriesLife } from './life/series-life.ts'

/** What work that has begun will tell of its chunks' ends. */
interface Announced {
  /** the place of this work among that on the series, in the order in which it was begun */
  readonly turn: number
  readonly ends: Promise<ReadonlyMap<UtcDay, ChunkEnds>>
}

/** Work on chunks that has begun. */
export interface Turn {
  /** Chunks as they are beside their neighbours: where rows are missing between them, made anew. Tells who waits how they end. */
  readonly close: (acquired: readonly AcquiredDay[], ctx: AcquireContext) => Promise<readonly AcquiredDay[]>
  /** The work is over, whatever became of it: nobody waits for it any more. */
  readonly end: () => void
}

/**
 * Finds what is missing between the chunks of a sequence: a chunk alone cannot tell whether it lacks its first or its last rows. Of two
 * neighbours the one on which work begins later is compared with the other one, which it waits for; one that is stored and stays is compared
 * with what comes beside it. Nobody waits for work that begins later, so that none can wait for the other.
 */
export class DaySeams {
  readonly #series: Series
  readonly #readStored: (day: UtcDay) => Promise<StoredChunk | undefined>
  readonly #planned: ReadonlySet<UtcDay>
  readonly #announced = new Map<UtcDay, Announced>()
  #turns = 0

  /** @param planned all chunks on which there is work */
  constructor(series: Series, planned: Iterable<UtcDay>, readStored: (day: UtcDay) => Promise<StoredChunk | undefined>) {
    this.#series = series
    this.#planned = new Set(planned)
    this.#readStored = readStored
  }

  /** Announces chunks whose work begins. */
  begin(days: readonly UtcDay[], life: SeriesLife): Turn {
    const turn = this.#turns++
    let tell: (acquired: readonly AcquiredDay[]) => void = () => undefined
    const ends = new Promise<ReadonlyMap<UtcDay, ChunkEnds>>((resolve) => {
      tell = (acquired) => resolve(new Map(acquired.flatMap((day) => (day.ends === undefined ? [] : [[day.day, day.ends]]))))
    })
    for (const day of days) this.#announced.set(day, { turn, ends })
    return {
      close: (acquired, ctx) => {
        tell(acquired)
        return Promise.all(acquired.map((day) => this.#close(day, turn, life, ctx)))
      },
      end: () => tell([]),
    }
  }

  async #close(acquired: AcquiredDay, turn: number, life: SeriesLife, ctx: AcquireContext): Promise<AcquiredDay> {
    const beside = await this.#besideOf(acquired, turn)
    return beside === undefined ? acquired : await this.#rebuild(acquired, beside, life, ctx)
  }

  /** The rows beside a chunk between which and its own ones others are missing; undefined: none are. */
  async #besideOf({ day, ends }: AcquiredDay, turn: number): Promise<BesideRows | undefined> {
    if (ends === undefined) return undefined
    const last = (await this.#endsOf(previousChunk(day, this.#series), turn + 1))?.last
    const first = (await this.#endsOf(nextChunk(day, this.#series), turn))?.first
    const before = this.#lacksBetween(last, ends.first) ? last : undefined
    const after = this.#lacksBetween(ends.last, first) ? first : undefined
    return before === undefined && after === undefined ? undefined : { before, after }
  }

  #lacksBetween(before: Columns | undefined, after: Columns | undefined): boolean {
    return before !== undefined && after !== undefined && this.#idOf(after) - this.#idOf(before) > 1
  }

  #idOf(row: Columns): number {
    return Number(idsOf(row, this.#series)?.[0])
  }

  /** The ends of a chunk on which work began before a turn, or that is stored and stays; undefined: there are none, or it compares itself. */
  async #endsOf(day: UtcDay, turn: number): Promise<ChunkEnds | undefined> {
    const announced = this.#announced.get(day)
    if (announced === undefined ? this.#planned.has(day) : announced.turn >= turn) return undefined
    return (await announced?.ends)?.get(day) ?? (await this.#storedEnds(day))
  }

  async #storedEnds(day: UtcDay): Promise<ChunkEnds | undefined> {
    try {
      const stored = await this.#readStored(day)
      return stored === undefined ? undefined : endsOf(stored.columns, this.#series)
    } catch (error) {
      // a damaged chunk tells nothing: `verify` finds it
      if (isCkvdError(error, 'CKVD_SHARD_MISSING', 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT')) return undefined
      throw error
    }
  }

  async #rebuild(acquired: AcquiredDay, beside: BesideRows, { bounds, nowUs }: SeriesLife, ctx: AcquireContext): Promise<AcquiredDay> {
    const { day, shard, source, archive, duplicates, conflicts, differing, restStretches, evidence, error } = acquired
    if (shard === null || source === null) return acquired
    const series = this.#series
    const answer = await askRest(
      series,
      [{ ...chunkRange(day, series), bars: 1 }],
      { times: [], firstUs: null, nowUs },
      ctx.rest,
      ctx.signal,
    )
    const built = await buildDay({
      ...{ series, day, bounds, archive, duplicates, conflicts, differing, evidence, error, beside },
      ...(restStretches === undefined ? {} : { restStretches }),
      columns: shardRows<Columns>(series, shard),
      sources: source.split('+'),
      explain: (gap) => explainGap(gap, answer, []),
      disputed: acquired.condition === 'disputed',
    })
    ctx.pool.reuse(shard)
    return built
  }
}
