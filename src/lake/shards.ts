import type { Columns } from '../model/columns.ts'
import type { KlineColumns } from '../model/kline.ts'
import { sha256Hex } from '../memory/digest.ts'
import type { DecodedShard } from '../codec/arrow/arrow.ts'
import { isOwnShard } from '../codec/arrow/arrow.ts'
import { decodePlacedShard } from '../codec/arrow/placed-shard.ts'
import { seriesLabel } from '../dataset/names.ts'
import { CkvdError } from '../errors.ts'
import { isProof } from '../model/evidence.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { CatalogWrite, DayRow } from './catalog/catalog-rows.ts'
import { shardPath } from './layout.ts'
import { findRowFlaw } from './catalog/row-flaw.ts'
import type { ShardReader } from './shard-store.ts'

/** What the catalog says of a shard's bytes; a `DayRow` is one. */
export type ShardDigest = Pick<DayRow, 'shardSha256' | 'shardBytes'>

/**
 * Reads the shard of a chunk. With `expected`, size and digest are compared before a byte is believed. Throws
 * `CKVD_SHARD_MISSING`, `CKVD_SHARD_DIGEST`, `CKVD_SHARD_FORMAT` (also when its metadata names another chunk), `CKVD_LAKE_IO`.
 */
export async function readShard<T extends Columns = KlineColumns>(
  store: ShardReader,
  series: Series,
  day: UtcDay,
  expected?: ShardDigest,
): Promise<DecodedShard<T>> {
  const { path, bytes } = await readShardBytes(store, series, day)
  return decodePlacedShard(bytes, { ...series, day, path, ...(expected === undefined ? {} : { expected }) })
}

/** The bytes of the shard of a chunk, unchecked, and where they lie. Throws `CKVD_SHARD_MISSING`, `CKVD_LAKE_IO`. */
export async function readShardBytes(store: ShardReader, series: Series, day: UtcDay): Promise<{ path: string; bytes: Uint8Array }> {
  const path = store.placeOf(shardPath(series, day))
  const bytes = await store.get(shardPath(series, day))
  if (bytes !== undefined) return { path, bytes }
  throw new CkvdError(
    'CKVD_SHARD_MISSING',
    `Expected the shard of ${seriesLabel(series)} ${day} in ${path}, found no file. Run \`ckvd verify --repair\`.`,
    { details: { market: series.market, symbol: series.symbol, interval: series.interval, day, path } },
  )
}

/**
 * What a whole shard of ours says of its chunk, from the file alone: a run that was killed between rename and transaction
 * leaves such files, and a lost catalog is rebuilt from them. Undefined where there is no file, or none of ours; throws
 * `CKVD_SHARD_FORMAT`, `CKVD_SHARD_DIGEST` where a file of ours is damaged or names another chunk.
 */
export async function adoptShard(store: ShardReader, series: Series, day: UtcDay): Promise<CatalogWrite | undefined> {
  const path = store.placeOf(shardPath(series, day))
  const bytes = await store.get(shardPath(series, day))
  if (bytes === undefined || !isOwnShard(bytes)) return undefined
  const { dataset, market, symbol, interval } = series
  const { meta } = decodePlacedShard(bytes, { dataset, market, symbol, interval, day, path })
  const facts = await store.stat(shardPath(series, day))
  if (facts === undefined) return undefined // removed meanwhile
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
    shardSha256: sha256Hex(bytes),
    shardBytes: bytes.length,
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
    const found = `${meta.condition} with ${meta.rows} of ${meta.expected} bars`
    throw new CkvdError('CKVD_SHARD_FORMAT', `Expected a condition that the bars allow in ${path}, found ${found}`, {
      details: { market, symbol, interval, day, path, found },
      cause: flaw,
    })
  }
  return { row, gaps: meta.gaps }
}
