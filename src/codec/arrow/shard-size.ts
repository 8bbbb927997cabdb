import { isPacked } from '../../dataset/pack.ts'
import { isStoredAsParquet } from '../../dataset/registry.ts'
import type { Series } from '../../model/series.ts'
import { rowBytesOf } from './chunk-bytes.ts'
import { DIGEST_DIGITS, encodeChunks } from './pack-meta.ts'
import type { ShardMeta } from './shard-meta.ts'

/** The schema with the metadata, and once more in the footer: what a file of one chunk has at least, and what it nearly has. */
const LEAST_DESCRIPTION_BYTES = 3_000
const DESCRIPTION_BYTES = 4_200
/** Both schemas of a pack; what it says of a chunk, and of a chunk from another archive than the one before it. */
const PACK_BYTES = 2_850
const CHUNK_BYTES = 25
const ORIGIN_BYTES = 190
/** A day of aggregate trades as Parquet to its ZIP: COIN-M 2026-05-08 0.395. */
const PARQUET_SHARE = 0.4
/** Files take whole blocks: those of ext4, XFS, APFS and NTFS. */
const BLOCK_BYTES = 4_096

/** What a chunk of so many rows has at least, on its way from a decoder, and nearly. */
export function leastShardBytes(series: Pick<Series, 'dataset' | 'interval'>, rows: number): number {
  if (isStoredAsParquet(series)) return LEAST_DESCRIPTION_BYTES
  return rows * rowBytesOf(series) + (isPacked(series) ? 0 : LEAST_DESCRIPTION_BYTES)
}

/**
 * What a file takes on disk, about.
 * @param content `archiveBytes` are those of its share of the archives
 */
export function fileBytesOnDisk(
  series: Pick<Series, 'dataset' | 'interval'>,
  content: { readonly rows: number; readonly chunks: number; readonly archives: number; readonly archiveBytes: number },
): number {
  const { rows, chunks, archives, archiveBytes } = content
  if (isStoredAsParquet(series)) return wholeBlocks(archiveBytes * PARQUET_SHARE)
  const description = isPacked(series) ? PACK_BYTES + CHUNK_BYTES * chunks + ORIGIN_BYTES * archives : DESCRIPTION_BYTES
  return wholeBlocks(rows * rowBytesOf(series) + description)
}

function wholeBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

/** Bytes of the pack of some chunks of which all is known but their rows, nearly. @param chunks in order */
export function estimatePackBytes(chunks: readonly ShardMeta[]): number {
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
  const list = encodeChunks(chunks.map((chunk) => ({ ...chunk, digest: '0'.repeat(DIGEST_DIGITS) })))
  return rows * (chunks[0] === undefined ? 0 : rowBytesOf(chunks[0])) + list.length + PACK_BYTES
}
