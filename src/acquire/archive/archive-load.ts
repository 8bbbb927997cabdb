import { createHash } from 'node:crypto'
import { datasetOf } from '../../dataset/registry.ts'
import type { Columns } from '../../model/columns.ts'
import { shardRows } from '../../codec/shard-rows.ts'
import { largestArchiveOf } from '../../codec/csv/csv-size.ts'
import type { DecodeResult } from '../../codec/decode-archive.ts'
import type { DecodedChunk } from '../../codec/decoded-chunk.ts'
import { isMonthChunked } from '../../dataset/chunk.ts'
import type { ErrorCode } from '../../errors.ts'
import { CkvdError, isCkvdError, isFailure } from '../../errors.ts'
import type { Packaging, TimeRange } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs, nextMonth, US_PER_DAY } from '../../model/utc-day.ts'
import type { FetchedArchive } from '../../sources/vision/vision.ts'
import { findListed, relistArchive } from './relist.ts'
import type { AcquireContext, ArchiveRef, ArchiveTask } from '../archive-task.ts'
import type { ArchiveOrigin } from '../day.ts'
import { countChangedRows } from '../../dataset/rows.ts'
import { rowWord } from '../../dataset/told.ts'
import type { SeriesLife } from '../life/series-life.ts'

/** Rows that an archive has for a chunk. */
export interface Found {
  readonly chunk: DecodedChunk
  readonly origin: ArchiveOrigin
  readonly packaging: Packaging
  /** where its rows were gathered from archives of both forms; default: that of its own form */
  readonly sources?: readonly string[]
}

export type Loaded =
  | { readonly ok: true; readonly result: DecodeResult; readonly origin: ArchiveOrigin }
  | { readonly ok: false; readonly error: CkvdError; readonly fetched: FetchedArchive | null }

/** Errors of an archive whose rows may be sound: they are believed when a second source has them too. */
const RELEASABLE: readonly ErrorCode[] = [
  'CKVD_CHECKSUM_MISSING',
  'CKVD_CHECKSUM_FORMAT',
  'CKVD_CHECKSUM_NAME',
  'CKVD_CHECKSUM_MISMATCH',
  'CKVD_ARCHIVE_STALE',
]

/** True where the archive's rows may be sound all the same. */
export function isReleasable(error: CkvdError): boolean {
  return RELEASABLE.includes(error.code)
}

/** True where an error tells of the archive: a network that fails is no fact about it; one object that is refused, or gone, is. */
export function isFactOfArchive(error: CkvdError): boolean {
  return error.about === 'content' || error.about === 'source'
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
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<Map<UtcDay, Comparison>> {
  const comparisons = new Map<UtcDay, Comparison>()
  if (task.archive.packaging !== 'monthly') return comparisons
  for (const day of days) {
    const chunk = chunks.get(day)
    const ref = otherArchive(task, day)
    if (chunk === undefined || ref === undefined) continue
    const daily = await loadOther(task, day, life, ctx)
    if (daily === null) {
      comparisons.set(day, { daily, differing: 0, note: `not compared: ${ref.key} gave nothing that may be believed` })
      continue
    }
    const differing = countChangedRows(
      shardRows<Columns>(task.series, chunk.shard),
      shardRows<Columns>(task.series, daily.chunk.shard),
      task.series,
    )
    if (differing === 0) ctx.pool.reuse(daily.chunk.shard)
    const verdict = differing === 0 ? 'equal' : `${differing} ${rowWord(task.series)}s differ, the daily archive is preferred`
    comparisons.set(day, { daily: differing === 0 ? null : daily, differing, note: `compared with ${ref.key}: ${verdict}` })
  }
  return comparisons
}

/** Downloads and decodes; content that fails verification is quarantined and fetched once more. */
export async function loadArchive(
  task: ArchiveTask,
  archive: ArchiveRef,
  days: readonly UtcDay[],
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<Loaded> {
  let listed = archive
  const mostBytes = largestArchiveOf(task.series, periodOf(archive))
  for (let last = false; ; last = true) {
    let fetched: FetchedArchive
    try {
      const { etag, sizeBytes } = listed
      fetched = await ctx.vision.fetchArchive(archive.key, { etag, sizeBytes, mostBytes, signal: ctx.signal }).finally(() => ctx.born)
    } catch (error) {
      if (!isFailure(error)) throw error
      if (!last && error.about === 'content') continue
      return { ok: false, error, fetched: null }
    }
    const stale = findStale(listed, fetched, ctx.crossCheck)
    if (stale !== null && !last) {
      // published anew between listing and download, or a stale edge: once more, by what the listing says now
      listed = (await relistArchive(ctx.listing, task.series, archive, ctx.signal)) ?? listed
      if (findStale(listed, fetched, ctx.crossCheck) !== null) continue
    } else if (stale !== null) {
      await ctx.quarantine?.(archive.key, fetched.zip, stale)
      return { ok: false, error: stale, fetched }
    }
    const kept = ctx.keepArchive === null ? null : fetched.zip.slice()
    const alone = last
    const outcome = await decode(task, listed, days, fetched, life, ctx, { alone }).catch((error: unknown) => workerDeath(error, ctx))
    if (outcome instanceof CkvdError) {
      // the bytes went with the worker; alone in its task, an archive that kills workers takes no other along
      if (last) return { ok: false, error: outcome, fetched: null }
      continue
    }
    if (outcome.ok) {
      if (kept !== null && fetched.checksum !== null) await ctx.keepArchive?.(archive.key, kept, fetched.checksum)
      return { ok: true, result: outcome.result, origin: { key: archive.key, etag: listed.etag, sha256: outcome.result.archiveSha256 } }
    }
    const zip = outcome.zip === null ? null : new Uint8Array(outcome.zip)
    const isContent = outcome.error.about === 'content'
    if (zip !== null && isContent) await ctx.quarantine?.(archive.key, zip, outcome.error)
    if (last || !isContent) return { ok: false, error: outcome.error, fetched: zip === null ? null : { ...fetched, zip } }
  }
}

/** An MD5, as S3 states it for an object that was put in one piece. */
const MD5 = /^[0-9a-f]{32}$/

/** Compares what came with what the listing has: its size, and its ETag with that of the answer, or with the MD5 of the bytes. */
function findStale(listed: ArchiveRef, { zip, etag }: FetchedArchive, checksAll: boolean): CkvdError | null {
  const needsDigest = MD5.test(listed.etag) && (etag === null || checksAll)
  const found = needsDigest ? createHash('md5').update(zip).digest('hex') : (etag ?? listed.etag)
  if (zip.length === listed.sizeBytes && found === listed.etag) return null
  return new CkvdError(
    'CKVD_ARCHIVE_STALE',
    `Expected ${listed.key} of ${listed.sizeBytes} bytes with ETag ${listed.etag}, as the listing has it, got ${zip.length} bytes with ${found}. Its rows are kept if another source has them; run the same command again later.`,
    { details: { key: listed.key, expected: listed.etag, found, sizeBytes: zip.length } },
  )
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
  life: SeriesLife,
  ctx: AcquireContext,
  o: { readonly distrust?: boolean; readonly alone?: boolean } = {},
) {
  const { startUs, endUs } = life.bounds
  return ctx.pool.decode(
    {
      series: task.series,
      ...(task.series.dataset === undefined ? {} : { dataset: datasetOf({ dataset: task.series.dataset }) }),
      archive: { key: archive.key, etag: archive.etag, packaging: archive.packaging, period: archive.period },
      zip: fetched.zip,
      checksum: fetched.checksum,
      days,
      startsSeries: false,
      seriesStartUs: startUs,
      seriesEndUs: endUs,
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

/** Of bars longer than a day the others have parts of the month, which `gatherMonth` joins: none of them can stand for all of it. */
function otherArchive(task: ArchiveTask, day: UtcDay): ArchiveRef | undefined {
  if (isMonthChunked(task.series)) return undefined
  return task.others.find((ref) => (ref.packaging === 'daily' ? ref.firstDay === day : ref.firstDay.slice(0, 7) === day.slice(0, 7)))
}

/** The other form of archive of a day, from the plan or, where that had no use for it, from the listing, which may fail: then null. */
export async function findOther(
  task: ArchiveTask,
  day: UtcDay,
  { listing, signal }: AcquireContext,
): Promise<ArchiveRef | undefined | null> {
  const planned = otherArchive(task, day)
  if (planned !== undefined || isMonthChunked(task.series)) return planned
  const packaging = task.archive.packaging === 'daily' ? 'monthly' : 'daily'
  try {
    return await findListed(listing, task.series, packaging, day, signal)
  } catch (error) {
    if (!isFailure(error)) throw error
    return null
  }
}

/** The chunk from the other form of archive; null when there is none or it is no better than nothing. */
export async function loadOther(task: ArchiveTask, day: UtcDay, life: SeriesLife, ctx: AcquireContext): Promise<Found | null> {
  const other = otherArchive(task, day)
  const found = other === undefined ? null : await askOther(task, other, day, life, ctx)
  return found === 'lacking' ? null : found
}

/** What another archive has of a chunk; `lacking`: it was read, and has no row of it. Null where it could not be read or believed. */
export async function askOther(
  task: ArchiveTask,
  other: ArchiveRef,
  day: UtcDay,
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<Found | 'lacking' | null> {
  const loaded = await loadArchive(task, other, [day], life, ctx)
  if (!loaded.ok) return null
  const chunk = loaded.result.chunks.find((one) => one.day === day)
  return chunk === undefined ? 'lacking' : { chunk, origin: loaded.origin, packaging: other.packaging }
}
