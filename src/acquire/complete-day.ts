import { decodeShard } from '../codec/arrow.ts'
import { CkvdError } from '../errors.ts'
import type { Gap } from '../model/gaps.ts'
import { findGaps } from '../model/gaps.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { Series } from '../model/series.ts'
import { chunkRange, seriesLabel } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { Found } from './archive-load.ts'
import type { AcquireContext, ArchiveTask } from './archive-task.ts'
import type { AcquiredDay, SeriesBounds } from './reconcile.ts'
import { buildDay, expectedRange, lastSlotEndUs, mergeRows, rowsWithin } from './reconcile.ts'
import type { RestAnswer } from './stretch.ts'
import { askRest, askRestAndSilence, explainGap } from './stretch.ts'

/** Joins what the archives have of a chunk (the first one is preferred), asks REST for the holes, and builds the chunk. */
export async function completeDay(
  task: ArchiveTask,
  day: UtcDay,
  found: readonly Found[],
  bounds: SeriesBounds,
  note: string | null,
  ctx: AcquireContext,
): Promise<AcquiredDay> {
  const { series } = task
  const [best, ...others] = found
  if (best === undefined) throw new CkvdError('CKVD_BUG', `no rows of ${seriesLabel(series)} ${day} to complete`)
  if (best.chunk.condition === 'complete' && others.length === 0) return wholeDay(best, note)
  let columns = decodeShard(best.chunk.shard).columns
  const sources = [`vision-${best.packaging}`]
  let differing = 0
  for (const { chunk, packaging } of others) {
    const merge = mergeRows(columns, decodeShard(chunk.shard).columns, series)
    columns = merge.columns
    differing += merge.differing + merge.added
    if (merge.added > 0) sources.push(`vision-${packaging}`)
  }
  const gaps = findGaps(columns.openTime, expectedRange(series, day, bounds), series.interval)
  const mayEnd = task.mayEnd && day === task.days.at(-1) && (gaps.at(-1)?.endUs ?? 0) >= chunkRange(day, series.interval).endUs
  const { answer, silent } = await askForGaps(series, gaps, mayEnd, ctx)
  if (answer.kind === 'asked') {
    const merge = mergeRows(columns, rowsWithin(answer.rows, chunkRange(day, series.interval)), series)
    columns = merge.columns
    differing += merge.differing
    if (merge.added > 0) sources.push('rest')
  }
  const built = await buildDay({
    series,
    day,
    columns,
    bounds: endBounds({ ...task, bounds, endsSeries: task.endsSeries || silent }, day, columns, answer),
    sources,
    archive: best.origin,
    duplicates: best.chunk.duplicates,
    conflicts: best.chunk.conflicts,
    differing,
    restStretches: answer.kind === 'asked' ? gaps : [],
    evidence: joinNotes(note, best.chunk.conflictNote),
    error: null,
    explain: (gap) => explainGap(gap, answer, series),
  })
  // the chunk has a shard of its own now
  for (const { chunk } of found) ctx.pool.reuse(chunk.shard)
  return built
}

/** Where the series may have ended in the chunk, the same request tells that too. */
async function askForGaps(
  series: Series,
  gaps: readonly Gap[],
  mayEnd: boolean,
  { rest, signal }: AcquireContext,
): Promise<{ answer: RestAnswer; silent: boolean }> {
  if (gaps.length === 0) return { answer: { kind: 'silent', reason: '', passing: false }, silent: false }
  if (mayEnd) return askRestAndSilence(series, gaps, rest, signal)
  return { answer: await askRest(series, gaps, rest, signal), silent: false }
}

/** A chunk to which nothing needs to be added: the worker's shard is stored as it is. */
function wholeDay({ chunk, origin, packaging }: Found, note: string | null): AcquiredDay {
  const { day, shard, shardSha256, rows, expected, offGrid, duplicates, oddClose, oddRows, conflicts } = chunk
  return {
    day,
    condition: 'complete',
    shard,
    shardSha256,
    source: `vision-${packaging}`,
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
    evidence: joinNotes(note, chunk.conflictNote),
    error: null,
  }
}

/** Where the series has ended and REST has no later bar, nothing is expected after the last one. */
export function endBounds(
  task: { series: Series; bounds: SeriesBounds; endsSeries: boolean; days: readonly UtcDay[] },
  day: UtcDay,
  columns: KlineColumns,
  answer: RestAnswer,
): SeriesBounds {
  if (!task.endsSeries || answer.kind !== 'asked') return task.bounds
  if (day !== task.days.at(-1)) return task.bounds
  const endUs = lastSlotEndUs(columns, task.series)
  return endUs === null ? task.bounds : { ...task.bounds, endUs }
}

function joinNotes(note: string | null, conflictNote: string): string | null {
  const notes = [note, conflictNote === '' ? null : conflictNote].filter((text) => text !== null)
  return notes.length === 0 ? null : notes.join('; ')
}
