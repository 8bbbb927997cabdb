import { findMissing, witnessTimes } from '../../dataset/expected.ts'
import { findOddities } from '../../codec/csv/odd-rows.ts'
import { shardRows } from '../../codec/shard-rows.ts'
import { chunkRange, isMonthChunked } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { CkvdError } from '../../errors.ts'
import type { Evidence } from '../../model/evidence.ts'
import { doubt, isProof } from '../../model/evidence.ts'
import type { Gap } from '../../model/gaps.ts'
import type { Columns } from '../../model/columns.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { Found } from './archive-load.ts'
import { askOther, findOther } from './archive-load.ts'
import type { AcquireContext, ArchiveTask } from '../archive-task.ts'
import { unverifiedDay } from '../barless-day.ts'
import { settleDispute } from './dispute.ts'
import type { AcquiredDay } from '../day.ts'
import { mergeRows, rowsWithin } from '../../dataset/rows.ts'
import { buildDay, expectedRange } from '../day.ts'
import { withHeldTimes } from '../rest/id-question.ts'
import type { RestAnswer } from '../rest/rest-answer.ts'
import { askRest, explainGap } from '../rest/rest-question.ts'
import type { SeriesLife } from '../life/series-life.ts'
import { learnFromSilence } from '../life/series-life.ts'

/** Joins what the archives have of a chunk (the first one is preferred), asks REST for the holes, and builds the chunk. */
export async function completeDay(
  task: ArchiveTask,
  day: UtcDay,
  found: readonly Found[],
  life: SeriesLife,
  note: string | null,
  ctx: AcquireContext,
): Promise<AcquiredDay> {
  const { series } = task
  const [best, ...others] = found
  if (best === undefined) throw new CkvdError('CKVD_BUG', `no rows of ${seriesLabel(series)} ${day} to complete`)
  if (best.chunk.condition === 'complete' && best.chunk.oddRows === 0 && others.length === 0) return wholeDay(best, note)
  const held = joinArchives(found, series)
  const filled = await fillGaps(series, day, held.columns, life, ctx)
  const second = filled.answer.kind === 'silent' && filled.gaps.length > 0 ? await findSecond(task, day, found, life, ctx) : null
  if (second !== null) return completeDay(task, day, [...found, second], life, note, ctx)
  const isOdd = findOddities(series, held.columns).oddRows > held.confirmed
  const settled = held.differing > 0 || filled.differing > 0 || isOdd ? await settleDispute(task, day, found, isOdd, life, ctx) : null
  if (settled !== null && settled.verdict === 'unfounded') return unverifiedDay(task, day, settled.error, settled.answer)
  const decided = settled === null ? { columns: filled.columns, sources: withRest(held.sources, filled.added) } : settled
  // what was decided is asked for again where its holes are others than those that were asked for
  const last = settled === null ? filled : await fillGaps(series, day, settled.columns, life, ctx)
  const built = await buildDay({
    series,
    day,
    columns: last.columns,
    bounds: life.bounds,
    sources: withRest(decided.sources, last.added),
    archive: settled?.origin ?? best.origin,
    duplicates: best.chunk.duplicates,
    conflicts: best.chunk.conflicts,
    differing: settled?.differing ?? held.differing + held.added,
    restStretches: last.answer.kind === 'asked' ? last.gaps : [],
    evidence: joinNotes(note, best.chunk.conflictNote, settled?.note ?? ''),
    error: settled?.error ?? null,
    explain: settled?.trustsRest === false ? () => doubt('contradiction', 'two other sources agree against REST') : last.explain,
    disputed: settled?.verdict === 'disputed',
  })
  // the chunk has a shard of its own now
  for (const { chunk } of found) ctx.pool.reuse(chunk.shard)
  return settled?.verdict === 'undecided' ? { ...built, condition: 'partial' } : built
}

/**
 * While REST cannot be asked: what the month's archive has of a day whose own archive has holes. (Of a month's the daily archives have been
 * read.) Null where it is not listed, or gives nothing that may be believed.
 */
async function findSecond(
  task: ArchiveTask,
  day: UtcDay,
  found: readonly Found[],
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<Found | null> {
  const [best] = found
  if (found.length > 1 || best?.packaging !== 'daily' || isMonthChunked(task.series)) return null
  // a month's task has come here by its daily archive: the month lacks the day
  if (best.origin.key !== task.archive.key) return null
  const other = await findOther(task, day, ctx)
  if (other === undefined || other === null) return null
  const read = await askOther(task, other, day, life, ctx)
  return read === 'lacking' ? null : read
}

/** The rows of all archives of a chunk, those of the first one where two have the same slot. */
function joinArchives(
  found: readonly Found[],
  series: Series,
): { columns: Columns; sources: string[]; differing: number; added: number; confirmed: number } {
  const [best, ...others] = found as [Found, ...Found[]]
  let columns = shardRows<Columns>(series, best.chunk.shard)
  const sources = [...sourcesOf(best)]
  let differing = 0
  let added = 0
  let confirmed = 0
  for (const { chunk, packaging } of others) {
    const merge = mergeRows(columns, shardRows<Columns>(series, chunk.shard), series)
    if (merge.differing === 0) confirmed = Math.min(best.chunk.oddRows, chunk.oddRows)
    columns = merge.columns
    differing += merge.differing
    added += merge.added
    if (merge.added > 0) sources.push(`vision-${packaging}`)
  }
  return { columns, sources, differing, added, confirmed }
}

/** What REST gave for the holes of a chunk. */
export interface Filled {
  readonly columns: Columns
  readonly answer: RestAnswer
  /** the holes that were asked for */
  readonly gaps: readonly Gap[]
  readonly added: number
  /** rows of REST, witnesses among them, that are not the ones that are held */
  readonly differing: number
  readonly explain: (gap: Gap) => Evidence
}

/**
 * Asks REST for the holes of a chunk and for the bars around them. Where nothing follows the last bar, and none is known to, it is decided
 * whether the series has ended there.
 */
export async function fillGaps(
  series: Series,
  day: UtcDay,
  columns: Columns,
  life: SeriesLife,
  { rest, signal }: Pick<AcquireContext, 'rest' | 'signal'>,
): Promise<Filled> {
  const range = expectedRange(series, day, life.bounds, columns)
  const gaps = findMissing(series, columns, range)
  const times = witnessTimes(series, columns)
  const answer = await askRest(series, gaps, { times, firstUs: life.bounds.startUs, nowUs: life.nowUs }, rest, signal)
  await learnFromSilence(gaps[0], answer, times[0] ?? null, life)
  const own = answer.kind === 'asked' ? rowsWithin(withHeldTimes(answer.sound, columns, series), chunkRange(day, series)) : null
  const merge = own === null ? null : mergeRows(columns, own, series)
  const filled = merge === null ? columns : merge.columns
  const heldTimes = witnessTimes(series, filled)
  let explain = (gap: Gap): Evidence => explainGap(gap, answer, heldTimes)
  const lastGap = findMissing(series, filled, range).at(-1)
  if (lastGap !== undefined && lastGap.endUs >= range.endUs && life.mayEndIn(day) && !isProof(explain(lastGap))) {
    const lastUs = heldTimes.at(-1) ?? life.lastOpenUs
    const ending = await life.end(lastUs, answer, lastGap.startUs)
    const why = ending.ended ? ending.leftOut : ending.doubt
    explain = (gap) => {
      const evidence = explainGap(gap, answer, heldTimes)
      return why !== null && gap.startUs >= lastGap.startUs && !isProof(evidence) ? why : evidence
    }
  }
  return { columns: filled, answer, gaps, added: merge?.added ?? 0, differing: merge?.differing ?? 0, explain }
}

function sourcesOf({ packaging, sources }: Found): readonly string[] {
  return sources ?? [`vision-${packaging}`]
}

/** Sources, REST among them where it gave rows. */
export function withRest(sources: readonly string[], added: number): string[] {
  return added > 0 && !sources.includes('rest') ? [...sources, 'rest'] : [...sources]
}

/** A chunk to which nothing needs to be added: the worker's shard is stored as it is. */
function wholeDay(found: Found, note: string | null): AcquiredDay {
  const { chunk, origin } = found
  const { day, shard, shardSha256, rows, expected, offGrid, duplicates, oddClose, oddRows, conflicts, lastOpenUs, ends } = chunk
  return {
    day,
    condition: 'complete',
    shard,
    shardSha256,
    source: sourcesOf(found).join('+'),
    rows,
    expected,
    offGrid,
    duplicates,
    oddClose,
    oddRows,
    conflicts,
    differing: 0,
    archive: origin,
    gaps: [],
    lastOpenUs,
    ends,
    evidence: joinNotes(note, chunk.conflictNote, ''),
    error: null,
  }
}

/** Notes as one; null: there is nothing to say. */
export function joinNotes(note: string | null, ...others: readonly string[]): string | null {
  const notes = [note ?? '', ...others].filter((text) => text !== '')
  return notes.length === 0 ? null : notes.join('; ')
}
