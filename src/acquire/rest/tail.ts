import { chunkClosedUs } from '../../dataset/chunk.ts'
import { describeEvidence, isProof } from '../../model/evidence.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { RestContext } from '../archive-task.ts'
import type { AcquiredDay } from '../day.ts'
import { openCondition } from '../day.ts'
import { acquireDaysFromRest } from './rest-days.ts'
import { SILENCE_US } from './rest-question.ts'
import type { SeriesLife } from '../life/series-life.ts'

/** The chunks of a series after its last archive. */
export interface TailTask {
  readonly series: Series
  /** in order, consecutive, not empty */
  readonly days: readonly UtcDay[]
}

/**
 * After the last archive REST tells whether the series goes on: its bars make `provisional` days, and where it has none up to now it is
 * decided whether the series has ended (the chunks after its last bar are left out). A day under three days old of which REST has nothing
 * yet, or cannot be asked, is `pending`: it may be published tomorrow. Others are `partial`.
 */
export async function acquireTail(task: TailTask, life: SeriesLife, ctx: RestContext): Promise<AcquiredDay[]> {
  const { series } = task
  await life.rememberedEnd()
  const days = await acquireDaysFromRest({ series, days: task.days, archive: null, reason: 'after the last archive' }, life, ctx)
  return days.map((day) => (day.condition === 'pending' || isPending(day, series, life) ? asPending(day) : day))
}

/** Young, and not one bar of it has come: neither an archive nor news. */
function isPending(day: AcquiredDay, series: Series, life: SeriesLife): boolean {
  if (day.condition !== openCondition(series, day.gaps) || life.nowUs - chunkClosedUs(day.day, series) >= SILENCE_US) return false
  // a contradiction is not a lack of news
  return day.rows === 0 && day.gaps.every(({ evidence }) => isProof(evidence) || evidence.reason !== 'contradiction')
}

function asPending(day: AcquiredDay): AcquiredDay {
  const [gap] = day.gaps
  const why = gap === undefined ? '' : `: ${describeEvidence(gap.evidence)}`
  return { ...day, condition: 'pending', evidence: `not published yet${why}`, gaps: day.rows === 0 ? [] : day.gaps }
}
