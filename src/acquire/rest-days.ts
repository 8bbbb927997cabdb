import type { CkvdError } from '../errors.ts'
import { createColumns } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import { chunkRange, nextChunk } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { isContentError } from './archive-load.ts'
import type { AcquireContext, ArchiveTask, RestContext } from './archive-task.ts'
import { failedDay, unverifiedDay } from './barless-day.ts'
import { endBounds } from './complete-day.ts'
import type { AcquiredDay, ArchiveOrigin, SeriesBounds } from './reconcile.ts'
import { buildDay, expectedRange, rowsWithin } from './reconcile.ts'
import { askRest, explainGap, refusalOf } from './stretch.ts'

/** Days of which no archive has a bar. */
export async function acquireBare(
  task: ArchiveTask,
  days: readonly UtcDay[],
  bounds: SeriesBounds,
  reason: string,
  ctx: AcquireContext,
  error?: CkvdError,
): Promise<AcquiredDay[]> {
  const archive = { key: task.archive.key, etag: task.archive.etag, sha256: null }
  return acquireDaysFromRest(
    { series: task.series, days, bounds, endsSeries: task.endsSeries, archive, reason, ...(error === undefined ? {} : { error }) },
    ctx,
  )
}

export interface RestTask {
  readonly series: Series
  /** consecutive chunks */
  readonly days: readonly UtcDay[]
  readonly bounds: SeriesBounds
  readonly endsSeries: boolean
  /** the archive that should have had them */
  readonly archive: ArchiveOrigin | null
  /** why they are asked from REST */
  readonly reason: string
  /** the archive's error: what REST cannot give either is then quarantined instead of partial */
  readonly error?: CkvdError
}

/** Asks REST for a run of consecutive chunks as one stretch. Chunks in which nothing is expected are left out. */
export async function acquireDaysFromRest(task: RestTask, ctx: RestContext): Promise<AcquiredDay[]> {
  const { series } = task
  const wanted = task.days.filter((day) => {
    const range = expectedRange(series, day, task.bounds)
    return range.endUs > range.startUs
  })
  const first = wanted[0]
  const last = wanted.at(-1)
  if (first === undefined || last === undefined) return []
  const whole = { startUs: expectedRange(series, first, task.bounds).startUs, endUs: expectedRange(series, last, task.bounds).endUs }
  const answer = await askRest(series, [{ ...whole, bars: 0 }], ctx.rest, ctx.signal)
  const days: AcquiredDay[] = []
  for (const day of wanted) {
    const columns = answer.kind === 'asked' ? rowsWithin(answer.rows, chunkRange(day, series.interval)) : createColumns(0)
    if (columns.openTime.length === 0 && task.error !== undefined) {
      // nothing lies in quarantine of an archive that was not there: the next run asks for it again
      days.push(
        isContentError(task.error) ? unverifiedDay(task, day, task.error, answer) : failedDay(task, day, task.error, refusalOf(answer)),
      )
      continue
    }
    const bounds = endBounds(task, day, columns, answer)
    const range = expectedRange(series, day, bounds)
    if (columns.openTime.length === 0 && range.endUs <= range.startUs) continue
    days.push(
      await buildDay({
        series,
        day,
        columns,
        bounds,
        sources: ['rest'],
        archive: task.archive,
        duplicates: 0,
        conflicts: 0,
        differing: 0,
        evidence: task.reason,
        error: null,
        explain: () => explainGap(whole, answer, series),
      }),
    )
  }
  return days
}

/** Splits chunks in order into runs without a hole between them. */
export function consecutive(days: readonly UtcDay[], series: Series): UtcDay[][] {
  const runs: UtcDay[][] = []
  for (const day of days) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (run !== undefined && last !== undefined && nextChunk(last, series.interval) === day) run.push(day)
    else runs.push([day])
  }
  return runs
}
