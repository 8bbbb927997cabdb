import type { DecodePool } from '../acquire/decode-pool.ts'
import type { ArchiveChoice } from '../acquire/plan/archive-choice.ts'
import type { ConnectionSettings } from '../acquire/rest/connection-settings.ts'
import type { Steps } from '../disk/steps.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { HttpSettings } from '../sources/http/http.ts'
import type { IngestEvents } from './progress.ts'
import type { IngestResult } from './result.ts'
import type { UniverseLine } from './universe.ts'

/** Everything that a run of `ingest` depends on. */
export interface IngestOptions extends ConnectionSettings {
  /** the command whose run it is; default `ingest` */
  readonly command?: IngestResult['command']
  readonly universe: readonly UniverseLine[]
  /** first day; null: from the first one that the listing has */
  readonly start: UtcDay | null
  /** day after the last one */
  readonly end: UtcDay
  readonly archives: ArchiveChoice
  readonly rest: boolean
  readonly refresh: boolean
  readonly retryFailed: boolean
  readonly force: boolean
  readonly crossCheck: boolean
  readonly keepArchives: boolean
  readonly workers: number
  /** time of planning, epoch ms */
  readonly nowMs: number
  /** a clock that runs, epoch ms */
  readonly clockMs: () => number
  /** the system's clock, whatever time planning takes for now: weight, pauses and bans are kept by it; default `Date.now` */
  readonly systemMs?: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly events: IngestEvents
  /** a seam for crash and fault tests: called around each step of writing */
  readonly steps?: Steps
  /** a seam for fault tests: shorter timeouts and pauses than those of HTTP_DEFAULTS */
  readonly http?: Partial<HttpSettings>
  /** a seam for fault tests: path of another file for the worker threads */
  readonly workerFile?: string
  /** a seam for fault tests: milliseconds after which a worker that gives no answer is ended */
  readonly decodeTimeoutMs?: number
  /** decode threads of the caller, who closes them: for many runs after each other; left out, a run has its own `workers` */
  readonly pool?: DecodePool
}
