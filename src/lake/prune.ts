import { seriesLabel } from '../dataset/names.ts'
import { toldSeries } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import type { Series } from '../model/series.ts'
import type { WritableLake } from './lake.ts'
import { formerFolder, parseShardPath, shardFolder } from './layout.ts'

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
  const { catalog, shards: store } = lake
  let shards = 0
  let bytes = 0
  for (const folder of new Set([shardFolder(series), formerFolder(series)])) {
    for await (const { path, isFile } of store.list(folder)) {
      if (parseShardPath(path) === undefined) continue
      // what a link leads to stays
      const sizeBytes = isFile ? ((await store.stat(path))?.sizeBytes ?? 0) : 0
      if (!(await store.remove(path))) continue
      bytes += sizeBytes
      shards++
    }
  }
  const isKnown = catalog.getSeries(series) !== undefined || catalog.readDays(series).length > 0
  if (shards === 0 && !isKnown)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected a series of the lake ${lake.paths.root}, got ${seriesLabel(series)}: it has neither a shard nor a record of it. \`ckvd coverage\` tells what it holds.`,
      { details: toldSeries(series) },
    )
  catalog.deleteSeries(series)
  return { shards, bytes }
}
