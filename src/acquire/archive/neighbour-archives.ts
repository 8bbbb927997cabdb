import type { Columns } from '../../model/columns.ts'
import { findMissing } from '../../dataset/expected.ts'
import { shardRows } from '../../codec/shard-rows.ts'
import type { DecodeResult } from '../../codec/decode-archive.ts'
import { chunkOfUs, isMonthChunked, nextChunk, previousChunk } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { CkvdError } from '../../errors.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs } from '../../model/utc-day.ts'
import type { Found } from './archive-load.ts'
import { loadArchive } from './archive-load.ts'
import type { AcquireContext, ArchiveRef, ArchiveTask } from '../archive-task.ts'
import { expectedRange } from '../day.ts'
import type { SeriesLife } from '../life/series-life.ts'

/**
 * A month of `3d`, `1w` or `1M` that falls short in the archive from which it is taken: what that archive has of it, and what the task's
 * other archives have, in their order, until no bar is missing, as if it stood in one. A bar belongs to the month in which it opens,
 * whichever archive it stands in. What cannot be had or believed is left out: its bars are then missing, and REST is asked for them.
 *
 * Undefined when none has a bar. Throws CKVD_ABORTED, errors of the lake and bugs.
 */
export async function gatherMonth(
  task: ArchiveTask,
  month: UtcDay,
  own: Found | undefined,
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<Found | undefined> {
  let gathered = own
  for (const ref of task.others.filter((other) => mayHold(other, month, task))) {
    if (gathered !== undefined && isWhole(task.series, month, gathered, life)) break
    const loaded = await loadArchive(task, ref, [month], life, ctx)
    if (!loaded.ok) continue
    life.saw(loaded.result.lastOpenUs)
    life.sawPhase(loaded.result.phase)
    const chunk = loaded.result.chunks.find(({ day }) => day === month)
    if (chunk === undefined) continue
    const part = { chunk, origin: loaded.origin, packaging: ref.packaging }
    gathered = gathered === undefined ? part : await join(task, month, gathered, part, life, ctx)
  }
  return gathered
}

function isWhole(series: Series, month: UtcDay, { chunk }: Found, life: SeriesLife): boolean {
  const columns = shardRows<Columns>(series, chunk.shard)
  return findMissing(series, columns, expectedRange(series, month, life.bounds, columns)).length === 0
}

/** Two parts of a month as one; of what both have, the first one's stays. */
async function join(
  { series }: ArchiveTask,
  month: UtcDay,
  first: Found,
  second: Found,
  { bounds }: SeriesLife,
  { pool }: AcquireContext,
): Promise<Found> {
  const { joinChunk } = await import('../../codec/decode-archive.ts')
  const { origin, packaging } = first
  const sources = [...new Set([...(first.sources ?? [`vision-${packaging}`]), `vision-${second.packaging}`])]
  const chunk = joinChunk({
    series,
    day: month,
    parts: [first, second].map(({ chunk: { shard } }) => shardRows<Columns>(series, shard)),
    archive: { key: origin.key, etag: origin.etag, sha256: origin.sha256 ?? '', packaging, period: month },
    sources,
    seriesStartUs: bounds.startUs,
    seriesEndUs: bounds.endUs,
  })
  if (chunk === undefined) throw new CkvdError('CKVD_BUG', `no rows of ${seriesLabel(series)} ${month} in two archives that have some`)
  const conflictNote = [first.chunk.conflictNote, `with bars of ${second.origin.key}`, chunk.conflictNote].filter((text) => text !== '')
  for (const { chunk: part } of [first, second]) pool.reuse(part.shard)
  return { chunk: { ...chunk, conflictNote: conflictNote.join('; ') }, origin, packaging, sources }
}

/** True of archives that touch the month or one beside it: the plan has put no other ones beside these months. */
function mayHold({ packaging, firstDay }: ArchiveRef, month: UtcDay, { series }: ArchiveTask): boolean {
  const [before, after] = [previousChunk(month, series), nextChunk(month, series)]
  if (packaging === 'monthly') return firstDay >= before && firstDay <= after
  return firstDay >= month && firstDay < nextChunk(after, series)
}

/**
 * Where a series begins whose first archive is that of a day without a bar: at the first bar that the other archives of its first month
 * have, us; null without one.
 */
export async function firstOpenOfParts(task: ArchiveTask, life: SeriesLife, ctx: AcquireContext): Promise<number | null> {
  if (!task.startsSeries || !isMonthChunked(task.series)) return null
  const gathered = await gatherMonth(task, ownMonth(task), undefined, life, ctx)
  return gathered?.chunk.firstOpenUs ?? null
}

function ownMonth({ archive, series }: ArchiveTask): UtcDay {
  return chunkOfUs(dayStartUs(archive.firstDay), series)
}

/** What to say of rows that open outside of an archive's period and of which nothing was taken; null: there are none. */
export function strayNote(result: Pick<DecodeResult, 'strays' | 'dropped'>, key: string, taken: readonly UtcDay[]): string | null {
  const strays = result.strays.filter(({ day }) => !taken.includes(day))
  const beside = strays.reduce((sum, { rows }) => sum + rows, 0)
  const words = [
    ...strays.map(({ day, rows }) => `${countRows(rows)} in the chunk ${day}`),
    ...(result.dropped > beside ? [`${countRows(result.dropped - beside)} elsewhere`] : []),
  ]
  return words.length === 0 ? null : `${key}: outside of its period ${words.join(' and ')}`
}

function countRows(rows: number): string {
  return rows === 1 ? '1 row opens' : `${rows} rows open`
}
