import { isFailure } from '../errors.ts'
import type { Gap } from '../model/gaps.ts'
import type { Interval } from '../model/interval.ts'
import { chunkEndUs, nextSlotUs, slotStartUs } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import { concatColumns, createColumns } from '../model/kline.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { isoOfUs, US_PER_DAY } from '../model/utc-day.ts'
import type { KlineSource } from '../sources/source.ts'
import { rowsWithin } from './reconcile.ts'

/** Gaps closer than this many bars are asked for as one stretch: a page carries more rows than that. */
const NEAR_BARS = 250

/** What REST answered about some gaps. */
export type RestAnswer =
  | { readonly kind: 'asked'; readonly rows: KlineColumns; readonly asked: readonly TimeRange[] }
  /** nothing can be said of the gaps, and why; `passing`: it could not answer now, and may another time */
  | { readonly kind: 'silent'; readonly reason: string; readonly passing: boolean }

/** Archives are usually published the next day: a series that has been silent for so long has ended, and until then a chunk may be `pending`. */
export const SILENCE_US = 3 * US_PER_DAY

/** When the silence after a chunk has shown that the series ended in it, us: all bars that REST is asked for have closed. */
export function silenceShownUs(day: UtcDay, interval: Interval): number {
  return nextSlotUs(chunkEndUs(day, interval) + SILENCE_US, interval)
}

/** Each gap with a bar on either side, near ones joined. */
export function stretchesOf(gaps: readonly Gap[], series: Series): TimeRange[] {
  const stretches: { startUs: number; endUs: number }[] = []
  for (const gap of gaps) {
    const startUs = slotStartUs(gap.startUs - 1, series.interval)
    const endUs = nextSlotUs(gap.endUs, series.interval)
    const last = stretches.at(-1)
    const length = nextSlotUs(gap.startUs, series.interval) - gap.startUs
    if (last !== undefined && startUs - last.endUs <= NEAR_BARS * length) last.endUs = endUs
    else stretches.push({ startUs, endUs })
  }
  return stretches
}

/**
 * Asks REST for the bars of some gaps and for a bar on either side.
 * A source that is unreachable, banned or does not know the symbol leaves the gaps unexplained: that is an answer too.
 * Throws CKVD_ABORTED and what is not a failure of REST.
 */
export async function askRest(series: Series, gaps: readonly Gap[], rest: KlineSource | null, signal: AbortSignal): Promise<RestAnswer> {
  if (rest === null) return { kind: 'silent', reason: 'REST is off', passing: false }
  const parts: KlineColumns[] = []
  const asked = stretchesOf(gaps, series)
  try {
    for (const range of asked) {
      const stretch = await rest.fetchStretch(series, range, { signal })
      if (stretch.kind === 'absent') return { kind: 'silent', reason: 'REST does not know this symbol', passing: false }
      parts.push(stretch.rows)
    }
  } catch (error) {
    if (!isFailure(error)) throw error
    return { kind: 'silent', reason: `REST could not be asked: ${error.code}`, passing: true }
  }
  return { kind: 'asked', rows: parts.length === 0 ? createColumns(0) : concatColumns(parts), asked }
}

/**
 * Asks as `askRest` does, the last gap with the days after it: `silent` when REST has no bar behind that gap. What is said of the gaps is
 * what asking for them alone would have given.
 */
export async function askRestAndSilence(
  series: Series,
  gaps: readonly Gap[],
  rest: KlineSource | null,
  signal: AbortSignal,
): Promise<{ readonly answer: RestAnswer; readonly silent: boolean }> {
  const last = gaps.at(-1)
  if (last === undefined) return { answer: { kind: 'asked', rows: createColumns(0), asked: [] }, silent: false }
  const answer = await askRest(series, [...gaps.slice(0, -1), { ...last, endUs: last.endUs + SILENCE_US }], rest, signal)
  if (answer.kind === 'silent') return { answer, silent: false }
  const later = rowsWithin(answer.rows, { startUs: last.endUs, endUs: Infinity })
  return { answer: { ...answer, asked: stretchesOf(gaps, series) }, silent: later.openTime.length === 0 }
}

/** Why an answer has not one bar of a day. */
export function refusalOf(answer: RestAnswer): string {
  return answer.kind === 'silent' ? answer.reason : 'REST has no bar of this day'
}

/** The evidence for a gap that REST cannot fill. Free of the time of asking, so that shards stay reproducible. */
export function explainGap(gap: TimeRange, answer: RestAnswer, series: Series): { evidence: string; explained: boolean } {
  if (answer.kind === 'silent') return { evidence: answer.reason, explained: false }
  const range = answer.asked.find(({ startUs, endUs }) => startUs < gap.startUs && gap.endUs < endUs)
  if (range === undefined) return { evidence: 'REST was not asked for this stretch', explained: false }
  const before = rowsWithin(answer.rows, { startUs: slotStartUs(gap.startUs - 1, series.interval), endUs: gap.startUs }).openTime.length > 0
  const after = rowsWithin(answer.rows, { startUs: gap.endUs, endUs: nextSlotUs(gap.endUs, series.interval) }).openTime.length > 0
  const sides = before && after ? 'the bars on both sides' : before ? 'the bar before' : after ? 'the bar after' : 'no bar on either side'
  return { evidence: `REST asked for ${isoOfUs(range.startUs)} to ${isoOfUs(range.endUs)} has ${sides} and none between`, explained: true }
}
