import { isPackedRow } from '../codec/arrow/chunk-bytes.ts'
import { estimatePackBytes } from '../codec/arrow/shard-size.ts'
import type { CkvdError, ErrorCode } from '../errors.ts'
import { abortError, isCkvdError } from '../errors.ts'
import { nextChunk } from '../dataset/chunk.ts'
import { filePeriod, isPacked, parseFilePeriod } from '../dataset/pack.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { DayRow } from './catalog/catalog-rows.ts'
import type { LedgerReader } from './ledger.ts'
import type { WritableLake } from './lake.ts'
import { DATA_FOLDER, formerFolder, formerPath, parseShardPath, shardPath } from './layout.ts'
import { metaOf, whyLeft } from './pack-merge.ts'
import { readShard } from './shards.ts'

/*
 * A lake of format 1 becomes one of packs, without a download: period by period, each of which is a lake that every command reads at every
 * moment. What is done stays done; the next upgrade finds what is left in the catalog and in the former folders.
 */

/** A chunk that stays in its file of format 1, or whose pack cannot take others in. */
export interface LeftFile {
  readonly series: Series
  readonly day: UtcDay
  /** relative to the lake */
  readonly path: string
  readonly code: ErrorCode
  readonly message: string
}

/** Files and their bytes. */
export interface FileTally {
  readonly files: number
  readonly bytes: number
}

export interface UpgradeResult {
  /** series that had files of format 1 */
  readonly series: number
  /** chunks that were brought into packs, or (of a plan) would be */
  readonly chunks: number
  /** the files of format 1 whose chunks these are */
  readonly before: FileTally
  /** the packs that hold them now */
  readonly after: FileTally
  readonly left: readonly LeftFile[]
}

export interface UpgradeProgress {
  /** series looked at so far, of how many */
  readonly done: number
  readonly total: number
  readonly chunks: number
}

export interface UpgradeOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: UpgradeProgress) => void
}

/** Series at work: their packs share the groups in which files are synced. */
const LANES = 16

/** What an upgrade has found or done so far. */
class Tally {
  series = 0
  chunks = 0
  readonly before = { files: 0, bytes: 0 }
  readonly after = { files: 0, bytes: 0 }
  readonly left: LeftFile[] = []

  leave(series: Series, day: UtcDay, path: string, { code, message }: CkvdError): void {
    this.left.push({ series, day, path, code, message })
  }

  result(): UpgradeResult {
    const { series, chunks, before, after, left } = this
    return { series, chunks, before, after, left: [...left].sort((a, b) => (a.path < b.path ? -1 : 1)) }
  }
}

/** What an upgrade would do, by the catalog alone: no file is read. The bytes of packs are an estimate. */
export function planUpgrade(catalog: LedgerReader, all: readonly Series[]): UpgradeResult {
  const tally = new Tally()
  for (const series of all.filter(isPacked)) {
    const periods = findPeriods(catalog, series)
    if (periods.length > 0) tally.series++
    for (const { former, first, end } of periods) {
      const taken = former.filter((row) => {
        const why = whyLeft(row)
        if (why !== undefined) tally.leave(series, row.day, formerPath(series, row.day), why)
        return why === undefined
      })
      if (taken.length === 0) continue
      count(tally, taken)
      const days = new Set(taken.map(({ day }) => day))
      const inPack = catalog.readDays(series, first, end).filter((row) => days.has(row.day) || isInPack(row))
      tally.after.files++
      tally.after.bytes += estimatePackBytes(
        inPack.map((row) => metaOf({ row, gaps: catalog.listGaps(row, row.day, nextChunk(row.day, row)) })),
      )
    }
  }
  return tally.result()
}

/**
 * Brings the chunks of some series that stand in files of format 1 into packs, then removes these files and their folders. Safe to kill at any
 * moment, and to run again: it does what is left to do. A chunk whose file is damaged stays as it is, and is told.
 * @throws CKVD_ABORTED between two series, CKVD_DISK_FULL, CKVD_LAKE_IO, CKVD_CATALOG; what is done stays done
 */
export async function runUpgrade(lake: WritableLake, all: readonly Series[], options: UpgradeOptions = {}): Promise<UpgradeResult> {
  const { signal, onProgress } = options
  const tally = new Tally()
  const waiting = all.filter(isPacked).values()
  const total = all.filter(isPacked).length
  let done = 0
  let failure: { readonly error: unknown } | undefined
  const lane = async (): Promise<void> => {
    for (const series of waiting) {
      if (signal?.aborted === true) failure ??= { error: abortError(signal) }
      if (failure !== undefined) return
      try {
        await upgradeSeries(lake, series, tally)
        onProgress?.({ done: ++done, total, chunks: tally.chunks })
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  if (failure !== undefined) throw failure.error
  // last of all: nobody makes folders beside these any more
  for (const series of all.filter(isPacked)) await removeFolders(lake, series)
  return tally.result()
}

async function upgradeSeries(lake: WritableLake, series: Series, tally: Tally): Promise<void> {
  const periods = findPeriods(lake.catalog, series)
  if (periods.length > 0) tally.series++
  const ended = await Promise.allSettled(periods.map((period) => upgradePeriod(lake, series, period, tally)))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  await removeLeftovers(lake, series, tally)
}

async function upgradePeriod(lake: WritableLake, series: Series, { first, former }: FormerPeriod, tally: Tally): Promise<void> {
  try {
    const { chunks, bytes, left } = await lake.writer.upgrade(series, first)
    for (const { day, error } of left) tally.leave(series, day, formerPath(series, day), error)
    if (chunks === 0) return
    const stays = new Set(left.map(({ day }) => day))
    count(
      tally,
      former.filter(({ day }) => !stays.has(day)),
    )
    tally.after.files++
    tally.after.bytes += bytes
  } catch (error) {
    // the pack that is there is damaged: what it lacks is fetched by `verify --repair`, and the next upgrade goes on
    if (!isCkvdError(error, 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT', 'CKVD_SHARD_MISSING')) throw error
    tally.leave(series, first, shardPath(series, first), error)
  }
}

function count(tally: Tally, rows: readonly DayRow[]): void {
  tally.chunks += rows.length
  tally.before.files += rows.length
  for (const { shardBytes } of rows) tally.before.bytes += shardBytes ?? 0
}

/** A month or year of a series some of whose chunks stand in files of format 1. */
interface FormerPeriod {
  readonly first: UtcDay
  readonly end: UtcDay
  readonly former: readonly DayRow[]
}

function findPeriods(catalog: LedgerReader, series: Series): FormerPeriod[] {
  const periods = new Map<string, DayRow[]>()
  for (const row of catalog.iterateDays(series)) {
    if (row.shardSha256 === null || isPackedRow(row, row)) continue
    const period = filePeriod(row.day, series)
    const there = periods.get(period)
    if (there === undefined) periods.set(period, [row])
    else there.push(row)
  }
  return [...periods].flatMap(([period, former]) => {
    const span = parseFilePeriod(period, series)
    return span === undefined ? [] : [{ ...span, former }]
  })
}

function isInPack(row: DayRow): boolean {
  return row.shardSha256 !== null && isPackedRow(row, row) && row.condition !== 'failed'
}

/** Files of format 1 whose chunks stand in packs by now (a run was killed before it removed them). */
async function removeLeftovers(lake: WritableLake, series: Series, tally: Tally): Promise<void> {
  const { catalog, shards } = lake
  for await (const { path } of shards.list(formerFolder(series))) {
    const file = parseShardPath(path)
    const row = file?.kind === 'chunk' ? catalog.getDay(series, file.day) : undefined
    if (row === undefined || !isInPack(row)) continue
    try {
      // its last copy is not removed for a pack that is none
      await readShard(shards, series, row.day, row)
      await shards.remove(path)
    } catch (error) {
      if (!isCkvdError(error, 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_FORMAT', 'CKVD_SHARD_MISSING')) throw error
      tally.leave(series, row.day, shardPath(series, row.day), error)
    }
  }
}

/** Removes the former folder of a series and those above it, as far as they are empty. */
async function removeFolders(lake: WritableLake, series: Series): Promise<void> {
  for (let folder = formerFolder(series); folder !== DATA_FOLDER; folder = folder.slice(0, folder.lastIndexOf('/')))
    await lake.removeEmptyFolder(folder)
}
