import { decodeShard } from '../codec/arrow.ts'
import { largestArchiveBytes } from '../codec/csv-size.ts'
import type { DecodeResult, DecodedChunk } from '../codec/decode-day.ts'
import { CkvdError, isCkvdError, isFailure } from '../errors.ts'
import type { Packaging, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs, nextMonth, US_PER_DAY } from '../model/utc-day.ts'
import type { FetchedArchive } from '../sources/vision.ts'
import type { AcquireContext, ArchiveRef, ArchiveTask } from './archive-task.ts'
import type { ArchiveOrigin, SeriesBounds } from './reconcile.ts'
import { countChangedRows } from './reconcile.ts'

/** Rows that an archive has for a chunk. */
export interface Found {
  readonly chunk: DecodedChunk
  readonly origin: ArchiveOrigin
  readonly packaging: Packaging
}

export type Loaded =
  | { readonly ok: true; readonly result: DecodeResult; readonly origin: ArchiveOrigin }
  | { readonly ok: false; readonly error: CkvdError; readonly fetched: FetchedArchive | null }

/**
 * True for errors of an archive's content: it is quarantined, and other sources are asked. Of a body that is not the listed one by its size
 * or encoding nothing was kept, so there is nothing to quarantine but the day.
 */
export function isContentError(error: CkvdError): boolean {
  return /^CKVD_(CHECKSUM|ZIP|CSV|HTTP_TOO|HTTP_ENCODING$)|^CKVD_BAR_INVALID$/.test(error.code)
}

/** What the comparison of a month's day with its daily archive gave. */
export interface Comparison {
  readonly daily: Found | null
  readonly differing: number
  readonly note: string
}

/** Compares days of a monthly archive with their daily archives, where these are listed. Monthly is transport, not truth. */
export async function compareDays(
  task: ArchiveTask,
  chunks: ReadonlyMap<UtcDay, DecodedChunk>,
  days: readonly UtcDay[],
  bounds: SeriesBounds,
  ctx: AcquireContext,
): Promise<Map<UtcDay, Comparison>> {
  const comparisons = new Map<UtcDay, Comparison>()
  if (task.archive.packaging !== 'monthly') return comparisons
  for (const day of days) {
    const chunk = chunks.get(day)
    const ref = otherArchive(task, day)
    if (chunk === undefined || ref === undefined) continue
    const daily = await loadOther(task, day, bounds, ctx)
    if (daily === null) {
      comparisons.set(day, { daily, differing: 0, note: `not compared: ${ref.key} gave nothing that may be believed` })
      continue
    }
    const differing = countChangedRows(decodeShard(chunk.shard).columns, decodeShard(daily.chunk.shard).columns)
    if (differing === 0) ctx.pool.reuse(daily.chunk.shard)
    const verdict = differing === 0 ? 'equal' : `${differing} bars differ, the daily archive is preferred`
    comparisons.set(day, { daily: differing === 0 ? null : daily, differing, note: `compared with ${ref.key}: ${verdict}` })
  }
  return comparisons
}

/** Downloads and decodes; content that fails verification is quarantined and fetched once more. */
export async function loadArchive(
  task: ArchiveTask,
  archive: ArchiveRef,
  days: readonly UtcDay[],
  ctx: AcquireContext,
  startUs?: number | null,
): Promise<Loaded> {
  const { etag, sizeBytes } = archive
  const mostBytes = largestArchiveBytes(task.series.interval, periodOf(archive))
  for (let last = false; ; last = true) {
    let fetched: FetchedArchive
    try {
      fetched = await ctx.vision.fetchArchive(archive.key, { etag, sizeBytes, mostBytes, signal: ctx.signal })
    } catch (error) {
      if (!isFailure(error)) throw error
      if (!last && isContentError(error)) continue
      return { ok: false, error, fetched: null }
    }
    const kept = ctx.keepArchive === null ? null : fetched.zip.slice()
    const alone = last
    const outcome = await decode(task, archive, days, fetched, ctx, { startUs, alone }).catch((error: unknown) => workerDeath(error, ctx))
    if (outcome instanceof CkvdError) {
      // the bytes went with the worker; alone in its task, an archive that kills workers takes no other along
      if (last) return { ok: false, error: outcome, fetched: null }
      continue
    }
    if (outcome.ok) {
      if (kept !== null && fetched.checksum !== null) await ctx.keepArchive?.(archive.key, kept, fetched.checksum)
      return { ok: true, result: outcome.result, origin: { key: archive.key, etag: fetched.etag, sha256: outcome.result.archiveSha256 } }
    }
    const zip = outcome.zip === null ? null : new Uint8Array(outcome.zip)
    if (zip !== null && isContentError(outcome.error)) await ctx.quarantine?.(archive.key, zip, outcome.error)
    if (last || !isContentError(outcome.error))
      return { ok: false, error: outcome.error, fetched: zip === null ? null : { ...fetched, zip } }
  }
}

/** The time that an archive covers. */
function periodOf({ packaging, firstDay }: ArchiveRef): TimeRange {
  const startUs = dayStartUs(firstDay)
  return { startUs, endUs: packaging === 'daily' ? startUs + US_PER_DAY : nextMonth(startUs) }
}

export function decode(
  task: ArchiveTask,
  archive: ArchiveRef,
  days: readonly UtcDay[],
  fetched: FetchedArchive,
  ctx: AcquireContext,
  o: { readonly startUs?: number | null | undefined; readonly distrust?: boolean; readonly alone?: boolean } = {},
) {
  const known = o.startUs === undefined ? task.bounds.startUs : o.startUs
  return ctx.pool.decode(
    {
      series: task.series,
      archive: { key: archive.key, etag: fetched.etag, packaging: archive.packaging, period: archive.period },
      zip: fetched.zip,
      checksum: fetched.checksum,
      days,
      startsSeries: task.startsSeries && known === null,
      seriesStartUs: known,
      seriesEndUs: task.bounds.endUs,
      distrust: o.distrust ?? false,
    },
    ctx.signal,
    o.alone ?? false,
  )
}

/** The death of a worker is told of its archive; where no worker can be started at all, the run ends. */
export function workerDeath(error: unknown, ctx: AcquireContext): CkvdError {
  if (isCkvdError(error, 'CKVD_WORKER') && ctx.pool.usable) return error
  throw error
}

function otherArchive(task: ArchiveTask, day: UtcDay): ArchiveRef | undefined {
  return task.others.find((ref) => (ref.packaging === 'daily' ? ref.firstDay === day : ref.firstDay.slice(0, 7) === day.slice(0, 7)))
}

/** The chunk from the other form of archive; null when there is none or it is no better than nothing. */
export async function loadOther(task: ArchiveTask, day: UtcDay, bounds: SeriesBounds, ctx: AcquireContext): Promise<Found | null> {
  const other = otherArchive(task, day)
  if (other === undefined) return null
  const loaded = await loadArchive(task, other, [day], ctx, bounds.startUs)
  const chunk = loaded.ok ? loaded.result.chunks[0] : undefined
  return loaded.ok && chunk !== undefined ? { chunk, origin: loaded.origin, packaging: other.packaging } : null
}
