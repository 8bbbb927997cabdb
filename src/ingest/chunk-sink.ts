import type { SeriesPlan } from '../acquire/plan/series-plan.ts'
import type { AcquiredDay } from '../acquire/day.ts'
import { storeDay } from '../acquire/store.ts'
import { chunkRange, consecutive, nextChunk } from '../dataset/chunk.ts'
import { missingRows, seriesOf, toldSeries } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import { codeOf, countsAsExplained, isAccepted, reasonOf } from '../lake/day-facts.ts'
import type { WritableLake } from '../lake/lake.ts'
import { CONDITIONS, isExplained } from '../model/condition.ts'
import type { DoubtReason, EvidencedGap } from '../model/evidence.ts'
import { isProof } from '../model/evidence.ts'
import type { Gap } from '../model/gaps.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { earliestDay, latestDay } from '../model/utc-day.ts'
import type { HttpClient } from '../sources/http/http.ts'
import type { IngestEvents, ProgressMeter } from './progress.ts'
import type { Problem, Tally } from './result.ts'
import { problemOf } from './result.ts'

export interface ChunkSinkContext {
  readonly lake: WritableLake
  readonly http: HttpClient
  readonly nowIso: () => string
  readonly events: IngestEvents
  readonly meter: ProgressMeter
  readonly tally: Tally
}

/** The one way of a chunk into lake, summary, events and progress. Throws errors of the lake. */
export class ChunkSink {
  readonly #context: ChunkSinkContext
  readonly #edges: Problem[] = []
  readonly #unexplainable: Problem[] = []

  constructor(context: ChunkSinkContext) {
    this.#context = context
  }

  /**
   * Stores chunks, each with its condition. `isEdge`: they lie outside of the archives, and one cause holds for all of them: what is
   * unexplained is told as one problem of the series.
   */
  async store(series: Series, days: readonly AcquiredDay[], isEdge: boolean): Promise<void> {
    const known = this.#knownOf(
      series,
      days.map(({ day }) => day),
    )
    const problems = await Promise.all(days.map((acquired) => this.#storeDay(series, acquired, known.get(acquired.day))))
    problems.forEach((problem, i) => {
      const acquired = days[i]
      if (problem === null || acquired === undefined) return
      this.#tell(problem, isEdge || isAboutLife(series, acquired.day, acquired.gaps))
    })
  }

  /** Stores a chunk that was told before, or that the lake had, with rows that it lacked: it is counted once. Throws errors of the lake. */
  async amend(series: Series, acquired: AcquiredDay): Promise<void> {
    const { lake, tally, nowIso, events } = this.#context
    const previous = lake.catalog.getDay(series, acquired.day)
    const { row } = await storeDay(lake, series, acquired, previous, nowIso)
    events.onChunk?.(row)
    tally.rows += row.rows - (previous?.rows ?? 0)
  }

  /** What the catalog has of chunks that come together: one question, since those of an archive follow each other. */
  #knownOf(series: Series, days: readonly UtcDay[]): Map<UtcDay, DayRow> {
    const [first, last] = [days.reduce<UtcDay | null>(earliestDay, null), days.reduce<UtcDay | null>(latestDay, null)]
    if (first === null || last === null) return new Map()
    return new Map(this.#context.lake.catalog.readDays(series, first, nextChunk(last, series)).map((row) => [row.day, row]))
  }

  #tell(problem: Problem, isEdge: boolean): void {
    if (problem.condition === 'unexplainable') this.#unexplainable.push(problem)
    else if (isEdge) this.#edges.push(problem)
    else this.#context.tally.addProblem(problem)
  }

  /** Tells what is unexplained at the edges of a series' life, and what no source can explain: one cause, one problem, however many days. */
  endSeries(): void {
    for (const problems of [this.#edges.splice(0), this.#unexplainable.splice(0)]) {
      const [first, ...others] = problems.sort((a, b) => (String(a.day) < String(b.day) ? -1 : 1))
      if (first === undefined) continue
      const days = others.length + 1
      const which = first.condition === 'unexplainable' ? ` (${describeStretches(problems)})` : ''
      const message = `${days} days${which}, ${String(first.day)} the first: ${first.message}`
      this.#context.tally.addProblem(others.length === 0 ? first : { ...first, day: null, days, message })
    }
  }

  /** What is unexplained of the chunk; null: nothing is. */
  async #storeDay(series: Series, acquired: AcquiredDay, previous: DayRow | undefined): Promise<Problem | null> {
    const { lake, tally, meter, nowIso, events } = this.#context
    const stored = await storeDay(lake, series, acquired, previous, nowIso)
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
        ...toldSeries(series),
        day: row.day,
        conflicts: acquired.conflicts,
        differing_rows: acquired.differing,
        evidence: acquired.evidence,
      })
    }
    const refused = stored.refused
    if (refused !== null && refused.error !== null) return problemOf(series, row.day, row.condition, refused.error)
    if (countsAsExplained(row)) {
      if (acquired.unused !== undefined) this.#noteUnused(series, acquired.unused)
      return null
    }
    return unexplained(series, row, refused === null ? acquired.gaps : this.#gapsOf(series, row))
  }

  #noteUnused({ market }: Series, { key, error }: NonNullable<AcquiredDay['unused']>): void {
    this.#context.tally.unused.add(market, { key, code: error.code, isQuarantined: error.about === 'content' })
  }

  /** Counts chunks in which nothing is expected. What an earlier run recorded of them, when it could not know that, is forgotten. */
  countUnlisted(series: Series, days: readonly UtcDay[]): void {
    const { lake, tally } = this.#context
    tally.count('unlisted', days.length)
    for (const day of days) if (lake.catalog.getDay(series, day)?.shardSha256 === null) lake.catalog.deleteDay(series, day)
  }

  /** Counts the requested chunks of which nothing was acquired: nothing is expected in them. */
  countMissing(series: Series, requested: readonly UtcDay[], acquired: readonly AcquiredDay[]): void {
    if (requested.every((day, i) => acquired[i]?.day === day)) return
    const found = new Set(acquired.map(({ day }) => day))
    this.countUnlisted(
      series,
      requested.filter((day) => !found.has(day)),
    )
  }

  /** Counts a chunk that stays as it is in the lake. */
  countKeptDay(series: Series, day: UtcDay): void {
    const { tally, lake } = this.#context
    const row = lake.catalog.getDay(series, day)
    if (row === undefined) return
    tally.count(row.condition, 1, isAccepted(row) ? 1 : 0)
    tally.skipped++
    if (!countsAsExplained(row)) this.#tellKept(series, row)
  }

  /** Counts what stays as it is in the lake, and tells again what is unexplained of it. */
  countKept(plan: SeriesPlan): void {
    const { tally, lake } = this.#context
    for (const condition of CONDITIONS) {
      const count = plan.kept[condition] ?? 0
      // what is unexplained and no problem was accepted by a person
      const problems = plan.keptProblems.filter((problem) => problem.condition === condition).length
      tally.count(condition, count, isExplained(condition) ? 0 : count - problems)
    }
    for (const { day } of plan.keptProblems) {
      const row = lake.catalog.getDay(plan.series, day)
      if (row !== undefined) this.#tellKept(plan.series, row)
    }
    tally.count('unlisted', plan.unlisted)
    tally.changed += plan.changed.length
    tally.skipped += Object.values(plan.kept).reduce((sum, count) => sum + count, 0)
  }

  /** What is unexplained of a chunk that stays as it is in the lake. */
  #tellKept(series: Series, row: DayRow): void {
    const gaps = this.#gapsOf(series, row)
    this.#tell(unexplained(series, row, gaps), isAboutLife(series, row.day, gaps))
  }

  #gapsOf(series: Series, { day }: DayRow): EvidencedGap[] {
    return this.#context.lake.catalog.listGaps(series, day, nextChunk(day, series))
  }

  /** Counts a series of which nothing can be had. */
  countFailed(series: Series, chunks: number, error: CkvdError): void {
    this.#context.tally.count('failed', chunks)
    this.#context.tally.addProblem({ ...problemOf(series, null, 'failed', error), days: chunks })
  }

  /** Shows that an archive, or a stretch of REST, is done. */
  report(done: 'archives' | 'stretches'): void {
    const { events, meter, http, tally } = this.#context
    meter[done]++
    events.onProgress?.(meter.snapshot(http, tally.problemCount))
  }
}

/** Stretches of days that a problem names. */
const MOST_STRETCHES = 10

/** The chunks of problems of one series in order, `2024-03-04..2024-06-08, 2024-07-01`, as `ckvd coverage --accept` takes them. */
function describeStretches(problems: readonly Problem[]): string {
  const [first] = problems
  if (first === undefined) return ''
  const days = problems.flatMap(({ day }) => (day === null ? [] : [day]))
  const stretches = consecutive(days, seriesOf(first)).map((run) => (run.length === 1 ? run.join() : `${run[0]}..${run.at(-1)}`))
  const more = stretches.length - MOST_STRETCHES
  return `${stretches.slice(0, MOST_STRETCHES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Doubts about where a series begins or ends: one cause for all chunks that they are told of. */
const LIFE_REASONS: ReadonlySet<DoubtReason> = new Set(['not-ended', 'unknown-symbol', 'other-archives'])

/** True of a chunk of which nothing is unexplained but where the series begins or whether it has ended: not of bars missing between others. */
function isAboutLife(series: Series, day: UtcDay, gaps: readonly EvidencedGap[]): boolean {
  const { startUs, endUs } = chunkRange(day, series)
  const open = gaps.flatMap((gap) => (isProof(gap.evidence) ? [] : [{ ...gap, reason: gap.evidence.reason }]))
  const isAtEdge = (gap: Gap): boolean => gap.startUs <= startUs || gap.endUs >= endUs
  return open.length > 0 && open.every((gap) => LIFE_REASONS.has(gap.reason) && isAtEdge(gap))
}

/** An unexplained chunk as a problem, with the reason that every command tells. */
function unexplained(series: Series, row: DayRow, gaps: readonly EvidencedGap[]): Problem {
  const reason = reasonOf(row, gaps)
  const missing = gaps.reduce((sum, gap) => sum + gap.bars, 0)
  const words =
    row.error === null && missing > 0 ? `${missingRows(series, missing, row.expected)}, and it is not known why: ${reason}.` : reason
  return problemOf(series, row.day, row.condition, new CkvdError(codeOf(row), words))
}
