import type { RestAnswer } from '../acquire/rest/rest-answer.ts'
import { explainGap, findOddBar } from '../acquire/rest/rest-question.ts'
import type { Beginnings } from '../acquire/life/series-life.ts'
import { SeriesLife } from '../acquire/life/series-life.ts'
import { isProof } from '../model/evidence.ts'
import type { Gap } from '../model/gaps.ts'
import type { Series } from '../model/series.ts'
import type { ReadGap } from './gap-evidence.ts'
import { NO_BAR_EXPECTED, readGap, wordGap } from './gap-evidence.ts'
import type { RestWitness } from './rest-witness.ts'

/**
 * Gaps of a stretch that reaches to now: explained as between bars, and where no bar is before them, or none after them up to now, by where
 * the series begins and ends. What has been silent for under three days is not published yet.
 */
export async function explainOpen(
  series: Series,
  gaps: readonly Gap[],
  answer: RestAnswer,
  o: { readonly rest: RestWitness; readonly nowUs: number; readonly signal: AbortSignal },
): Promise<ReadGap[]> {
  const times = answer.kind === 'asked' ? answer.seen : []
  const beginnings: Beginnings = {
    list: () => [],
    put: () => undefined,
    inTurn: (_one, work) => work(),
    intervalFor: (one) => one.interval,
  }
  const life = new SeriesLife({
    series,
    known: undefined,
    beginnings,
    // what REST alone is asked for needs no archive
    earliestInArchives: (heldUs) => Promise.resolve(heldUs),
    latestInArchives: (heldUs) => Promise.resolve(heldUs),
    isListingBehind: () => Promise.resolve(false),
    lastKnownDay: null,
    goesOn: false,
    ...o,
  })
  const explained: ReadGap[] = []
  for (const gap of gaps) {
    const evidence = explainGap(gap, answer, times)
    const isLed = times.some((time) => time < gap.startUs)
    const isFollowed = times.some((time) => time >= gap.endUs)
    if (isProof(evidence) || answer.kind === 'silent' || times.length === 0 || findOddBar(gap, answer) !== undefined)
      explained.push(readGap({ ...gap, evidence }, isProof(evidence)))
    else if (!isLed) {
      const beginning = await life.begin(times[0] ?? null)
      const isUnborn = beginning.known && beginning.source === 'rest' && (beginning.startUs ?? 0) >= gap.endUs
      explained.push(isUnborn ? wordGap(gap, NO_BAR_EXPECTED, true) : readGap({ ...gap, evidence }, false))
    } else if (!isFollowed) {
      const ending = await life.end(times.at(-1) ?? null, answer, gap.startUs)
      if (ending.ended) explained.push(wordGap(gap, NO_BAR_EXPECTED, true))
      else if (ending.young) explained.push(wordGap(gap, 'not published yet: REST has no later bar up to now', true))
      else explained.push(readGap({ ...gap, evidence: ending.doubt }, false))
    } else explained.push(readGap({ ...gap, evidence }, false))
  }
  return explained
}
