import type { AcquireContext } from '../acquire/archive-task.ts'
import { unaskedDay } from '../acquire/barless-day.ts'
import { askBirth } from '../acquire/birth.ts'
import type { PlanScope, SeriesPlan } from '../acquire/plan.ts'
import { chunksOf } from '../acquire/plan.ts'
import type { SeriesBounds } from '../acquire/reconcile.ts'
import { acquireDaysFromRest } from '../acquire/rest-days.ts'
import type { RestGate } from '../acquire/rest-gate.ts'
import type { Tail } from '../acquire/tail.ts'
import { acquireTail } from '../acquire/tail.ts'
import { unknownSymbol } from '../acquire/unknown-symbol.ts'
import { chunkEndUs } from '../model/interval.ts'
import { chunkOfUs } from '../model/series.ts'
import { dayStartUs } from '../model/utc-day.ts'
import type { ChunkSink } from './chunk-sink.ts'
import type { RestStretches } from './rest-stretches.ts'
import { stretchParts } from './rest-stretches.ts'

/**
 * The chunks of a series that lie outside of its archives, of which only REST can tell: before the first archive, after the
 * last one, and all of a series that has none. Throws CKVD_ABORTED and errors of the lake; other errors become conditions.
 */
export class SeriesEnds {
  readonly #acquire: AcquireContext
  readonly #scope: PlanScope
  readonly #sink: ChunkSink
  readonly #stretches: RestStretches

  constructor(acquire: AcquireContext, scope: PlanScope, sink: ChunkSink, stretches: RestStretches) {
    this.#acquire = acquire
    this.#scope = scope
    this.#sink = sink
    this.#stretches = stretches
  }

  /**
   * Before the first archive REST may know earlier bars: it is asked once for the first one. Where it cannot be asked, bars
   * are expected from the first requested chunk on (`isGuess`): what is then missing is unexplained.
   */
  async runLead(plan: SeriesPlan, rest: RestGate): Promise<{ bounds: SeriesBounds; isGuess: boolean }> {
    const { series, lead } = plan
    const birth = await askBirth(series, rest, this.#acquire.signal)
    if (!birth.asked) {
      const days = lead.map((day) => unaskedDay(series, day, birth.error))
      await this.#sink.store(series, days)
      if (plan.askedFrom === null || plan.bounds.startUs !== null) return { bounds: plan.bounds, isGuess: false }
      return { bounds: { ...plan.bounds, startUs: dayStartUs(plan.askedFrom) }, isGuess: true }
    }
    const { firstUs } = birth
    if (firstUs === null) {
      this.#sink.countUnlisted(series, lead)
      return { bounds: plan.bounds, isGuess: false }
    }
    const first = chunkOfUs(firstUs, series.interval)
    const bounds = { startUs: firstUs, endUs: null }
    this.#sink.countUnlisted(
      series,
      lead.filter((day) => day < first),
    )
    const alive = lead.filter((day) => day >= first)
    await this.#stretches.fill(series, alive, bounds, 'before the first archive')
    // a first bar after the first archive contradicts the archive: the archive is believed
    return { bounds: plan.firstDay !== null && first > plan.firstDay ? plan.bounds : bounds, isGuess: false }
  }

  /** After the last archive; true when the series has ended. */
  async runTail(plan: SeriesPlan, bounds: SeriesBounds): Promise<boolean> {
    const { series, tail } = plan
    const lastKnown = [plan.lastDay, plan.lastKept]
      .filter((day) => day !== null)
      .sort()
      .at(-1)
    const lastKnownEndUs = lastKnown === undefined ? null : chunkEndUs(lastKnown, series.interval)
    let ended = true
    // the latest part first: only where nothing is later a series can have ended
    for (const part of stretchParts(tail, series).reverse()) {
      const { nowUs } = this.#scope
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
      await this.#sink.store(series, result.days)
      this.#sink.countMissing(series, part, result.days)
      this.#sink.report('stretches')
    }
    return ended && tail.length > 0
  }

  /** A series that the listing does not know: all from REST, from its first bar on, or failed. */
  async runUnlisted(plan: SeriesPlan, rest: RestGate): Promise<void> {
    const { series, tail } = plan
    const birth = await askBirth(series, rest, this.#acquire.signal)
    const chunks = Math.max(1, tail.length)
    if (!birth.asked) return this.#sink.countFailed(series, chunks, birth.error)
    if (birth.firstUs === null) return this.#sink.countFailed(series, chunks, unknownSymbol(series, true))
    const first = chunkOfUs(birth.firstUs, series.interval)
    const requested = tail.length > 0 ? tail : [...chunksOf(series, first, this.#scope)]
    this.#sink.countUnlisted(
      series,
      requested.filter((day) => day < first),
    )
    await this.runTail({ ...plan, tail: requested.filter((day) => day >= first) }, { startUs: birth.firstUs, endUs: null })
  }
}
