import type { DecodedShard } from '../codec/arrow/arrow.ts'
import type { ShardParts } from '../codec/parquet/parquet-shard.ts'
import type { CkvdError } from '../errors.ts'
import { isCkvdError } from '../errors.ts'
import type { Columns } from '../model/columns.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { DayRow } from './catalog/catalog-rows.ts'
import type { Lake } from './lake.ts'
import { MAX_MOVES, withoutMoved } from './moved-chunks.ts'
import { openShardParts, readShard } from './shards.ts'

/** What a lake holds, for who reads it. */
export type LakeContent = Pick<Lake, 'catalog' | 'shards'>

/** A chunk as the lake has it now. */
export interface CurrentShard<Shard> {
  /** the row that was given, or the one that has taken its place */
  readonly row: DayRow
  /** undefined: by now the chunk has no bar */
  readonly shard: Shard | undefined
}

/**
 * Reads a chunk with bars beside whoever writes to the lake: where its file is not what its row says, since a writer has replaced it or taken it
 * into a pack after the row was read, the row is read again. Throws as `readShard` where the catalog still says the same; CKVD_ABORTED.
 */
export async function readCurrentShard<T extends Columns = KlineColumns>(
  lake: LakeContent,
  row: DayRow,
  signal: AbortSignal,
): Promise<CurrentShard<DecodedShard<T>>> {
  return await readCurrent(lake, row, signal, (now) => readShard<T>(lake.shards, now, now.day, now))
}

/** As `readCurrentShard`, of a chunk that has a file of its own, of which a part of the rows at a time is decoded. */
export async function openCurrentShard(lake: LakeContent, row: DayRow, signal: AbortSignal): Promise<CurrentShard<ShardParts>> {
  return await readCurrent(lake, row, signal, (now) => openShardParts(lake.shards, now, now.day, now))
}

async function readCurrent<Shard>(
  lake: LakeContent,
  row: DayRow,
  signal: AbortSignal,
  read: (now: DayRow) => Promise<Shard>,
): Promise<CurrentShard<Shard>> {
  let now = row
  for (let moves = 0; ; moves++) {
    try {
      return { row: now, shard: now.shardSha256 === null ? undefined : await read(now) }
    } catch (error) {
      if (!isShardError(error)) throw error
      const same = await withoutMoved(lake.shards, () => lake.catalog, now, [now], signal)
      const next = same.length > 0 ? undefined : lake.catalog.getDay(now, now.day)
      if (next === undefined || moves === MAX_MOVES) throw error
      now = next
    }
  }
}

/** True where a file is not the one that the catalog records: it was altered, or a writer has been there. */
export function isShardError(error: unknown): error is CkvdError {
  return isCkvdError(error, 'CKVD_SHARD_DIGEST', 'CKVD_SHARD_MISSING', 'CKVD_SHARD_FORMAT')
}
