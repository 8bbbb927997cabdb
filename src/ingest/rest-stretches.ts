import PQueue from 'p-queue'
import type { AcquireContext } from '../acquire/archive-task.ts'
import type { AcquiredDay, SeriesBounds } from '../acquire/reconcile.ts'
import { acquireDaysFromRest, consecutive } from '../acquire/rest-days.ts'
import { countSlots } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import { chunkRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { ChunkSink } from './chunk-sink.ts'

/** REST stretches at once; the limiter decides when each is sent. */
const REST_LANES = 8
/** Rows of one REST stretch: a longer run of chunks is asked in parts, since its rows are held until they are stored. */
const MAX_STRETCH_ROWS = 1_000_000

/** Runs of chunks that REST is asked for, in lanes of their own beside the archives'. */
export class RestStretches {
  readonly #queue = new PQueue({ concurrency: REST_LANES })
  readonly #acquire: AcquireContext
  readonly #sink: ChunkSink
  readonly #guard: (work: () => Promise<void>) => Promise<void>

  /** @param guard takes the errors of a stretch, so that the promises given here never reject */
  constructor(acquire: AcquireContext, sink: ChunkSink, guard: (work: () => Promise<void>) => Promise<void>) {
    this.#acquire = acquire
    this.#sink = sink
    this.#guard = guard
  }

  /** Acquires chunks from REST alone, each run of them in as few stretches as its rows allow; resolves when all are stored. */
  async fill(series: Series, days: readonly UtcDay[], bounds: SeriesBounds, reason: string): Promise<void> {
    const parts = consecutive(days, series).flatMap((run) => stretchParts(run, series))
    await Promise.all(
      parts.map((part) =>
        this.add(series, part, () =>
          acquireDaysFromRest({ series, days: part, bounds, endsSeries: false, archive: null, reason }, this.#acquire),
        ),
      ),
    )
  }

  /** Runs one stretch and stores what it gives. */
  add(series: Series, days: readonly UtcDay[], acquire: () => Promise<readonly AcquiredDay[]>): Promise<void> {
    return this.#queue.add(() =>
      this.#guard(async () => {
        const acquired = await acquire()
        await this.#sink.store(series, acquired)
        this.#sink.countMissing(series, days, acquired)
        this.#sink.report('stretches')
      }),
    )
  }
}

/** Splits a run of chunks into parts of a bounded number of rows. */
export function stretchParts(days: readonly UtcDay[], series: Series): UtcDay[][] {
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
