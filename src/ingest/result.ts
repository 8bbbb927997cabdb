import type { CkvdError } from '../errors.ts'
import type { Condition } from '../model/condition.ts'
import { CONDITIONS, isExplained } from '../model/condition.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { RequestKind } from '../sources/http.ts'

/** A chunk, or a whole series (`day` null), that is not as it should be. */
export interface Problem extends Series {
  readonly day: UtcDay | null
  readonly condition: Condition
  readonly code: string
  readonly message: string
}

/** What a run of `ingest` did: exactly what `--json` prints. */
export interface IngestResult {
  readonly command: 'ingest'
  readonly exit: number
  readonly started_at: string
  readonly elapsed_ms: number
  readonly range: { readonly start: UtcDay | null; readonly end: UtcDay }
  readonly series: number
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
  readonly rows: number
  readonly bytes_downloaded: number
  readonly requests: Readonly<Record<RequestKind, number>>
  readonly problems: readonly Problem[]
  /** why the run stopped early; null when it finished */
  readonly stopped: { readonly code: string; readonly message: string } | null
}

/** Problems listed one by one; beyond them only the counts tell. */
const MAX_PROBLEMS = 10_000

/** Gathers the outcome of every chunk. */
export class Tally {
  readonly #days = Object.fromEntries(CONDITIONS.map((condition) => [condition, 0])) as Record<Condition, number>
  readonly #problems: Problem[] = []
  #unexplained = 0
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

  addProblem(problem: Problem): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(problem)
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

  /** In the order of market, symbol, interval and day, whatever the order of the work. */
  get problems(): readonly Problem[] {
    const key = (problem: Problem): string => `${problem.market} ${problem.symbol} ${problem.interval} ${problem.day ?? ''}`
    return this.#problems.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
  }
}

/** A problem out of an error. */
export function problemOf(series: Series, day: UtcDay | null, condition: Condition, error: CkvdError): Problem {
  return { ...series, day, condition, code: error.code, message: error.message }
}
