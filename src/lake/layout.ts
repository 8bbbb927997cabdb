import { join } from 'node:path'
import { datasetIn, datasetOf, named } from '../dataset/registry.ts'
import { chunkPeriod, isMonthChunked } from '../dataset/chunk.ts'
import { periodStem, seriesFolder } from '../dataset/names.ts'
import { filePeriod, fileSpan, isPacked, parseFilePeriod } from '../dataset/pack.ts'
import { parseInterval } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { isSymbol } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { firstDayOf, parseUtcDay, parseUtcMonth } from '../model/utc-day.ts'
import type { Whose } from '../disk/io-error.ts'
import { joinInside } from '../disk/join-inside.ts'

/** Absolute paths of the parts of a lake. No other file of the program makes paths in the lake. */
export interface LakePaths {
  readonly root: string
  /** shards, laid out as the archives lie in Vision's bucket */
  readonly data: string
  readonly catalog: string
  /** archives that failed verification, each with its reason beside it */
  readonly quarantine: string
  /** files that are being written; on the same volume as the rest, so that a rename is atomic */
  readonly tmp: string
  /** the SQLite file whose exclusive transaction is the write lock; it never holds data */
  readonly lock: string
  /** format and origin of the lake */
  readonly origin: string
}

export function lakePaths(root: string): LakePaths {
  return {
    root,
    data: join(root, DATA_FOLDER),
    catalog: join(root, 'catalog.sqlite'),
    quarantine: join(root, QUARANTINE_FOLDER),
    tmp: join(root, 'tmp'),
    lock: join(root, 'lock.sqlite'),
    origin: join(root, 'lake.json'),
  }
}

const FOLDER_OF = { month: 'monthly', year: 'yearly' } as const

/** The folders of a lake that hold files which a store keeps. */
export const DATA_FOLDER = 'data'
export const QUARANTINE_FOLDER = 'quarantine'

/** The folder of a series' files, relative to the lake, `/` separated. */
export function shardFolder(series: Series): string {
  const span = fileSpan(series)
  return span === 'chunk' ? formerFolder(series) : seriesFolder(series, FOLDER_OF[span]).slice(0, -1)
}

/**
 * Where the file lies that holds a chunk, relative to the lake, `/` separated: its own, `data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.arrow`,
 * or a pack of a month or a year, `data/spot/yearly/klines/BTCUSDT/1d/BTCUSDT-1d-2024.arrow`.
 */
export function shardPath(series: Series, day: UtcDay): string {
  return `${shardFolder(series)}/${periodStem(series, filePeriod(day, series))}.${endingOf(series)}`
}

function endingOf(series: Series): 'arrow' | 'parquet' {
  return datasetOf(series).storage ?? 'arrow'
}

/** Where format 1 kept the shards of a series, as Vision its archives: a file a month for `3d`, `1w` and `1M`, a file a day otherwise. */
export function formerFolder(series: Series): string {
  return seriesFolder(series, isMonthChunked(series) ? 'monthly' : 'daily').slice(0, -1)
}

/** Where format 1 kept a chunk: a file of its own. Where chunks are not packed it is where they lie today. */
export function formerPath(series: Series, day: UtcDay): string {
  return `${formerFolder(series)}/${periodStem(series, chunkPeriod(day, series))}.${endingOf(series)}`
}

/** market, packaging, data set, symbol, interval where there is one, and file name of a shard's path */
const SHARD =
  /^data\/(spot|futures\/um|futures\/cm|option)\/(?:daily|monthly|yearly)\/([^/]+)\/([^/]+)\/(?:([^/]+)\/)?([^/]+)\.(?:arrow|parquet)$/
const MARKET_OF: Readonly<Record<string, Market>> = { spot: 'spot', 'futures/um': 'um', 'futures/cm': 'cm', option: 'option' }

/** What a file of the lake holds: one chunk, or the chunks of a period in a pack. */
export type ShardFile =
  | { readonly kind: 'chunk'; readonly series: Series; readonly day: UtcDay }
  | { readonly kind: 'pack'; readonly series: Series; readonly period: string; readonly first: UtcDay; readonly end: UtcDay }

/** What lies at `rel`; undefined for every path that `shardPath` and `formerPath` cannot make. A month is named by its first day. */
export function parseShardPath(rel: string): ShardFile | undefined {
  const [, folder = '', datasetFolder = '', symbol = '', intervalName, stem = ''] = SHARD.exec(rel) ?? []
  const market = MARKET_OF[folder]
  const dataset = datasetIn(datasetFolder)
  const interval = intervalName === undefined ? dataset?.grid : parseInterval(intervalName)
  if (market === undefined || dataset === undefined || interval === undefined || !isSymbol(symbol)) return undefined
  const series: Series = { ...named(dataset), market, symbol, interval }
  const period = stem.slice(periodStem(series, '').length)
  const month = parseUtcMonth(period)
  const day = parseUtcDay(period) ?? (month === undefined ? undefined : firstDayOf(month))
  // Making the path again is the whole check: it settles packaging, spelling (`1M` for `1mo`) and the name at once.
  if (day !== undefined && formerPath(series, day) === rel) return { kind: 'chunk', series, day }
  const span = isPacked(series) ? parseFilePeriod(period, series) : undefined
  return span !== undefined && shardPath(series, span.first) === rel ? { kind: 'pack', series, period, ...span } : undefined
}

/**
 * Where an archive that failed verification is kept, relative to the lake: its key mirrored, with the first 12 digits
 * of its SHA-256 in the name, so that a republished archive that is bad as well does not replace the first.
 */
export function quarantinePath(archiveKey: string, sha256: string): string {
  const dot = archiveKey.lastIndexOf('.')
  const end = dot > archiveKey.lastIndexOf('/') ? dot : archiveKey.length
  return `${QUARANTINE_FOLDER}/${archiveKey.slice(0, end)}.${sha256.slice(0, 12)}${archiveKey.slice(end)}`
}

/** Where the reason for a quarantine is written, beside the archive. */
export function quarantineReasonPath(archiveKey: string, sha256: string): string {
  return `${quarantinePath(archiveKey, sha256)}.reason.json`
}

/** Where an archive is kept on request, relative to the lake. */
export function archivePath(archiveKey: string): string {
  return `archives/${archiveKey}`
}

/** How messages speak of a lake. */
export const LAKE: Whose = {
  name: 'the lake',
  flag: '--lake',
  ioCode: 'CKVD_LAKE_IO',
  lockedCode: 'CKVD_LAKE_LOCKED',
  readOnly: 'Where a lake is read-only verify, coverage, export, resample and fetch work; what writes to it does not.',
  locked: '; reading is possible meanwhile',
}

/** The absolute path of a file in the lake. Throws `CKVD_LAKE_IO` for a path that could leave the lake. */
export function joinLake(root: string, rel: string): string {
  return joinInside(root, rel, LAKE)
}
