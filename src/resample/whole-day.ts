import type { ShardParts } from '../codec/parquet/parquet-shard.ts'
import { nextChunk } from '../dataset/chunk.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { CurrentShard, LakeContent } from '../lake/current-shard.ts'
import { isShardError, openCurrentShard, readCurrentShard } from '../lake/current-shard.ts'
import { countsAsExplained, reasonOf } from '../lake/day-facts.ts'
import type { Columns } from '../model/columns.ts'
import { isExplained } from '../model/condition.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'

/** A day of which nothing is missing without a reason; else why it cannot be had. */
export type WholeDay<Rows> = Rows | { readonly reason: string }

/** The rows of a day of which nothing is missing without a reason; else why they cannot be had. */
export async function readWhole<T extends Columns>(
  lake: LakeContent,
  series: Series,
  day: UtcDay,
  signal: AbortSignal,
): Promise<WholeDay<{ readonly columns: T }>> {
  const found = await findWhole(lake, series, day, (row) => readCurrentShard<T>(lake, row, signal))
  return 'reason' in found ? found : (found.shard ?? { reason: NOTHING_THERE })
}

/** As `readWhole`, of which a part of the rows at a time is decoded; undefined: there was none on this day. */
export async function openWhole(
  lake: LakeContent,
  series: Series,
  day: UtcDay,
  signal: AbortSignal,
): Promise<WholeDay<{ readonly shard: ShardParts | undefined }>> {
  return await findWhole(lake, series, day, (row) => openCurrentShard(lake, row, signal))
}

/** Why a day without rows cannot be compared. */
export const NOTHING_THERE = 'there was none on this day'

async function findWhole<Shard>(
  lake: LakeContent,
  series: Series,
  day: UtcDay,
  read: (row: DayRow) => Promise<CurrentShard<Shard>>,
): Promise<WholeDay<{ readonly shard: Shard | undefined }>> {
  const row = lake.catalog.getDay(series, day)
  if (row === undefined) return { reason: 'the lake has none of this day' }
  try {
    const { row: now, shard } = await read(row)
    return !isExplained(now.condition) || now.condition === 'pending' ? { reason: whyNot(lake, series, now) } : { shard }
  } catch (error) {
    if (!isShardError(error)) throw error
    return { reason: `${error.code}: ${error.message}` }
  }
}

function whyNot(lake: LakeContent, series: Series, row: DayRow): string {
  const words = countsAsExplained(row)
    ? 'accepted by a person'
    : reasonOf(row, lake.catalog.listGaps(series, row.day, nextChunk(row.day, series)))
  return `${row.condition} (${words})`
}
