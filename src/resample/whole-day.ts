import { nextChunk } from '../dataset/chunk.ts'
import type { DayRow } from '../lake/catalog/catalog-rows.ts'
import type { LakeContent } from '../lake/current-shard.ts'
import { isShardError, readCurrentShard } from '../lake/current-shard.ts'
import { countsAsExplained, reasonOf } from '../lake/day-facts.ts'
import type { Columns } from '../model/columns.ts'
import { isExplained } from '../model/condition.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'

/** The rows of a day of which nothing is missing without a reason; else why they cannot be had. */
export async function readWhole<T extends Columns>(
  lake: LakeContent,
  series: Series,
  day: UtcDay,
  signal: AbortSignal,
): Promise<{ readonly columns: T } | { readonly reason: string }> {
  const row = lake.catalog.getDay(series, day)
  if (row === undefined) return { reason: 'the lake has none of this day' }
  try {
    const { row: now, shard } = await readCurrentShard<T>(lake, row, signal)
    if (!isExplained(now.condition) || now.condition === 'pending') return { reason: whyNot(lake, series, now) }
    return shard === undefined ? { reason: 'there was none on this day' } : { columns: shard.columns }
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
