import type { OfDataset } from '../dataset/registry.ts'
import { datasetNames, datasetOf } from '../dataset/registry.ts'
import type { ToldSeries } from '../dataset/told.ts'
import { toldInterval } from '../dataset/told.ts'
import type { CkvdError, ErrorCode } from '../errors.ts'
import type { Condition } from '../model/condition.ts'
import { countNone, isExplained } from '../model/condition.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { RequestKind } from '../sources/http/http.ts'
import { UnusedArchives } from './unused-archives.ts'

/** A chunk, or a whole series (`day` null), that is not as it should be. */
export interface Problem extends ToldSeries {
  /** as Vision calls it: `klines`, `fundingRate` */
  readonly dataset: string
  /** first day of the chunk; null: the whole series, `days` of it */
  readonly day: UtcDay | null
  /** how many chunks */
  readonly days: number
  /** `partial`, `quarantined` or `failed` */
  readonly condition: Condition
  /** of the error catalogue */
  readonly code: string
  /** what was expected, what was found, what to do */
  readonly message: string
}

/** A stored chunk in whose sources bars contradicted each other. */
export interface Difference extends ToldSeries {
  /** first day of the chunk */
  readonly day: UtcDay
  /** open times that one archive has twice with different values; the later row is stored */
  readonly conflicts: number
  /** bars in which two sources differ; Vision's are stored, of Vision's the daily archive's */
  readonly differing_rows: number
  /** what was compared, and what came of it */
  readonly evidence: string | null
}

/** What a run of `ingest` or `sync` did: exactly what `--json` prints. */
export interface IngestResult {
  /** `ingest` or `sync` */
  readonly command: 'ingest' | 'sync'
  /** exit code of the command: 0 when every requested day is stored or its absence explained, 3, 4 or 130 */
  readonly exit: number
  /** ISO time */
  readonly started_at: string
  /** wall time, milliseconds */
  readonly elapsed_ms: number
  /** requested days, the end excluded; a start of null: each series from its first day on */
  readonly range: { readonly start: UtcDay | null; readonly end: UtcDay }
  /** series that were worked on */
  readonly series: number
  /** requested chunks by condition */
  readonly days: Readonly<Record<Condition, number>>
  /** chunks whose shard was written in this run */
  readonly stored: number
  /** chunks that were settled before this run */
  readonly skipped: number
  /** provisional chunks that Vision's archive replaced */
  readonly upgraded: number
  /** chunks whose archive was published anew and taken */
  readonly republished: number
  /** stored chunks whose archive the listing shows with another ETag, not taken (see `--refresh`) */
  readonly changed: number
  /** bars written in this run */
  readonly rows: number
  /** bytes received, all requests */
  readonly bytes_downloaded: number
  /** requests sent, by kind */
  readonly requests: Readonly<Record<RequestKind, number>>
  /** unexplained chunks and series, at most 10,000; `days` has their number */
  readonly problems: readonly Problem[]
  /** what a person should know of the run, though nothing is unexplained by it */
  readonly notes: readonly string[]
  /** chunks whose sources contradicted each other: stored, and explained */
  readonly differences: readonly Difference[]
  /** why the run stopped early; null when it finished */
  readonly stopped: {
    readonly code: string
    readonly message: string
    /** planned chunks that it did not come to; null: it stopped before its plan was whole */
    readonly days_left: number | null
  } | null
}

/** Problems listed one by one; beyond them only the counts tell. */
const MAX_PROBLEMS = 10_000

/** Problems that the lake remembers of a run. */
const REMEMBERED_PROBLEMS = 50

/** What the lake remembers of a run: its result, without all but the first problems, and without what the days themselves tell. */
export type RunCounts = Omit<IngestResult, 'differences'>

export function runCounts({ differences, ...counts }: IngestResult): RunCounts {
  return { ...counts, problems: counts.problems.slice(0, REMEMBERED_PROBLEMS) }
}
/** Problems for which advice is looked up. */
const MAX_ADVISED = 20

/** Series that a note names. */
const SHOWN_NAMES = 5

/** Gathers the outcome of every chunk. */
export class Tally {
  readonly #days = countNone()
  readonly #problems: Problem[] = []
  readonly #differences: Difference[] = []
  readonly #notes = new Set<string>()
  #unexplained = 0
  /** series of which REST could not say where they begin */
  readonly provisionalBeginnings = new Set<string>()
  /** archives that could not be used, and whose days are explained nevertheless */
  readonly unused = new UnusedArchives()
  /** chunks of the plan, and of series that cannot be planned; null until the plan is whole */
  planned: number | null = null
  /** series that cannot be planned, each counted as one failed chunk */
  unplanned = 0
  series = 0
  stored = 0
  skipped = 0
  upgraded = 0
  republished = 0
  changed = 0
  rows = 0

  /** Counts chunks of a condition; `accepted` ones count as explained. */
  count(condition: Condition, times = 1, accepted = 0): void {
    this.#days[condition] += times
    if (!isExplained(condition)) this.#unexplained += times - accepted
  }

  /** Planned chunks that the run has not come to; null where the plan is not whole. */
  get left(): number | null {
    const reached = Object.values(this.#days).reduce((sum, count) => sum + count, 0)
    return this.planned === null ? null : Math.max(0, this.planned - reached)
  }

  addProblem(problem: Problem): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(problem)
  }

  /** Adds to what is told of the first problems of a code; `words` gives undefined where there is nothing to add. */
  async addAdvice(code: ErrorCode, words: (problem: Problem) => Promise<string | undefined>): Promise<void> {
    let advised = 0
    for (const [i, problem] of this.#problems.entries()) {
      if (problem.code !== code || ++advised > MAX_ADVISED) continue
      const text = await words(problem)
      if (text !== undefined) this.#problems[i] = { ...problem, message: `${problem.message} ${text}` }
    }
  }

  addDifference(difference: Difference): void {
    if (this.#differences.length < MAX_PROBLEMS) this.#differences.push(difference)
  }

  /** Told once, however often it is noted. */
  addNote(note: string): void {
    this.#notes.add(note)
  }

  get notes(): readonly string[] {
    const told = [...this.#notes, this.unused.note].filter((note) => note !== undefined)
    const names = [...this.provisionalBeginnings].sort()
    if (names.length === 0) return told
    const shown = names.slice(0, SHOWN_NAMES).join(', ')
    const more = names.length > SHOWN_NAMES ? ` and ${names.length - SHOWN_NAMES} more` : ''
    const begin = `REST could not be asked where ${shown}${more} begin: for now the first bar of the first archive counts as the first of all.`
    return [...told, begin]
  }

  get problemCount(): number {
    return this.#problems.length
  }

  get days(): Readonly<Record<Condition, number>> {
    return { ...this.#days }
  }

  /** 0 when every requested chunk is stored or explained, else 3. */
  get exit(): 0 | 3 {
    return this.#unexplained === 0 ? 0 : 3
  }

  /** In the order of market, symbol, data set, interval and day, whatever the order of the work. */
  get problems(): readonly Problem[] {
    return this.#problems.toSorted(byChunk)
  }

  get differences(): readonly Difference[] {
    return this.#differences.toSorted(byChunk)
  }
}

function byChunk(a: ToldSeries & { day: UtcDay | null }, b: ToldSeries & { day: UtcDay | null }): number {
  const key = (one: typeof a): string => `${one.market} ${one.symbol} ${placeOf(one)} ${one.interval ?? ''} ${one.day ?? ''}`
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0
}

/** The place of a data set among all, as text that sorts. */
function placeOf(of: OfDataset): string {
  return String(datasetNames().indexOf(datasetOf(of).name)).padStart(3, '0')
}

/** A problem out of an error. */
export function problemOf(series: Series, day: UtcDay | null, condition: Condition, error: CkvdError): Problem {
  const { dataset = 'klines', market, symbol } = series
  return { market, dataset, symbol, interval: toldInterval(series), day, days: 1, condition, code: error.code, message: error.message }
}
