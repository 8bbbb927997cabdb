import type { Columns } from '../model/columns.ts'
import type { KlineColumns } from '../model/kline.ts'
import { sha256Hex } from '../memory/digest.ts'
import type { DecodedShard } from '../codec/arrow/arrow.ts'
import type { ShardParts } from '../codec/parquet/parquet-shard.ts'
import { isOwnShard } from '../codec/shard-file.ts'
import { chunkBytes, isPackedRow, rowBytesOf } from '../codec/arrow/chunk-bytes.ts'
import { altered, decodePlacedShard, openPlacedShard } from '../codec/arrow/placed-shard.ts'
import type { ShardMeta } from '../codec/arrow/shard-meta.ts'
import { isPacked } from '../dataset/pack.ts'
import { seriesLabel } from '../dataset/names.ts'
import { rowWord, toldInterval } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import { isProof } from '../model/evidence.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { CatalogWrite, DayRow } from './catalog/catalog-rows.ts'
import { formerPath, shardPath } from './layout.ts'
import { readPack, takeAt } from './packs.ts'
import { findRowFlaw } from './catalog/row-flaw.ts'
import type { FileFacts, ShardReader } from './shard-store.ts'

/** What the catalog says of a chunk's bytes; a `DayRow` is one. */
export type ShardDigest = Pick<DayRow, 'rows' | 'shardSha256' | 'shardBytes'>

/**
 * Reads a chunk: from its pack, or from a file of its own. Size and digest are compared before a byte is believed. Throws
 * `CKVD_SHARD_MISSING`, `CKVD_SHARD_DIGEST`, `CKVD_SHARD_FORMAT` (also when its metadata names another chunk), `CKVD_LAKE_IO`.
 */
export async function readShard<T extends Columns = KlineColumns>(
  store: ShardReader,
  series: Series,
  day: UtcDay,
  expected: ShardDigest,
): Promise<DecodedShard<T>> {
  if (isPacked(series) && isPackedRow(expected, series))
    return (await readPackedChunk(store, series, day, expected)) as unknown as DecodedShard<T>
  const { path, bytes } = await readFormer(store, series, day)
  return decodePlacedShard(bytes, { ...series, day, path, expected })
}

/** As `readShard`, of a chunk that has a file of its own: its bytes are proven, and a part of its rows at a time is decoded. */
export async function openShardParts(store: ShardReader, series: Series, day: UtcDay, expected: ShardDigest): Promise<ShardParts> {
  const { path, bytes } = await readFormer(store, series, day)
  return openPlacedShard(bytes, { ...series, day, path, expected })
}

async function readPackedChunk(store: ShardReader, series: Series, day: UtcDay, expected: ShardDigest): Promise<DecodedShard<Columns>> {
  const path = store.placeOf(shardPath(series, day))
  const pack = await readPack(store, series, day)
  const index = pack?.places.get(day)
  if (pack === undefined || index === undefined) throw missing(series, day, path)
  const { columns, meta, sha256 } = takeAt(pack, index, path)
  if (sha256 !== expected.shardSha256 || meta.rows !== expected.rows) {
    const { market, symbol, interval } = series
    throw altered({ market, symbol, interval, day, path }, `rows of ${day} with SHA-256 ${String(expected.shardSha256)}`, sha256)
  }
  return { columns, meta }
}

/**
 * The bytes of a chunk as the catalog records them, and where they lie: to be decoded by another thread (`decodePlacedRows`), which proves
 * them. Throws as `readShard`.
 */
export async function readShardBytes(
  store: ShardReader,
  series: Series,
  day: UtcDay,
  expected: ShardDigest,
): Promise<{ path: string; bytes: Uint8Array }> {
  if (!isPacked(series) || !isPackedRow(expected, series)) return await readFormer(store, series, day)
  const { columns } = await readPackedChunk(store, series, day, expected)
  return { path: store.placeOf(shardPath(series, day)), bytes: chunkBytes(columns, series) }
}

/** A file that holds one chunk alone, unchecked. */
async function readFormer(store: ShardReader, series: Series, day: UtcDay): Promise<{ path: string; bytes: Uint8Array }> {
  const path = store.placeOf(formerPath(series, day))
  const bytes = await store.get(formerPath(series, day))
  if (bytes === undefined) throw missing(series, day, path)
  return { path, bytes }
}

function missing(series: Series, day: UtcDay, path: string): CkvdError {
  const { market, symbol } = series
  return new CkvdError(
    'CKVD_SHARD_MISSING',
    `Expected the shard of ${seriesLabel(series)} ${day} in ${path}, found none. Run \`ckvd verify --repair\`.`,
    { details: { market, symbol, interval: toldInterval(series), day, path } },
  )
}

/**
 * What a whole shard of ours says of its chunk, from the file alone: a run that was killed between rename and transaction
 * leaves such files, and a lost catalog is rebuilt from them. Undefined where there is no file, or none of ours; throws
 * `CKVD_SHARD_FORMAT`, `CKVD_SHARD_DIGEST` where a file of ours is damaged or names another chunk.
 */
export async function adoptShard(store: ShardReader, series: Series, day: UtcDay): Promise<CatalogWrite | undefined> {
  const { dataset, market, symbol, interval } = series
  const found = (await findPacked(store, series, day)) ?? (await findFormer(store, series, day))
  if (found === undefined) return undefined
  const { path, meta, shardSha256, shardBytes, facts } = found
  const row: DayRow = {
    dataset,
    market,
    symbol,
    interval,
    day,
    condition: meta.condition,
    source: meta.source,
    rows: meta.rows,
    expected: meta.expected,
    shardSha256,
    shardBytes,
    archiveKey: meta.archiveKey,
    archiveEtag: meta.archiveEtag,
    archiveSha256: meta.archiveSha256,
    revision: 1,
    offGrid: meta.offGrid,
    duplicates: meta.duplicates,
    conflicts: 0,
    differingRows: 0,
    oddClose: meta.oddClose,
    oddRows: meta.oddRows,
    evidence: null,
    errorCode: null,
    error: null,
    accepted: null,
    recheck: meta.gaps.some(({ evidence }) => !isProof(evidence) && evidence.reason === 'text') ? 1 : 0,
    updatedAt: facts.writtenAt.toISOString(),
  }
  const flaw = findRowFlaw(row)
  if (flaw !== undefined) {
    const word = `${rowWord(row)}s`
    const found = `${meta.condition} with ${meta.rows} of ${meta.expected} ${word}`
    throw new CkvdError('CKVD_SHARD_FORMAT', `Expected a condition that the ${word} allow in ${path}, found ${found}`, {
      details: { market, symbol, interval: toldInterval(row), day, path, found },
      cause: flaw,
    })
  }
  return { row, gaps: meta.gaps }
}

/** A chunk that was found without the catalog. */
interface FoundChunk {
  readonly path: string
  readonly meta: ShardMeta
  readonly shardSha256: string
  readonly shardBytes: number
  readonly facts: FileFacts
}

async function findPacked(store: ShardReader, series: Series, day: UtcDay): Promise<FoundChunk | undefined> {
  const name = shardPath(series, day)
  const pack = isPacked(series) ? await readPack(store, series, day) : undefined
  const index = pack?.places.get(day)
  const facts = index === undefined ? undefined : await store.stat(name)
  if (pack === undefined || index === undefined || facts === undefined) return undefined
  const path = store.placeOf(name)
  const { meta, sha256 } = takeAt(pack, index, path)
  return { path, meta, shardSha256: sha256, shardBytes: meta.rows * rowBytesOf(series), facts }
}

async function findFormer(store: ShardReader, series: Series, day: UtcDay): Promise<FoundChunk | undefined> {
  const { dataset, market, symbol, interval } = series
  const name = formerPath(series, day)
  const bytes = await store.get(name)
  if (bytes === undefined || !isOwnShard(bytes)) return undefined
  const path = store.placeOf(name)
  const { meta } = decodePlacedShard(bytes, { dataset, market, symbol, interval, day, path })
  const facts = await store.stat(name)
  // removed meanwhile
  return facts === undefined ? undefined : { path, meta, shardSha256: sha256Hex(bytes), shardBytes: bytes.length, facts }
}
