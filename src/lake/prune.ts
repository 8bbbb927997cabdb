import { lstat, readdir } from 'node:fs/promises'
import { CkvdError } from '../errors.ts'
import type { Series } from '../model/series.ts'
import { seriesLabel } from '../model/series.ts'
import { ioError } from '../disk/io-error.ts'
import type { WritableLake } from './lake.ts'
import { LAKE, joinLake, parseShardPath, shardFolder } from './layout.ts'

export interface PruneResult {
  readonly shards: number
  readonly bytes: number
}

/**
 * Removes a series from a lake: its shards, then what the catalog knows of it, in this order, so that a prune that was
 * interrupted is finished by the next one. Files in its folder that are not shards of its own stay, and so does all that a link leads to.
 * Throws CKVD_USAGE where there is neither, CKVD_LAKE_IO (also where a link leads its folder out of the lake), CKVD_CATALOG.
 */
export async function pruneSeries(lake: WritableLake, series: Series): Promise<PruneResult> {
  const folder = shardFolder(series)
  const directory = joinLake(lake.paths.root, folder.slice(0, -1))
  let shards = 0
  let bytes = 0
  try {
    for (const name of await listNames(directory)) {
      if (parseShardPath(folder + name) === undefined) continue
      const { size } = await lstat(joinLake(lake.paths.root, folder + name))
      if (!(await lake.files.remove(folder + name))) continue
      bytes += size
      shards++
    }
  } catch (error) {
    throw ioError(error, 'prune', directory, LAKE)
  }
  const isKnown = lake.catalog.getSeries(series) !== undefined || lake.catalog.readDays(series).length > 0
  if (shards === 0 && !isKnown)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected a series of the lake ${lake.paths.root}, got ${seriesLabel(series)}: it has neither a shard nor a record of it. \`ckvd coverage\` tells what it holds.`,
      { details: { ...series } },
    )
  lake.catalog.deleteSeries(series)
  return { shards, bytes }
}

async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
