import { isCkvdError } from '../errors.ts'
import type { Series } from '../model/series.ts'
import { nextChunk } from '../dataset/chunk.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { formerFolder, parseShardPath, shardFolder } from './layout.ts'
import { readPack } from './packs.ts'
import type { ShardReader } from './shard-store.ts'

/**
 * Chunks that lie in the files of a series: a run that was killed between rename and transaction leaves some that the catalog does not know.
 * A pack is opened only where one of its period is wanted; one that cannot be read gives none.
 * @param isWanted whether anybody wants to know of a chunk
 * @throws CKVD_LAKE_IO
 */
export async function* chunksInFiles(
  shards: ShardReader,
  series: Series,
  isWanted: (day: UtcDay) => boolean,
): AsyncGenerator<UtcDay, void> {
  for (const folder of new Set([shardFolder(series), formerFolder(series)])) {
    for await (const { path } of shards.list(folder)) {
      const file = parseShardPath(path)
      if (file?.kind === 'chunk' && isWanted(file.day)) yield file.day
      if (file?.kind === 'pack') yield* await chunksInPack(shards, series, file, isWanted)
    }
  }
}

async function chunksInPack(
  shards: ShardReader,
  series: Series,
  { first, end }: { readonly first: UtcDay; readonly end: UtcDay },
  isWanted: (day: UtcDay) => boolean,
): Promise<UtcDay[]> {
  let day = first
  while (day < end && !isWanted(day)) day = nextChunk(day, series)
  if (day >= end) return []
  try {
    const pack = await readPack(shards, series, first)
    return (pack?.chunks ?? []).map((chunk) => chunk.day).filter(isWanted)
  } catch (error) {
    if (isCkvdError(error, 'CKVD_SHARD_FORMAT')) return []
    throw error
  }
}
