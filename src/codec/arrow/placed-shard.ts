import type { Columns } from '../../model/columns.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { seriesLabel } from '../../dataset/names.ts'
import type { ErrorDetails } from '../../errors.ts'
import { CkvdError, isCkvdError } from '../../errors.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { sha256Hex } from '../../memory/digest.ts'
import type { DecodedShard } from './arrow.ts'
import { decodeShard } from './arrow.ts'

/** Where a shard was read, and what it must be there. */
export interface ShardPlace extends Series {
  readonly day: UtcDay
  /** for messages */
  readonly path: string
  /** size and digest that the catalog records */
  readonly expected?: { readonly shardSha256: string | null; readonly shardBytes: number | null }
}

/**
 * A shard as the one of its place: size and digest are compared before a byte is believed, then its metadata must name the
 * chunk. Throws `CKVD_SHARD_DIGEST`, `CKVD_SHARD_FORMAT`.
 */
export function decodePlacedShard<T extends Columns = KlineColumns>(bytes: Uint8Array, place: ShardPlace): DecodedShard<T> {
  const { dataset, market, symbol, interval, day, path, expected } = place
  const details: ErrorDetails = { market, symbol, interval, day, path }
  if (expected !== undefined) checkDigest(bytes, expected, path, details)
  const shard = decodeAt<T>(bytes, expected !== undefined, path, details)
  const { meta } = shard
  if (meta.dataset === dataset && meta.market === market && meta.symbol === symbol && meta.interval === interval && meta.day === day)
    return shard
  throw new CkvdError(
    'CKVD_SHARD_FORMAT',
    `Expected the shard of ${seriesLabel(place)} ${day} in ${path}, found that of ${seriesLabel(meta)} ${meta.day}.`,
    { details },
  )
}

function checkDigest(bytes: Uint8Array, expected: NonNullable<ShardPlace['expected']>, path: string, details: ErrorDetails): void {
  const sha256 = bytes.length === expected.shardBytes ? sha256Hex(bytes) : undefined
  if (sha256 !== undefined && sha256 === expected.shardSha256) return
  const [wanted, found] =
    sha256 === undefined
      ? [`${String(expected.shardBytes)} bytes`, `${bytes.length} bytes`]
      : [`SHA-256 ${String(expected.shardSha256)}`, sha256]
  throw new CkvdError(
    'CKVD_SHARD_DIGEST',
    `Expected ${wanted} in ${path}, found ${found}: the file was altered. Run \`ckvd verify --repair\`.`,
    { details: { ...details, expected: wanted, found } },
  )
}

function decodeAt<T extends Columns>(bytes: Uint8Array, isProven: boolean, path: string, details: ErrorDetails): DecodedShard<T> {
  try {
    return decodeShard<T>(bytes, isProven)
  } catch (error) {
    if (!isCkvdError(error)) throw error
    throw new CkvdError(error.code, `${error.message} (${path})`, { details: { ...details, ...error.details }, cause: error })
  }
}
