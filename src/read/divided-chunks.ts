import { decodeSomeRows, isDivisible } from '../codec/shard-file.ts'
import { formerPath } from '../lake/layout.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { ShardReader } from '../lake/shard-store.ts'
import { sha256Hex } from '../memory/digest.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { ColumnBlock } from './column-block.ts'
import { isSameChunk, openPart, passUnreadable } from './shard-columns.ts'

/*
 * Of a chunk with hundreds of thousands of rows only those are decoded that a range wants: its file is read whole, since its digest proves it
 * whole, and of its row groups those in which the range lies.
 */

/** What is wanted of a chunk. */
interface Wanted {
  readonly series: Series
  readonly row: DayRow
  /** of the chunk */
  readonly whole: TimeRange
  /** that is asked for */
  readonly range: TimeRange
  readonly keys: readonly string[]
}

/** True where a chunk has many more rows than are asked for. */
export function isPartlyWanted({ series, row, whole, range }: Omit<Wanted, 'keys'>): boolean {
  return isDivisible(series, row.rows) && (range.startUs > whole.startUs || range.endUs < whole.endUs)
}

/** The rows of a stored chunk that are asked for, with others beside them; undefined: its file is not the one that the catalog records. */
export async function readPartly(shards: ShardReader, { series, row, range, keys }: Wanted): Promise<ColumnBlock | undefined> {
  const file = await openPart(shards, formerPath(series, row.day))
  if (file === undefined) return undefined
  try {
    if (row.shardSha256 === null || file.sizeBytes !== row.shardBytes) return undefined
    const bytes = Buffer.allocUnsafeSlow(row.shardBytes)
    if (!file.read(0, [bytes]) || sha256Hex(bytes) !== row.shardSha256) return undefined
    const { columns, meta } = decodeSomeRows(bytes, { range, keys })
    return isSameChunk(series, row, meta) && meta.rows === row.rows ? columns : undefined
  } catch (error) {
    return passUnreadable(error)
  } finally {
    file.close()
  }
}
