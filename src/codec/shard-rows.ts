import { isPacked } from '../dataset/pack.ts'
import type { Columns } from '../model/columns.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import { decodeShard } from './shard-file.ts'
import { chunkColumns } from './arrow/chunk-bytes.ts'

/**
 * The rows of a chunk as it came from a decoder: of a series whose chunks stand in packs the bytes of its rows, else an Arrow file.
 * @throws CKVD_SHARD_FORMAT, CKVD_SHARD_DIGEST
 */
export function shardRows<T extends Columns = KlineColumns>(series: Pick<Series, 'dataset' | 'interval'>, shard: Uint8Array): T {
  return isPacked(series) ? chunkColumns<T>(shard, series) : decodeShard<T>(shard).columns
}
