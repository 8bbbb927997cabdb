import { findOddities } from '../../codec/csv/odd-rows.ts'
import { countExpectedOfNone } from '../../dataset/expected.ts'
import { shardRows } from '../../codec/shard-rows.ts'
import { chunkRange, isMonthChunked } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import type { Found } from './archive-load.ts'
import { askOther, findOther } from './archive-load.ts'
import type { AcquireContext, ArchiveRef, ArchiveTask } from '../archive-task.ts'
import type { ArchiveOrigin } from '../day.ts'
import { mergeRows, rowsWithin } from '../../dataset/rows.ts'
import { toldSeries } from '../../dataset/told.ts'
import { expectedRange } from '../day.ts'
import type { RestAnswer } from '../rest/rest-answer.ts'
import { askRest } from '../rest/rest-question.ts'
import type { SeriesLife } from '../life/series-life.ts'

/** One source's rows of a chunk. */
interface Voice {
  readonly name: 'vision-daily' | 'vision-monthly' | 'rest'
  readonly columns: Columns
  /** null: REST */
  readonly origin: ArchiveOrigin | null
}

const NAMES: Readonly<Record<Voice['name'], string>> = {
  'vision-daily': 'the daily archive',
  'vision-monthly': 'the monthly archive',
  rest: 'REST',
}

/** What became of a chunk about which sources differ. */
export type Settled =
  | {
      /** `decided`: two agree against the third, or all do; `disputed`: nothing decides; `undecided`: the one that would was not to be had */
      readonly verdict: 'decided' | 'disputed' | 'undecided'
      readonly columns: Columns
      readonly sources: readonly string[]
      readonly origin: ArchiveOrigin | null
      /** REST is not the one that was outvoted */
      readonly trustsRest: boolean
      /** rows in which the others differ from what is stored */
      readonly differing: number
      readonly note: string
      /** null: decided */
      readonly error: CkvdError | null
    }
  /** rows that break a bar's rules, and no second source that has them too */
  | { readonly verdict: 'unfounded'; readonly answer: RestAnswer; readonly error: CkvdError }

/**
 * Two sources differ about a chunk, or it has rows that break a bar's rules: the third is asked for all of it (daily archive, monthly
 * archive, REST), and two against one decide. Throws CKVD_ABORTED, errors of the lake and bugs.
 */
export async function settleDispute(
  task: ArchiveTask,
  day: UtcDay,
  found: readonly Found[],
  isOdd: boolean,
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<Settled> {
  const { series } = task
  const voices: Voice[] = found.map((one) => voiceOf(series, one))
  const third = voices.length > 1 || isMonthChunked(series) ? undefined : await findThird(task, day, found, ctx)
  // null: the listing could not be asked, so that one may be there
  const other = third === undefined ? 'lacking' : third === null ? null : await askOther(task, third, day, life, ctx)
  if (other !== null && other !== 'lacking') voices.push(voiceOf(series, other))
  const answer = await askWhole(series, day, life, ctx)
  if (answer.kind === 'asked') {
    const rows = rowsWithin(answer.rows, chunkRange(day, series))
    if (rows.openTime.length > 0) voices.push({ name: 'rest', columns: rows, origin: null })
  }
  const [primary] = voices as [Voice, ...Voice[]]
  const where = `${seriesLabel(series)} ${day}`
  const pair = findPair(voices, series)
  if (pair === null) {
    if (isOdd && voices.length === 1) {
      const odd = findOddities(series, primary.columns)
      const message = `Expected no bar of ${where} to contradict itself, found ${odd.oddRows} ${odd.oddRows === 1 ? 'that does' : 'that do'}, the first at ${isoOfUs(odd.times[0] ?? 0)}, and no second source has the same.`
      return {
        verdict: 'unfounded',
        answer,
        error: new CkvdError('CKVD_BAR_INVALID', message, { details: { ...toldSeries(series), day, times: odd.times } }),
      }
    }
    // a source that was asked for and could not answer may decide another time
    const isOpen = other === null || answer.kind === 'silent'
    const names = voices.map(({ name }) => NAMES[name]).join(' and ')
    const message = isOpen
      ? `${where}: ${names} ${voices.length === 1 ? 'stands alone' : 'contradict each other'}, and the source that would decide could not be asked.`
      : `${where}: ${names} contradict each other, and no third source decides; Vision's rows are stored.`
    return {
      verdict: isOpen ? 'undecided' : 'disputed',
      columns: primary.columns,
      sources: [primary.name],
      origin: primary.origin,
      trustsRest: false,
      differing: countDiffering(primary, voices, series),
      note: message,
      error: new CkvdError(isOpen ? 'CKVD_PARTIAL' : 'CKVD_DISPUTED', message, {
        details: { ...toldSeries(series), day, sources: voices.map(({ name }) => name) },
      }),
    }
  }
  const [base, partner] = pair
  const merge = mergeRows(base.columns, partner.columns, series)
  const losers = voices.filter((voice) => voice !== base && voice !== partner && !agree(base, voice, series))
  return {
    verdict: 'decided',
    columns: merge.columns,
    sources: merge.added > 0 ? [base.name, partner.name] : [base.name],
    origin: base.origin ?? partner.origin ?? primary.origin,
    trustsRest: losers.every(({ name }) => name !== 'rest'),
    differing: countDiffering(base, losers, series),
    note:
      losers.length === 0
        ? ''
        : `${NAMES[base.name]} and ${NAMES[partner.name]} agree against ${losers.map(({ name }) => NAMES[name]).join(' and ')}`,
    error: null,
  }
}

/**
 * The other form of archive of a day, from the plan or, where that had no use for it, from the listing; undefined: there is none, or it was
 * heard already, or it has no row of the day. Null where the listing could not be asked.
 */
async function findThird(
  task: ArchiveTask,
  day: UtcDay,
  found: readonly Found[],
  ctx: AcquireContext,
): Promise<ArchiveRef | undefined | null> {
  const [held] = found
  // the archive of the task itself lacks the day: its other form was taken, and no third is left
  if (held === undefined || held.origin.key !== task.archive.key) return undefined
  return findOther(task, day, ctx)
}

function voiceOf(series: Series, { chunk, packaging, origin }: Found): Voice {
  return { name: `vision-${packaging}`, columns: shardRows<Columns>(series, chunk.shard), origin }
}

function askWhole(
  series: Series,
  day: UtcDay,
  life: SeriesLife,
  { rest, signal }: Pick<AcquireContext, 'rest' | 'signal'>,
): Promise<RestAnswer> {
  const range = expectedRange(series, day, { startUs: life.bounds.startUs, endUs: null })
  const bars = countExpectedOfNone(series, range)
  return askRest(series, [{ ...range, bars }], { times: [], firstUs: life.bounds.startUs, nowUs: life.nowUs }, rest, signal)
}

/** Two sources that agree, one of Vision first; null when none do. */
function findPair(voices: readonly Voice[], series: Series): [Voice, Voice] | null {
  for (const base of voices) for (const partner of voices) if (base !== partner && agree(base, partner, series)) return [base, partner]
  return null
}

/** True when no bar that both have differs, and they share one. */
function agree(a: Voice, b: Voice, series: Series): boolean {
  const { differing, agreeing } = mergeRows(a.columns, b.columns, series)
  return differing === 0 && agreeing > 0
}

function countDiffering(base: Voice, others: readonly Voice[], series: Series): number {
  return Math.max(0, ...others.filter((voice) => voice !== base).map((voice) => mergeRows(base.columns, voice.columns, series).differing))
}
