import type { UtcDay } from '../model/utc-day.ts'
import { chunkClosedUs } from '../model/interval.ts'
import { createColumns } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import { chunkRange } from '../model/series.ts'
import type { RestContext } from './archive-task.ts'
import type { AcquiredDay, SeriesBounds } from './reconcile.ts'
import { buildDay, expectedRange, lastSlotEndUs, rowsWithin } from './reconcile.ts'
import { askRest, explainGap, SILENCE_US } from './stretch.ts'

/** The chunks of a series after its last archive. */
export interface TailTask {
  readonly series: Series
  /** in order, consecutive, not empty */
  readonly days: readonly UtcDay[]
  readonly bounds: SeriesBounds
  /** end of the last chunk that is known to have bars, us; null: there is none */
  readonly lastKnownEndUs: number | null
  readonly nowUs: number
}

export interface Tail {
  /** chunks of which anything is to be recorded; those left out are after the series' last bar (`unlisted`) */
  readonly days: readonly AcquiredDay[]
  /** REST has nothing since the last archive, and that was days ago: the series has ended */
  readonly ended: boolean
}

/**
 * After the last archive one REST request tells whether the series goes on. Its bars make `provisional` days. A series
 * that has been silent for three days has ended: nothing is expected after its last bar. Younger days are `pending`
 * while REST has nothing, too, or is off; other days without REST are `partial`.
 */
export async function acquireTail(task: TailTask, ctx: RestContext): Promise<Tail> {
  const { series, days } = task
  const first = days[0]
  const last = days.at(-1)
  if (first === undefined || last === undefined) return { days: [], ended: false }
  const whole = { startUs: expectedRange(series, first, task.bounds).startUs, endUs: chunkRange(last, series.interval).endUs }
  const answer = await askRest(series, [{ ...whole, bars: 0 }], ctx.rest, ctx.signal)
  const rows = answer.kind === 'asked' ? rowsWithin(answer.rows, whole) : createColumns(0)
  const silentSinceUs = lastSlotEndUs(rows, series) ?? task.lastKnownEndUs
  const ended = answer.kind === 'asked' && silentSinceUs !== null && task.nowUs - silentSinceUs >= SILENCE_US
  const bounds = ended && silentSinceUs !== null ? { ...task.bounds, endUs: silentSinceUs } : task.bounds
  const result: AcquiredDay[] = []
  for (const day of days) {
    const range = expectedRange(series, day, bounds)
    if (range.endUs <= range.startUs) continue
    const columns = rowsWithin(rows, chunkRange(day, series.interval))
    const young = task.nowUs - chunkClosedUs(day, series.interval) < SILENCE_US
    const parts = { series, day, columns, bounds, sources: ['rest'], archive: null, duplicates: 0, conflicts: 0, differing: 0, error: null }
    if (columns.openTime.length === 0 && young) {
      const evidence = answer.kind === 'asked' ? 'not published yet, and REST has nothing yet' : `not published yet, and ${answer.reason}`
      result.push({
        ...(await buildDay({ ...parts, evidence, explain: () => ({ evidence, explained: true }) })),
        condition: 'pending',
        gaps: [],
      })
    } else {
      result.push(await buildDay({ ...parts, evidence: 'after the last archive', explain: () => explainGap(whole, answer, series) }))
    }
  }
  return { days: result, ended: ended && rows.openTime.length === 0 }
}
