import type { KlineColumns } from '../../model/kline.ts'
import { isToldByIds, isToldByRest, restReachUs } from '../../dataset/reach.ts'
import { createRows } from '../../dataset/registry.ts'
import { describeOddRow, findOddities } from '../../codec/csv/odd-rows.ts'
import { isFailure } from '../../errors.ts'
import type { Evidence } from '../../model/evidence.ts'
import { describeEvidence, doubt } from '../../model/evidence.ts'
import type { Gap } from '../../model/gaps.ts'
import { firstSlotUs, gridOf, nextSlotUs } from '../../model/interval.ts'
import type { Columns } from '../../model/columns.ts'
import { inTimeOrder, joinColumns, pickRows } from '../../model/columns.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import { lowerBound } from '../../model/lower-bound.ts'
import { isoOfUs, US_PER_DAY } from '../../model/utc-day.ts'
import type { RestSource } from '../../sources/rest/rest.ts'
import { askIds } from './id-question.ts'
import type { RestAnswer } from './rest-answer.ts'

/** Gaps closer than this many bars are asked for as one stretch: a page carries more rows than that. */
const NEAR_BARS = 250

/** A series that has been silent for so long, and one bar more, may have ended; archives are usually published the next day. */
export const SILENCE_US = 3 * US_PER_DAY

/** Bars that are known beside gaps, microseconds. */
export interface KnownBars {
  /** open times, ascending */
  readonly times: ArrayLike<number>
  /** the series begins here: no bar opens before; null: it is not known, or begins elsewhere */
  readonly firstUs: number | null
  /** now: how far REST reaches back depends on it */
  readonly nowUs: number
}

/** An answer to no question. */
const NOTHING_ASKED: Omit<Extract<RestAnswer, { kind: 'asked' }>, 'rows' | 'sound'> = {
  kind: 'asked',
  reachUs: -Infinity,
  odd: new Map(),
  seen: [],
  linked: () => false,
  silentAfterUs: null,
}

/**
 * Asks REST for the bars of some gaps and for the nearest bar on either side, wherever it lies.
 * A source that is off, unreachable, banned or does not know the symbol leaves the gaps unexplained: that is an answer too.
 * Throws CKVD_ABORTED and what is not a failure of REST.
 */
export async function askRest(
  series: Series,
  gaps: readonly Gap[],
  known: KnownBars,
  rest: RestSource | null,
  signal: AbortSignal,
): Promise<RestAnswer> {
  const none = createRows(series, 0)
  if (gaps.length === 0) return { ...NOTHING_ASKED, rows: none, sound: none }
  if (isToldByIds(series)) return await askIds(series, gaps, rest, signal)
  const reachUs = restReachUs(series, known.nowUs)
  const silent = { kind: 'silent' as const, reachUs, note: null, passing: false, error: null }
  const asked = gaps.flatMap((gap) =>
    gap.endUs <= reachUs ? [] : [{ ...gap, startUs: Math.max(gap.startUs, reachSlot(reachUs, series)) }],
  )
  if (asked.length === 0 || !isToldByRest(series)) return { ...silent, reason: 'no-source' }
  if (rest === null) return { ...silent, reason: 'rest-off' }
  const parts: Columns[] = []
  const seen: number[] = []
  const links: ReadonlyMap<number, ReadonlySet<number>>[] = []
  let silentAfterUs: number | null = null
  try {
    for (const range of stretchesOf(asked, series)) {
      const ask = {
        ...range,
        beforeUs: lastBefore(known.times, range.startUs),
        afterUs: firstFrom(known.times, range.endUs),
        first: known.firstUs !== null && known.firstUs >= range.startUs && known.firstUs < nextSlotUs(range.startUs, gridOf(series)),
      }
      const stretch = await rest.fetchStretch(series, ask, { signal })
      if (stretch === null) return { ...silent, reason: 'unknown-symbol' }
      parts.push(stretch.rows)
      for (const time of stretch.seen) seen.push(time)
      links.push(stretch.links)
      silentAfterUs = stretch.silentAfterUs
    }
  } catch (error) {
    if (!isFailure(error)) throw error
    return { ...silent, reason: 'rest-failed', note: `${error.code}: ${error.message}`, passing: true, error }
  }
  const rows = inOrder(parts, none)
  const odd = oddOf(rows, series)
  return {
    kind: 'asked',
    reachUs,
    rows,
    sound: withoutOdd(rows, odd),
    odd,
    seen: [...new Set(seen)].sort((a, b) => a - b),
    linked: (beforeUs, afterUs) => links.some((own) => own.get(beforeUs)?.has(afterUs) ?? false),
    silentAfterUs,
  }
}

/** The first slot that REST can be asked for. */
function reachSlot(reachUs: number, series: Series): number {
  return reachUs === -Infinity ? reachUs : firstSlotUs(reachUs, gridOf(series))
}

/** Near gaps as one stretch. */
function stretchesOf(gaps: readonly Gap[], series: Series): TimeRange[] {
  const grid = gridOf(series)
  const stretches: { startUs: number; endUs: number }[] = []
  for (const { startUs, endUs } of gaps) {
    const last = stretches.at(-1)
    const length = nextSlotUs(startUs, grid) - startUs
    if (last !== undefined && startUs - last.endUs <= NEAR_BARS * length) last.endUs = endUs
    else stretches.push({ startUs, endUs })
  }
  return stretches
}

function oddOf(rows: Columns, series: Series): Map<number, string> {
  const { times } = findOddities(series, rows)
  return new Map(times.map((time) => [time, describeOddRow(series, rows as KlineColumns, rows.openTime.indexOf(BigInt(time)))]))
}

function withoutOdd(rows: Columns, odd: ReadonlyMap<number, string>): Columns {
  if (odd.size === 0) return rows
  return pickRows(
    rows,
    Uint32Array.from(rows.openTime.keys()).filter((row) => !odd.has(Number(rows.openTime[row]))),
  )
}

/** Rows of stretches, each in order, without those that a later stretch has as well. */
function inOrder(parts: readonly Columns[], none: Columns): Columns {
  return parts.length === 1 ? (parts[0] as Columns) : inTimeOrder(joinColumns(parts, none))
}

/** The evidence for a gap that REST did not fill. `times` are the open times of the bars that are held, ascending. */
export function explainGap(gap: Gap, answer: RestAnswer, times: ArrayLike<number>): Evidence {
  if (gap.startUs < answer.reachUs) return doubt('no-source')
  if (answer.kind === 'silent') return doubt(answer.reason, answer.note)
  if (answer.explain !== undefined) return answer.explain(gap)
  const beforeUs = lastBefore(answer.seen, gap.startUs)
  const afterUs = firstFrom(answer.seen, gap.endUs)
  const asked = `asked for ${isoOfUs(gap.startUs)} to ${isoOfUs(gap.endUs)}`
  const odd = findOddBar(gap, answer)
  if (odd !== undefined)
    return doubt('no-witness', `REST's bar of ${isoOfUs(odd.timeUs)} contradicts itself (${odd.words}), and no second source has it`)
  if (beforeUs === null && afterUs === null) return doubt('no-witness', `${asked}, not one bar came`)
  if (beforeUs === null || afterUs === null) {
    const side = beforeUs === null ? 'before' : 'after'
    return doubt('no-witness', `${asked}, no bar ${side} it came`)
  }
  const held = firstFrom(times, beforeUs + 1)
  if (held !== null && held < afterUs)
    return doubt('contradiction', `${asked}, its bars of ${isoOfUs(beforeUs)} and ${isoOfUs(afterUs)} have others between that are stored`)
  if (!answer.linked(beforeUs, afterUs)) return doubt('no-witness', `${asked}, the bars before and after it came in two answers`)
  return { source: 'rest', beforeUs, afterUs }
}

/** The first bar of an answer that contradicts itself and opens in a gap, and what is odd about it: it is neither a bar nor silence. */
export function findOddBar(gap: TimeRange, answer: RestAnswer): { readonly timeUs: number; readonly words: string } | undefined {
  if (answer.kind === 'silent') return undefined
  for (const [timeUs, words] of answer.odd) if (timeUs >= gap.startUs && timeUs < gap.endUs) return { timeUs, words }
  return undefined
}

/** Why an answer has not one bar of a day. */
export function refusalOf(answer: RestAnswer): string {
  if (answer.kind === 'asked') return 'REST has no bar of this day'
  if (answer.reason === 'no-source') return describeEvidence(doubt('no-source'))
  return `${answer.reason === 'rest-off' ? 'REST is off' : answer.reason === 'unknown-symbol' ? 'REST does not know this symbol' : 'REST could not be asked'}${answer.note === null ? '' : `: ${answer.note}`}`
}

/** The last time before another one; null when there is none. Times ascend. */
function lastBefore(times: ArrayLike<number>, timeUs: number): number | null {
  return times[lowerBound(times, timeUs) - 1] ?? null
}

/** The first time at or after another one; null when there is none. Times ascend. */
function firstFrom(times: ArrayLike<number>, timeUs: number): number | null {
  return times[lowerBound(times, timeUs)] ?? null
}
