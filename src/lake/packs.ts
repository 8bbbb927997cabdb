import { isOwnShard } from '../codec/shard-file.ts'
import type { Pack, TakenChunk } from '../codec/arrow/pack.ts'
import { decodePack, takeChunk } from '../codec/arrow/pack.ts'
import { altered } from '../codec/arrow/placed-shard.ts'
import type { Columns } from '../model/columns.ts'
import { CkvdError, isCkvdError } from '../errors.ts'
import type { Series } from '../model/series.ts'
import { seriesLabel } from '../dataset/names.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { filePeriod } from '../dataset/pack.ts'
import { rowWord, toldInterval } from '../dataset/told.ts'
import { shardPath } from './layout.ts'
import type { ShardReader } from './shard-store.ts'
import { LARGEST_FILE_BYTES, tooLarge } from './shard-store.ts'

/** Packs kept: lanes and exports go through a series in order, chunk by chunk. A pack has half a megabyte at most. */
const KEPT = 32

const kept = new Map<string, { readonly version: string; readonly pack: Pack<Columns> }>()

/**
 * The pack that holds a chunk, with what it says of its chunks; undefined where there is no file. Each chunk is proved when it is taken.
 * A pack that was read lately is not read again while its file is the same.
 * @throws CKVD_SHARD_FORMAT (also when it is another one than its path says), CKVD_LAKE_IO
 */
export async function readPack(shards: ShardReader, series: Series, day: UtcDay): Promise<Pack<Columns> | undefined> {
  const file = await shards.open(shardPath(series, day))
  if (file === undefined) return undefined
  try {
    const { place, sizeBytes } = file
    const version = file.version()
    const known = kept.get(place)
    if (known !== undefined && known.version === version) return known.pack
    if (sizeBytes > LARGEST_FILE_BYTES) throw tooLarge(place, sizeBytes, LARGEST_FILE_BYTES)
    const bytes = new Uint8Array(sizeBytes)
    if (!file.read(0, [bytes])) throw new CkvdError('CKVD_SHARD_FORMAT', `Expected ${sizeBytes} bytes in ${place}, found fewer.`)
    const pack = decodeAt(bytes, place, series, day)
    if (version !== undefined) keep(place, version, pack)
    return pack
  } finally {
    file.close()
  }
}

function keep(place: string, version: string, pack: Pack<Columns>): void {
  kept.delete(place)
  kept.set(place, { version, pack })
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break
    kept.delete(oldest)
  }
}

/** A pack as the one of its place. Throws CKVD_SHARD_FORMAT. */
function decodeAt(bytes: Uint8Array, path: string, series: Series, day: UtcDay): Pack<Columns> {
  const { market, symbol, interval } = series
  const details = { market, symbol, interval: toldInterval(series), day, path }
  try {
    const pack = decodePack<Columns>(bytes)
    const period = filePeriod(day, series)
    const own = pack.series
    if (
      own.dataset === series.dataset &&
      own.market === market &&
      own.symbol === symbol &&
      own.interval === interval &&
      pack.period === period
    )
      return pack
    throw new CkvdError(
      'CKVD_SHARD_FORMAT',
      `Expected the ${rowWord(series)}s of ${seriesLabel(series)} ${period} in ${path}, found those of ${seriesLabel(own)} ${pack.period}.`,
      { details },
    )
  } catch (error) {
    if (!isCkvdError(error)) throw error
    throw new CkvdError(error.code, error.message.includes(path) ? error.message : `${error.message} (${path})`, {
      details: { ...details, ...error.details },
      cause: error,
    })
  }
}

/** The chunk at a place of the pack at a path, proved; what is wrong with it is told with both. Throws CKVD_SHARD_DIGEST, CKVD_SHARD_FORMAT. */
export function takeAt(pack: Pack<Columns>, index: number, path: string): TakenChunk<Columns> {
  try {
    return takeChunk(pack, index)
  } catch (error) {
    const day = pack.chunks[index]?.day
    if (!isCkvdError(error) || day === undefined) throw error
    const place = { ...pack.series, day, path }
    const { expected, found } = error.details
    if (error.code === 'CKVD_SHARD_DIGEST')
      throw altered(place, `rows of ${day} whose SHA-256 begins with ${String(expected)}`, String(found))
    throw new CkvdError(error.code, `${error.message} (${day} of ${path})`, { details: { ...error.details, ...place }, cause: error })
  }
}

/** True when the file of a pack claims to be of ours, whole or not; false for a foreign one. Throws CKVD_LAKE_IO. */
export async function isOwnPack(shards: ShardReader, series: Series, day: UtcDay): Promise<boolean> {
  const bytes = await shards.get(shardPath(series, day))
  return bytes !== undefined && isOwnShard(bytes)
}
