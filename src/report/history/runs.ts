import { findDataset } from '../../dataset/registry.ts'
import { z } from 'zod'
import { parseJson } from '../../json-text.ts'
import type { RunRow } from '../../lake/catalog/catalog-rows.ts'
import type { LedgerReader } from '../../lake/ledger.ts'
import { CONDITIONS, isExplained } from '../../model/condition.ts'
import { isoOfUs } from '../../model/utc-day.ts'

/** A chunk or series that was unexplained at the end of a run. */
export interface RunProblem {
  /** as Vision calls it: `klines` */
  readonly dataset: string
  /** `spot`, `um` or `cm` */
  readonly market: string
  /** as the exchange writes it */
  readonly symbol: string
  /** `1s` to `1M`; null: the data set has no intervals */
  readonly interval: string | null
  /** null: the whole series */
  readonly day: string | null
  /** what it counted as */
  readonly condition: string
  /** of the error, from the catalogue of errors */
  readonly code: string
  /** the reason, as a person is told it */
  readonly message: string
}

/** What the lake remembers of a run that wrote to it: exactly what `ckvd runs --json` prints. Counts are of chunks where nothing else is said. */
export interface RunRecord {
  /** its number, for `ckvd changes --since` */
  readonly run: number
  /** `ingest`, `sync` or whatever wrote */
  readonly command: string
  /** ISO time */
  readonly started_at: string
  /** ISO time; null while it goes on, and of one that was killed */
  readonly ended_at: string | null
  /** exit code; null as the end */
  readonly exit: number | null
  /** series that were worked on */
  readonly series: number
  /** written */
  readonly stored: number
  /** provisional ones that gave way to their archive */
  readonly upgraded: number
  /** taken anew since their archive was published anew */
  readonly republished: number
  /** published anew and not taken */
  readonly changed: number
  /** that were unexplained at its end */
  readonly unexplained: number
  /** bars written */
  readonly rows: number
  /** of all sources */
  readonly bytes_downloaded: number
  /** the first of what was unexplained; none is remembered of runs of older versions */
  readonly problems: readonly RunProblem[]
  /** what was worth knowing and no problem */
  readonly notes: readonly string[]
  /** why it stopped early; null when it finished */
  readonly stopped: {
    /** of the error */
    readonly code: string
    /** the reason, as a person was told it */
    readonly message: string
  } | null
}

/** Runs that have written to the lake, the oldest first. */
export function readRuns(ledger: LedgerReader): RunRecord[] {
  return ledger.listRuns().map(recordOf)
}

const count = z.number().catch(0)
const text = z.string().catch('')

/** What the program that wrote the counts put there; an older one may lack some of it, and what is under way or was killed has none. */
const Counts = z
  .object({
    days: z.record(z.string(), z.number()).catch({}),
    series: count,
    stored: count,
    upgraded: count,
    republished: count,
    changed: count,
    rows: count,
    bytes_downloaded: count,
    problems: z
      .array(
        z
          .object({
            dataset: z.string().catch('klines'),
            market: text,
            symbol: text,
            interval: z.string().nullable().catch(null),
            day: z.string().nullable().catch(null),
            condition: text,
            code: text,
            message: text,
          })
          // earlier builds wrote the grid of the times
          .transform((problem) => (findDataset(problem.dataset)?.hasInterval === false ? { ...problem, interval: null } : problem)),
      )
      .catch([]),
    notes: z.array(z.string()).catch([]),
    stopped: z.object({ code: z.string(), message: z.string() }).nullable().catch(null),
  })
  .partial()

function recordOf({ id, command, startedAt, endedAt, counts, exit }: RunRow): RunRecord {
  const found = Counts.safeParse(counts === null ? {} : parseJson(counts)).data ?? {}
  const { days = {}, series = 0, stored = 0, upgraded = 0, republished = 0, changed = 0, rows = 0 } = found
  return {
    run: id,
    command,
    started_at: isoOf(startedAt),
    ended_at: endedAt === null ? null : isoOf(endedAt),
    exit,
    ...{ series, stored, upgraded, republished, changed },
    unexplained: CONDITIONS.filter((condition) => !isExplained(condition)).reduce((sum, condition) => sum + (days[condition] ?? 0), 0),
    rows,
    bytes_downloaded: found.bytes_downloaded ?? 0,
    problems: found.problems ?? [],
    notes: found.notes ?? [],
    stopped: found.stopped ?? null,
  }
}

/** A time of the catalog as all times are printed. */
export function isoOf(text: string): string {
  return isoOfUs(Date.parse(text) * 1000)
}
