import { createRows } from '../../dataset/registry.ts'
import { countExpectedOfNone } from '../../dataset/expected.ts'
import { chunkRange } from '../../dataset/chunk.ts'
import { isForgetful } from '../../dataset/reach.ts'
import type { CkvdError } from '../../errors.ts'
import { isProof } from '../../model/evidence.ts'
import type { Doubt, Evidence } from '../../model/evidence.ts'
import type { Gap } from '../../model/gaps.ts'
import { countSlots, gridOf, maxLengthUs } from '../../model/interval.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { AcquireContext, ArchiveTask, RestContext } from '../archive-task.ts'
import { failedDay, unverifiedDay } from '../barless-day.ts'
import type { AcquiredDay, ArchiveOrigin } from '../day.ts'
import { rowsWithin } from '../../dataset/rows.ts'
import { buildDay, expectedRange } from '../day.ts'
import { askRest, explainGap, refusalOf } from './rest-question.ts'
import type { Ending } from '../life/series-end.ts'
import type { SeriesLife } from '../life/series-life.ts'
import { learnFromSilence } from '../life/series-life.ts'

/** A known bar is near when it opens within so many slots before what is asked for. */
const NEAR_SLOTS = 400

/** Days of which no archive has a bar. */
export async function acquireBare(
  task: ArchiveTask,
  days: readonly UtcDay[],
  life: SeriesLife,
  reason: string,
  ctx: AcquireContext,
  error?: CkvdError,
): Promise<AcquiredDay[]> {
  const archive = { key: task.archive.key, etag: task.archive.etag, sha256: null }
  return acquireDaysFromRest({ series: task.series, days, archive, reason, ...(error === undefined ? {} : { error }) }, life, ctx)
}

export interface RestTask {
  readonly series: Series
  /** consecutive chunks */
  readonly days: readonly UtcDay[]
  /** the archive that should have had them */
  readonly archive: ArchiveOrigin | null
  /** why they are asked from REST */
  readonly reason: string
  /** the first bar that is held, us, where all of it is later than these chunks; null: it is not known to be */
  readonly firstHeld?: () => Promise<number | null>
  /** what is known of bars that REST cannot be asked for; default: nothing */
  readonly why?: Doubt | null
  /** the archive's error: what REST cannot give either is then quarantined instead of partial */
  readonly error?: CkvdError
}

/**
 * Asks REST for a run of consecutive chunks as one stretch. Chunks in which nothing is expected are left out, among them those after the
 * series' last bar: where nothing follows, and none is known to, it is decided whether it has ended.
 */
export async function acquireDaysFromRest(task: RestTask, life: SeriesLife, ctx: RestContext): Promise<AcquiredDay[]> {
  const { series } = task
  const wanted = task.days.filter((day) => isExpected(series, day, life))
  const first = wanted[0]
  const last = wanted.at(-1)
  if (first === undefined || last === undefined) return []
  const { bounds } = life
  const whole = { startUs: expectedRange(series, first, bounds).startUs, endUs: expectedRange(series, last, bounds).endUs }
  // a bar that is known near by is where the walk begins; from one far away it would read what nobody asked for
  const nearUs = whole.startUs - NEAR_SLOTS * maxLengthUs(gridOf(series))
  const known = life.lastOpenUs !== null && life.lastOpenUs < whole.startUs && life.lastOpenUs >= nearUs ? [life.lastOpenUs] : []
  const gap = { ...whole, bars: countExpectedOfNone(series, whole) }
  const answer = await askRest(series, [gap], { times: known, firstUs: bounds.startUs, nowUs: life.nowUs }, ctx.rest, ctx.signal)
  if (answer.kind === 'asked') life.saw(answer.seen.findLast((time) => time < whole.endUs) ?? null)
  await learnFromSilence(gap, answer, null, life)
  if (answer.kind === 'silent' && answer.reason === 'unknown-symbol' && life.startSource === null) {
    // who has forgotten the symbol cannot tell where it begins: what is held does
    const heldUs = (await task.firstHeld?.()) ?? null
    if (heldUs !== null) await life.begin(heldUs)
  }
  // REST's bars are all that is held
  const times = answer.kind === 'asked' ? answer.seen : []
  const reachesEnd = answer.kind === 'asked' && times.some((time) => time >= whole.endUs)
  const ending: Ending | null = reachesEnd || !life.mayEndIn(last) ? null : await life.end(life.lastOpenUs, answer, whole.startUs)
  const explain = (one: Gap): Evidence => {
    const evidence = explainGap(one, answer, times)
    const trails = times.every((time) => time < one.endUs)
    // of what REST has forgotten nobody tells any more, whether the series has ended or not
    if (isProof(evidence) || (isForgetful(series) && evidence.reason === 'no-source')) return evidence
    const atEnd = ending === null || !trails ? null : ending.ended ? ending.leftOut : ending.doubt
    return atEnd ?? (answer.kind === 'silent' ? task.why : null) ?? evidence
  }
  const days: AcquiredDay[] = []
  for (const day of wanted) {
    if (!isExpected(series, day, life)) continue
    const columns = answer.kind === 'asked' ? rowsWithin(answer.sound, chunkRange(day, series)) : createRows(series, 0)
    if (columns.openTime.length === 0 && task.error !== undefined) {
      // nothing lies in quarantine of an archive that was not there: the next run asks for it again
      const isContent = task.error.about === 'content'
      days.push(isContent ? unverifiedDay(task, day, task.error, answer) : failedDay(task, day, task.error, refusalOf(answer)))
      continue
    }
    days.push(
      await buildDay({
        series,
        day,
        columns,
        bounds: life.bounds,
        sources: ['rest'],
        archive: task.archive,
        duplicates: 0,
        conflicts: 0,
        differing: 0,
        evidence: task.reason,
        error: null,
        explain,
      }),
    )
  }
  return days
}

/** True of a chunk in which a bar is expected, as far as is known by now. */
function isExpected(series: Series, day: UtcDay, life: SeriesLife): boolean {
  const range = expectedRange(series, day, life.bounds)
  return countSlots(range.startUs, range.endUs, gridOf(series)) > 0
}
