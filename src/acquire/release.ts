import { decodeShard } from '../codec/arrow.ts'
import type { DecodedChunk } from '../codec/decode-day.ts'
import { CkvdError } from '../errors.ts'
import type { Gap } from '../model/gaps.ts'
import { findGaps } from '../model/gaps.ts'
import { chunkEndUs } from '../model/interval.ts'
import { createColumns } from '../model/kline.ts'
import { chunkRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { FetchedArchive } from '../sources/vision.ts'
import type { Found } from './archive-load.ts'
import { decode, isContentError, loadOther, workerDeath } from './archive-load.ts'
import type { AcquireContext, ArchiveTask } from './archive-task.ts'
import { failedDay, unverifiedDay } from './barless-day.ts'
import { boundsFromBirth } from './birth.ts'
import { completeDay, endBounds } from './complete-day.ts'
import type { AcquiredDay } from './reconcile.ts'
import { buildDay, expectedRange, mergeRows, rowsWithin } from './reconcile.ts'
import { acquireBare, consecutive } from './rest-days.ts'
import { askRest, explainGap } from './stretch.ts'

/** The planned archive gave nothing that may be believed: the other form, then REST, else the day stays unexplained. */
export async function acquireWithout(
  task: ArchiveTask,
  error: CkvdError,
  fetched: FetchedArchive | null,
  ctx: AcquireContext,
): Promise<AcquiredDay[]> {
  const days: AcquiredDay[] = []
  const content = isContentError(error)
  if (!content && error.code !== 'CKVD_ARCHIVE_MISSING') return task.days.map((day) => failedDay(task, day, error))
  const distrusted =
    content && fetched !== null && error.code.startsWith('CKVD_CHECKSUM_')
      ? await decodeDistrusted(task, fetched, ctx)
      : new Map<UtcDay, DecodedChunk>()
  const bounds = task.startsSeries && task.bounds.startUs === null ? await boundsFromBirth(task, ctx) : task.bounds
  // where REST cannot tell the birth, a daily archive of the month must not: its missing first bars would go unnoticed
  const known = { ...task, bounds, startsSeries: task.startsSeries && task.archive.packaging === 'daily' }
  const alive = task.days.filter((day) => bounds.startUs === null || chunkEndUs(day, task.series.interval) > bounds.startUs)
  const bare: UtcDay[] = []
  for (const day of alive) {
    const other = await loadOther(known, day, bounds, ctx)
    if (other === null) bare.push(day)
    else days.push(await completeDay(known, day, [other], bounds, releaseNote(task, error, distrusted.get(day), other), ctx))
  }
  for (const run of consecutive(bare, task.series)) {
    if (distrusted.size === 0) days.push(...(await acquireBare(known, run, bounds, `${error.code}: ${error.message}`, ctx, error)))
    else for (const day of run) days.push(await releaseByRest(known, day, error, distrusted.get(day), ctx))
  }
  return days.sort((a, b) => (a.day < b.day ? -1 : 1))
}

/** Rows of an archive whose CHECKSUM is wrong or missing but whose ZIP and CSV are sound: candidates for a release. */
async function decodeDistrusted(task: ArchiveTask, fetched: FetchedArchive, ctx: AcquireContext): Promise<Map<UtcDay, DecodedChunk>> {
  const outcome = await decode(task, task.archive, task.days, fetched, ctx, { distrust: true, alone: true }).catch((error: unknown) =>
    workerDeath(error, ctx),
  )
  return new Map(!(outcome instanceof CkvdError) && outcome.ok ? outcome.result.chunks.map((chunk) => [chunk.day, chunk]) : [])
}

function releaseNote(task: ArchiveTask, error: CkvdError, distrusted: DecodedChunk | undefined, other: Found): string {
  const head = `${task.archive.key}: ${error.code}`
  if (distrusted === undefined) return `${head}; the day comes from ${other.origin.key}`
  const merge = mergeRows(decodeShard(other.chunk.shard).columns, decodeShard(distrusted.shard).columns, task.series)
  const verdict =
    merge.differing === 0 && merge.added === 0
      ? `its ${merge.agreeing} rows agree with`
      : `${merge.differing + merge.added} of its rows differ from`
  return `${head}; ${verdict} ${other.origin.key}, from which the day comes`
}

/** A wrong checksum, no other archive: REST decides row by row whether the archive is believed. */
async function releaseByRest(
  task: ArchiveTask,
  day: UtcDay,
  error: CkvdError,
  chunk: DecodedChunk | undefined,
  ctx: AcquireContext,
): Promise<AcquiredDay> {
  const range = expectedRange(task.series, day, task.bounds)
  const answer = await askRest(task.series, [{ ...range, bars: 0 }], ctx.rest, ctx.signal)
  if (answer.kind === 'silent') return unverifiedDay(task, day, error, answer)
  const restRows = rowsWithin(answer.rows, chunkRange(day, task.series.interval))
  const columns = chunk === undefined ? createColumns(0) : decodeShard(chunk.shard).columns
  const rows = columns.openTime.length
  const merge = mergeRows(columns, restRows, task.series)
  const bounds = endBounds(task, day, merge.columns, answer)
  const base = {
    series: task.series,
    day,
    bounds,
    error: null,
    explain: (gap: Gap | { startUs: number; endUs: number }) => explainGap(gap, answer, task.series),
  }
  if (chunk !== undefined && rows > 0 && merge.agreeing === rows && merge.differing === 0) {
    return buildDay({
      ...base,
      columns: merge.columns,
      sources: [`vision-${task.archive.packaging}`, ...(merge.added > 0 ? ['rest'] : [])],
      archive: { key: task.archive.key, etag: task.archive.etag, sha256: null },
      duplicates: chunk.duplicates,
      conflicts: chunk.conflicts,
      differing: 0,
      restStretches: findGaps(columns.openTime, range, task.series.interval),
      evidence: `released: ${error.code}, but all ${rows} rows of the archive agree with REST`,
    })
  }
  if (restRows.openTime.length === 0) return unverifiedDay(task, day, error, answer)
  return buildDay({
    ...base,
    columns: restRows,
    sources: ['rest'],
    archive: { key: task.archive.key, etag: task.archive.etag, sha256: null },
    duplicates: 0,
    conflicts: 0,
    differing: merge.differing + (rows - merge.agreeing - merge.differing > 0 ? rows - merge.agreeing - merge.differing : 0),
    evidence: `the archive is quarantined (${error.code}) and its rows differ from REST, from which the day comes`,
  })
}
