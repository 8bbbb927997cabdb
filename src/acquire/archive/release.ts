import type { Columns } from '../../model/columns.ts'
import { createRows } from '../../dataset/registry.ts'
import { countExpectedOfNone, findMissing } from '../../dataset/expected.ts'
import { shardRows } from '../../codec/shard-rows.ts'
import type { DecodedChunk } from '../../codec/decoded-chunk.ts'
import { chunkEndUs, chunkRange, consecutive, isMonthChunked } from '../../dataset/chunk.ts'
import { CkvdError } from '../../errors.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { FetchedArchive } from '../../sources/vision/vision.ts'
import type { Found } from './archive-load.ts'
import { decode, isFactOfArchive, isReleasable, loadOther, workerDeath } from './archive-load.ts'
import type { AcquireContext, ArchiveTask } from '../archive-task.ts'
import { failedDay, unverifiedDay } from '../barless-day.ts'
import { completeDay, fillGaps } from './complete-day.ts'
import type { AcquiredDay } from '../day.ts'
import { mergeRows, rowsWithin } from '../../dataset/rows.ts'
import { buildDay, expectedRange } from '../day.ts'
import { acquireBare } from '../rest/rest-days.ts'
import { askRest } from '../rest/rest-question.ts'
import type { SeriesLife } from '../life/series-life.ts'
import { gatherMonth } from './neighbour-archives.ts'

/** The planned archive gave nothing that may be believed: the other form, then REST, else the day stays unexplained. */
export async function acquireWithout(
  task: ArchiveTask,
  error: CkvdError,
  fetched: FetchedArchive | null,
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<AcquiredDay[]> {
  const days: AcquiredDay[] = []
  if (!isFactOfArchive(error)) return task.days.map((day) => failedDay(task, day, error))
  if (error.code === 'CKVD_FORBIDDEN' && ctx.vision.refusesAll) return task.days.map((day) => failedDay(task, day, error))
  const distrusted =
    fetched !== null && isReleasable(error) ? await decodeDistrusted(task, fetched, life, ctx) : new Map<UtcDay, DecodedChunk>()
  // an archive that is not believed does not tell where the series begins
  if (task.startsSeries) await life.begin(null)
  const alive = task.days.filter((day) => life.bounds.startUs === null || chunkEndUs(day, task.series) > life.bounds.startUs)
  const bare: UtcDay[] = []
  for (const day of alive) {
    const other = isMonthChunked(task.series)
      ? await gatherMonth(task, day, undefined, life, ctx)
      : ((await loadOther(task, day, life, ctx)) ?? undefined)
    if (other === undefined) bare.push(day)
    else days.push(await completeDay(task, day, [other], life, releaseNote(task, error, distrusted.get(day), other), ctx))
  }
  for (const run of consecutive(bare, task.series)) {
    if (distrusted.size === 0) days.push(...(await acquireBare(task, run, life, `${error.code}: ${error.message}`, ctx, error)))
    else for (const day of run) days.push(await releaseByRest(task, day, error, distrusted.get(day), life, ctx))
  }
  const isStale = error.code === 'CKVD_ARCHIVE_STALE'
  const unused = { key: task.archive.key, error }
  return days.map((day) => ({ ...day, unused, ...(isStale ? { recheck: true } : {}) })).sort((a, b) => (a.day < b.day ? -1 : 1))
}

/** Rows of an archive that is not the one it should be but whose ZIP and CSV are sound: candidates for a release. */
async function decodeDistrusted(
  task: ArchiveTask,
  fetched: FetchedArchive,
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<Map<UtcDay, DecodedChunk>> {
  const outcome = await decode(task, task.archive, task.days, fetched, life, ctx, { distrust: true, alone: true }).catch((error: unknown) =>
    workerDeath(error, ctx),
  )
  return new Map(!(outcome instanceof CkvdError) && outcome.ok ? outcome.result.chunks.map((chunk) => [chunk.day, chunk]) : [])
}

function releaseNote(task: ArchiveTask, error: CkvdError, distrusted: DecodedChunk | undefined, other: Found): string {
  const head = `${task.archive.key}: ${error.code}`
  if (distrusted === undefined) return `${head}; the day comes from ${other.origin.key}`
  const merge = mergeRows(
    shardRows<Columns>(task.series, other.chunk.shard),
    shardRows<Columns>(task.series, distrusted.shard),
    task.series,
  )
  const verdict =
    merge.differing === 0 && merge.added === 0
      ? `its ${merge.agreeing} rows agree with`
      : `${merge.differing + merge.added} of its rows differ from`
  return `${head}; ${verdict} ${other.origin.key}, from which the day comes`
}

/** No other archive: REST decides row by row whether the archive is believed. */
async function releaseByRest(
  task: ArchiveTask,
  day: UtcDay,
  error: CkvdError,
  chunk: DecodedChunk | undefined,
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<AcquiredDay> {
  const { series } = task
  const range = expectedRange(series, day, life.bounds)
  const bars = countExpectedOfNone(series, range)
  const answer = await askRest(
    series,
    [{ ...range, bars }],
    { times: [], firstUs: life.bounds.startUs, nowUs: life.nowUs },
    ctx.rest,
    ctx.signal,
  )
  if (answer.kind === 'silent') return unverifiedDay(task, day, error, answer)
  const restRows = rowsWithin(answer.rows, chunkRange(day, series))
  const columns = chunk === undefined ? createRows(series, 0) : shardRows<Columns>(series, chunk.shard)
  const rows = columns.openTime.length
  const merge = mergeRows(columns, restRows, series)
  const agrees = chunk !== undefined && rows > 0 && merge.agreeing === rows && merge.differing === 0
  if (!agrees && restRows.openTime.length === 0) return unverifiedDay(task, day, error, answer)
  // the same walk tells of the holes; what is asked here again are those that are left
  const filled = await fillGaps(series, day, agrees ? merge.columns : restRows, life, ctx)
  const base = {
    series,
    day,
    columns: filled.columns,
    bounds: life.bounds,
    archive: { key: task.archive.key, etag: task.archive.etag, sha256: null },
    error: null,
    explain: filled.explain,
  }
  if (agrees) {
    return buildDay({
      ...base,
      sources: [`vision-${task.archive.packaging}`, ...(merge.added + filled.added > 0 ? ['rest'] : [])],
      duplicates: chunk.duplicates,
      conflicts: chunk.conflicts,
      differing: 0,
      restStretches: findMissing(series, columns, range),
      evidence: `released: ${error.code}, but all ${rows} rows of the archive agree with REST`,
    })
  }
  return buildDay({
    ...base,
    sources: ['rest'],
    duplicates: 0,
    conflicts: 0,
    differing: merge.differing + Math.max(0, rows - merge.agreeing - merge.differing),
    evidence: `the archive is quarantined (${error.code}) and its rows differ from REST, from which the day comes`,
  })
}
