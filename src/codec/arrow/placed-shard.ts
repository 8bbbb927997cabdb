import type { Columns } from '../../model/columns.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { seriesLabel } from '../../dataset/names.ts'
import type { ErrorDetails } from '../../errors.ts'
import { CkvdError, isCkvdError } from '../../errors.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { isPacked } from '../../dataset/pack.ts'
import { sha256Hex } from '../../memory/digest.ts'
import type { DecodedShard } from './arrow.ts'
import { decodeShard, openShard } from '../shard-file.ts'
import type { ShardParts } from '../parquet/parquet-shard.ts'
import type { ShardMeta } from './shard-meta.ts'
import { chunkColumns, isPackedRow } from './chunk-bytes.ts'

/** Where a shard was read, and what it must be there. */
export interface ShardPlace extends Series {
  readonly day: UtcDay
  /** for messages */
  readonly path: string
  /** size and digest that the catalog records */
  readonly expected?: { readonly rows: number; readonly shardSha256: string | null; readonly shardBytes: number | null }
}

/**
 * A shard as the one of its place: size and digest are compared before a byte is believed, then its metadata must name the
 * chunk. Throws `CKVD_SHARD_DIGEST`, `CKVD_SHARD_FORMAT`.
 */
export function decodePlacedShard<T extends Columns = KlineColumns>(bytes: Uint8Array, place: ShardPlace): DecodedShard<T> {
  return decodeAt(bytes, place, (isProven) => decodeShard<T>(bytes, isProven))
}

/** As `decodePlacedShard`, of which a part at a time is decoded. Reading a part throws `CKVD_SHARD_FORMAT`, too. */
export function openPlacedShard(bytes: Uint8Array, place: ShardPlace & { readonly expected: object }): ShardParts {
  return decodeAt(bytes, place, () => openShard(bytes))
}

/** The rows of a chunk whose bytes another thread has read: those of a file of its own, or of its part of a pack. Throws as `decodePlacedShard`. */
export function decodePlacedRows(bytes: Uint8Array, place: ShardPlace & { readonly expected: object }): Columns {
  if (!isPacked(place) || !isPackedRow(place.expected, place)) return decodePlacedShard(bytes, place).columns
  const { market, symbol, interval, day, path } = place
  checkDigest(bytes, place.expected, path, { market, symbol, interval, day, path })
  return chunkColumns(bytes, place)
}

function checkDigest(bytes: Uint8Array, expected: NonNullable<ShardPlace['expected']>, path: string, details: ErrorDetails): void {
  const sha256 = bytes.length === expected.shardBytes ? sha256Hex(bytes) : undefined
  if (sha256 !== undefined && sha256 === expected.shardSha256) return
  const [wanted, found] =
    sha256 === undefined
      ? [`${String(expected.shardBytes)} bytes`, `${bytes.length} bytes`]
      : [`SHA-256 ${String(expected.shardSha256)}`, sha256]
  throw altered({ ...details, path }, wanted, found)
}

/** The error of bytes that are not the recorded ones. */
export function altered(place: ErrorDetails & { readonly path: string }, expected: string, found: string): CkvdError {
  return new CkvdError(
    'CKVD_SHARD_DIGEST',
    `Expected ${expected} in ${place.path}, found ${found}: the file was altered. Run \`ckvd verify --repair\`.`,
    { details: { ...place, expected, found } },
  )
}

/** @param decode is told whether the bytes are proven */
function decodeAt<T extends { readonly meta: ShardMeta }>(bytes: Uint8Array, place: ShardPlace, decode: (isProven: boolean) => T): T {
  const { dataset, market, symbol, interval, day, path, expected } = place
  const details: ErrorDetails = { market, symbol, interval, day, path }
  if (expected !== undefined) checkDigest(bytes, expected, path, details)
  const shard = decodeWith(() => decode(expected !== undefined), path, details)
  const { meta } = shard
  if (meta.dataset === dataset && meta.market === market && meta.symbol === symbol && meta.interval === interval && meta.day === day)
    return shard
  throw new CkvdError(
    'CKVD_SHARD_FORMAT',
    `Expected the shard of ${seriesLabel(place)} ${day} in ${path}, found that of ${seriesLabel(meta)} ${meta.day}.`,
    { details },
  )
}

function decodeWith<T>(decode: () => T, path: string, details: ErrorDetails): T {
  try {
    return decode()
  } catch (error) {
    if (!isCkvdError(error)) throw error
    throw new CkvdError(error.code, `${error.message} (${path})`, { details: { ...details, ...error.details }, cause: error })
  }
}
