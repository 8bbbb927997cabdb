import type { ArchiveTask } from '../archive-task.ts'
import { chunkOfUs } from '../../dataset/chunk.ts'
import type { FirstForms, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import type { Condition } from '../../model/condition.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs, latestDay } from '../../model/utc-day.ts'
import type { ArchiveChoice } from './archive-choice.ts'
import type { PlanScope } from './plan-scope.ts'

/** The chunks of one series and what becomes of each. JSON: it is spooled between planning and work. */
export interface SeriesPlan {
  readonly series: Series
  /** first day that was asked for; null: from the first one that the listing has */
  readonly start: UtcDay | null
  /** which archives are taken */
  readonly archives: ArchiveChoice
  /** first and last chunk in which bars are expected; null: none */
  readonly first: UtcDay | null
  readonly last: UtcDay | null
  /** chunks from first to last */
  readonly days: number
  /** chunks outside the series' life, as far as the listing tells */
  readonly unlisted: number
  /** conditions of the chunks that stay as they are */
  readonly kept: Partial<Record<Condition, number>>
  /** unexplained chunks that stay as they are, to be reported again */
  readonly keptProblems: readonly { readonly day: UtcDay; readonly condition: Condition }[]
  readonly tasks: readonly ArchiveTask[]
  /** first and last chunk with bars among those that stay as they are */
  readonly firstKept: UtcDay | null
  readonly lastKept: UtcDay | null
  /** runs of chunks between archives that no archive covers */
  readonly holes: readonly UtcDay[]
  /** chunks after the last archive */
  readonly tail: readonly UtcDay[]
  /** chunks before the first archive, of an explicit start: REST, or archives that are not taken, tell whether they have bars */
  readonly lead: readonly UtcDay[]
  /** stored chunks with missing bars whose archives have nothing new: REST alone is asked again */
  readonly repairs: readonly ArchiveTask[]
  /** stored chunks whose archive has another ETag now (taken with `--refresh` only) */
  readonly changed: readonly UtcDay[]
  /** stored chunks that expect fewer bars than their slots, for a reason that is not known to hold: they stay if it does */
  readonly cut: readonly UtcDay[]
  readonly firstDay: UtcDay | null
  /** in which forms of archives the series' beginning has been looked for when the plan is done */
  readonly firstForms: FirstForms | null
  readonly lastDay: UtcDay | null
  /** the first day that the last archive covers: how many of its days have bars, it tells itself */
  readonly lastSure: UtcDay | null
  /** the last chunk with bars that the lake has, wherever it lies */
  readonly lastStored: UtcDay | null
  /** the listing goes on after the range */
  readonly more: boolean
}

/** The last chunk of which bars or an archive are known; null: none is. */
export function lastKnownDay(plan: SeriesPlan): UtcDay | null {
  const day = latestDay(latestDay(plan.lastSure, plan.lastKept), plan.lastStored)
  return day === null ? null : chunkOfUs(dayStartUs(day), plan.series)
}

/** The plan of a series of which nothing is to be done: each of its requested chunks, of which there is one at least, is settled. */
export function planSettled(
  series: Series,
  { start, archives }: PlanScope,
  known: SeriesRow | undefined,
  chunks: { readonly first: UtcDay; readonly last: UtcDay; readonly count: number },
  lastStored: UtcDay | null,
): SeriesPlan {
  const { first, last, count } = chunks
  return {
    series,
    start,
    archives,
    first,
    last,
    days: count,
    unlisted: 0,
    kept: { complete: count },
    keptProblems: [],
    tasks: [],
    firstKept: first,
    lastKept: last,
    holes: [],
    tail: [],
    lead: [],
    repairs: [],
    changed: [],
    cut: [],
    firstDay: known?.firstDay ?? null,
    firstForms: known?.firstForms ?? null,
    lastDay: known?.lastDay ?? null,
    lastSure: null,
    lastStored,
    more: false,
  }
}
