import { isPackedRow } from '../codec/arrow/chunk-bytes.ts'
import { isPacked } from '../dataset/pack.ts'
import type { ShardMeta } from '../codec/arrow/arrow.ts'
import { nextChunk } from '../dataset/chunk.ts'
import { seriesLabel } from '../dataset/names.ts'
import type { ErrorCode } from '../errors.ts'
import { abortError, CkvdError, isCkvdError, toCkvdError } from '../errors.ts'
import type { Condition } from '../model/condition.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { CatalogWrite, DayRow } from './catalog/catalog-rows.ts'
import type { WritableLake } from './lake.ts'
import type { ShardFile } from './layout.ts'
import { DATA_FOLDER, formerPath, parseShardPath, shardPath } from './layout.ts'
import { isOwnPack, readPack } from './packs.ts'
import { findRowFlaw } from './catalog/row-flaw.ts'
import { isFromVision } from './day-facts.ts'
import { adoptShard, readShard } from './shards.ts'
import { isOfDatasets } from './selection.ts'
import type { ReadOnlyLake } from './verifiable-lake.ts'

type VerifiableLake = WritableLake | ReadOnlyLake

/** A chunk whose shard cannot be trusted. */
export interface BadShard {
  readonly series: Series
  readonly day: UtcDay
  /** relative to the lake */
  readonly path: string
  readonly code: ErrorCode
  readonly message: string
}

export interface VerifyResult {
  /** shards read, and their bytes; bad ones included where they could be read */
  readonly shards: number
  readonly bytes: number
  /** chunks that the catalog now records as `failed`, where it can be written */
  readonly bad: readonly BadShard[]
  /** files below `data/` that are not ours, relative to the lake: never believed, never removed */
  readonly foreign: readonly string[]
  /** whole shards of ours that the catalog did not know and now does */
  readonly adopted: number
  /** the same, of a lake that is read-only: they are still unknown */
  readonly unrecorded: number
  /** why nothing was recorded and swept, as the system's code (`EROFS`); null: it was */
  readonly readOnly: string | null
  /** temporary files of killed runs that were removed */
  readonly swept: number
  /** true when the catalog was lost or damaged and now holds what the shards say */
  readonly rebuilt: boolean
  /** file name of the damaged catalog, where one was moved aside */
  readonly damagedCatalog: string | undefined
  readonly elapsedMs: number
}

export interface VerifyProgress {
  readonly step: 'checkShards' | 'findUncatalogued'
  /** null: not known beforehand */
  readonly total: number | null
  /** shards, or files, looked at so far */
  readonly done: number
}

export interface VerifyOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: VerifyProgress) => void
  /** names of data sets; default: all. Files that are none of ours are told where all are looked at */
  readonly datasets?: readonly string[] | undefined
  /** how many shards are read at once; default 4 */
  readonly concurrency?: number
}

interface Findings {
  readonly bad: BadShard[]
  readonly foreign: string[]
  shards: number
  bytes: number
  /** shards that are whole, and that the catalog did not know as such */
  whole: number
}

/**
 * Checks every shard of a lake: those that the catalog knows (digest, size, format, row invariants, metadata equal to the
 * row, a row that can be), then whatever else lies below `data/`. Open the lake with `repair: true`, so that a damaged catalog is moved aside
 * first: a lost one and a damaged one are then rebuilt by the same step that adopts what a killed run left. A bad shard stays
 * where it is; its chunk is recorded as `failed`, so the next ingest replaces it. Throws `CKVD_ABORTED` between two shards.
 */
export async function runVerify(lake: VerifiableLake, options: VerifyOptions = {}): Promise<VerifyResult> {
  const startedMs = performance.now()
  const isWritable = lake.mode === 'write'
  const swept = isWritable ? lake.swept + (await lake.sweep()) : 0
  const wasEmpty = lake.catalog.listStoredSeries().length === 0
  const findings: Findings = { bad: [], foreign: [], shards: 0, bytes: 0, whole: 0 }
  await checkShards(lake, findings, options)
  await findUncatalogued(lake, findings, options)
  const { bad, foreign, shards, bytes, whole } = findings
  // shards are read in parallel: the order in which they end is not the order of a report
  bad.sort((a, b) => compareText(a.path, b.path) || compareText(a.day, b.day))
  foreign.sort(compareText)
  const damagedCatalog = isWritable ? lake.damagedCatalog : undefined
  const adopted = isWritable ? whole : 0
  return {
    shards,
    bytes,
    bad,
    foreign,
    adopted,
    unrecorded: whole - adopted,
    readOnly: isWritable ? null : lake.readOnly,
    swept,
    rebuilt: damagedCatalog !== undefined || (wasEmpty && adopted > 0),
    damagedCatalog,
    elapsedMs: performance.now() - startedMs,
  }
}

async function checkShards(lake: VerifiableLake, findings: Findings, options: VerifyOptions): Promise<void> {
  const total = options.onProgress === undefined ? null : countOf(shardRows(lake, options))
  await forEachOf(shardRows(lake, options), options, { step: 'checkShards', total }, async (row) => {
    const flaw = findRowFlaw(row)
    if (flaw !== undefined) {
      await recordBad(lake, row, row.day, row, flaw, findings)
      return
    }
    if (row.shardSha256 === null) return
    try {
      findings.shards++
      const { meta } = await readShard(lake.shards, row, row.day, row)
      findings.bytes += row.shardBytes ?? 0
      if (wasFoundBad(row)) await adoptAgain(lake, row, await adoptShard(lake.shards, row, row.day), findings)
      else checkMeta(row, meta)
    } catch (error) {
      await recordBad(lake, row, row.day, row, error, findings)
    }
  })
}

/** Rows that have a shard, or should have one. */
function* shardRows(lake: VerifiableLake, { datasets }: VerifyOptions): Generator<DayRow, void> {
  for (const series of lake.catalog.listStoredSeries()) {
    if (!isOfDatasets({ datasets: datasets ?? 'all' }, series)) continue
    for (const row of lake.catalog.iterateDays(series)) if (row.shardSha256 !== null || findRowFlaw(row) !== undefined) yield row
  }
}

/** True when it was a verify that recorded the chunk as failed, not the failure of a run to fetch it. */
function wasFoundBad(row: DayRow): boolean {
  return row.condition === 'failed' && row.errorCode !== null && SHARD_CODES.includes(row.errorCode)
}

/** A shard that was bad and is whole again (its digest says so) counts again as what it says of itself. */
async function adoptAgain(
  lake: VerifiableLake,
  row: DayRow,
  write: Awaited<ReturnType<typeof adoptShard>>,
  findings: Findings,
): Promise<void> {
  if (write === undefined) return
  const { revision, conflicts, differingRows, evidence } = row
  await record(lake, { ...write, row: { ...write.row, revision, conflicts, differingRows, evidence } })
  findings.whole++
}

/** Conditions in which shard and row agree; the others are said by the catalog alone. */
const SHARD_CONDITIONS: readonly Condition[] = ['complete', 'provisional', 'outage', 'partial']

/** What a shard and its row both state must be the same in both. */
const STATED = ['source', 'rows', 'expected', 'offGrid', 'duplicates'] as const

/** The same where rows come from an archive; of one that was looked into in vain the catalog alone knows. */
const STATED_OF_ARCHIVE = ['archiveKey', 'archiveEtag', 'archiveSha256'] as const

function checkMeta(row: DayRow, meta: ShardMeta): void {
  const names = [
    ...STATED,
    ...(isFromVision(meta.source) ? STATED_OF_ARCHIVE : []),
    ...(SHARD_CONDITIONS.includes(row.condition) ? ['condition' as const] : []),
  ]
  for (const name of names) {
    if (row[name] === meta[name]) continue
    const where = `${seriesLabel(row)} ${row.day}`
    throw new CkvdError(
      'CKVD_SHARD_FORMAT',
      `Expected ${name} ${JSON.stringify(row[name])} in the shard of ${where}, as the catalog says, found ${JSON.stringify(meta[name])}.`,
      {
        details: { name, expected: row[name], found: meta[name] },
      },
    )
  }
}

async function findUncatalogued(lake: VerifiableLake, findings: Findings, options: VerifyOptions): Promise<void> {
  await forEachOf(lake.shards.list(DATA_FOLDER), options, { step: 'findUncatalogued', total: null }, async ({ path, isFile }) => {
    const place = isFile ? parseShardPath(path) : undefined
    if (place === undefined) {
      if (options.datasets === undefined) findings.foreign.push(path)
      return
    }
    if (!isOfDatasets({ datasets: options.datasets ?? 'all' }, place.series)) return
    if (place.kind === 'pack') await findInPack(lake, place, path, findings)
    else await findChunk(lake, place.series, place.day, path, findings)
  })
}

/** Chunks of a pack that the catalog does not know; a pack that cannot be read is told once where it knows none of them. */
async function findInPack(
  lake: VerifiableLake,
  { series, first, end }: Extract<ShardFile, { kind: 'pack' }>,
  path: string,
  findings: Findings,
): Promise<void> {
  const rows = new Set(lake.catalog.readDays(series, first, end).flatMap((row) => (row.shardSha256 === null ? [] : [row.day])))
  try {
    const pack = await readPack(lake.shards, series, first)
    for (const { day } of pack?.chunks ?? []) if (!rows.has(day)) await findChunk(lake, series, day, path, findings)
  } catch (error) {
    if (rows.size > 0) return // each of them is told already
    if (isCkvdError(error, 'CKVD_SHARD_FORMAT') && !(await isOwnPack(lake.shards, series, first))) {
      findings.foreign.push(path)
      return
    }
    findings.shards++
    await recordBad(lake, series, first, lake.catalog.getDay(series, first), error, findings)
  }
}

async function findChunk(lake: VerifiableLake, series: Series, day: UtcDay, path: string, findings: Findings): Promise<void> {
  const known = lake.catalog.getDay(series, day)
  const isTold = findings.bad.some(
    (bad) => bad.day === day && (['dataset', 'market', 'symbol', 'interval'] as const).every((name) => bad.series[name] === series[name]),
  )
  if (known !== undefined && (known.shardSha256 !== null || isTold)) {
    // a file of format 1 whose chunk stands in a pack by now, and whole: a run was killed before it removed it
    const isWhole = known.condition !== 'failed' && isPackedRow(known, series) && !isTold
    if (isPacked(series) && isWhole && path === formerPath(series, day) && lake.mode === 'write') await lake.shards.remove(path)
    return
  }
  try {
    const write = await adoptShard(lake.shards, series, day)
    if (write === undefined) {
      findings.foreign.push(path)
      return
    }
    findings.shards++
    findings.bytes += write.row.shardBytes ?? 0
    findings.whole++
    await record(lake, write)
  } catch (error) {
    findings.shards++
    await recordBad(lake, series, day, known, error, findings)
  }
}

/** Codes that say something of one shard's file, or of its row. */
const SHARD_CODES: readonly ErrorCode[] = [
  'CKVD_SHARD_MISSING',
  'CKVD_SHARD_DIGEST',
  'CKVD_SHARD_FORMAT',
  'CKVD_LAKE_IO',
  'CKVD_CATALOG_ROW',
]

async function record(lake: VerifiableLake, write: CatalogWrite): Promise<void> {
  if (lake.mode === 'write') await lake.catalog.commit([write])
}

/** Records a bad chunk; an error that is not about the shard's own file is thrown on. */
async function recordBad(
  lake: VerifiableLake,
  series: Series,
  day: UtcDay,
  known: DayRow | undefined,
  thrown: unknown,
  findings: Findings,
): Promise<void> {
  const error = toCkvdError(thrown)
  if (!SHARD_CODES.includes(error.code)) throw error
  const { dataset, market, symbol, interval } = series
  const { code, message } = error
  findings.bad.push({ series: { dataset, market, symbol, interval }, day, path: fileOf(series, day, known), code, message })
  // of a row that cannot be, nothing is kept that could be taken for true
  const row = {
    ...(known === undefined || error.code === 'CKVD_CATALOG_ROW' ? unknownRow(series, day) : known),
    condition: 'failed' as const,
    errorCode: error.code,
    error: `${error.code}: ${error.message}`,
    updatedAt: new Date().toISOString(),
  }
  await record(lake, { row, gaps: lake.catalog.listGaps(series, day, nextChunk(day, series)) })
}

/** The file that holds a chunk, as far as is known: a pack, unless the catalog has it as a file of its own. */
function fileOf(series: Series, day: UtcDay, known: DayRow | undefined): string {
  const isFormer = known !== undefined && known.shardSha256 !== null && !isPackedRow(known, series)
  return isFormer ? formerPath(series, day) : shardPath(series, day)
}

/** The row of a chunk of which nothing but its broken shard is known. */
function unknownRow({ dataset, market, symbol, interval }: Series, day: UtcDay): DayRow {
  const shard = { source: null, shardSha256: null, shardBytes: null, archiveKey: null, archiveEtag: null, archiveSha256: null }
  const counts = { rows: 0, expected: 0, revision: 1, offGrid: 0, duplicates: 0, conflicts: 0, differingRows: 0, oddClose: 0, oddRows: 0 }
  const words = { evidence: null, errorCode: null, error: null, accepted: null, updatedAt: '' }
  return { dataset, market, symbol, interval, day, condition: 'failed', ...shard, ...counts, ...words, recheck: 0 }
}

/** Runs `task` for every item, a few at a time; the first error ends it, after the tasks under way have ended. */
async function forEachOf<T>(
  items: Iterable<T> | AsyncIterable<T>,
  { signal, onProgress, concurrency = 4 }: VerifyOptions,
  about: Pick<VerifyProgress, 'step' | 'total'>,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const open = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let done = 0
  for await (const item of items) {
    if (signal?.aborted === true) failure ??= { error: abortError(signal) }
    if (failure !== undefined) break
    const running = task(item)
      .then(() => onProgress?.({ ...about, done: ++done }))
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => open.delete(running))
    open.add(running)
    if (open.size >= concurrency) await Promise.race(open)
  }
  await Promise.all(open)
  if (failure !== undefined) throw failure.error
}

/** How many there are; none of them is held. */
function countOf(items: Iterable<unknown>): number {
  const iterator = items[Symbol.iterator]()
  let count = 0
  while (iterator.next().done !== true) count++
  return count
}

/** By code units: the same order in every locale. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
