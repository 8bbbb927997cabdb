import { chunkEndUs, chunkRange, consecutive, isMonthChunked } from '../../dataset/chunk.ts'
import { firstSlotUs, gridOf, slotStartUs } from '../../model/interval.ts'
import { strengthOf } from '../../dataset/expected.ts'
import { rowWord } from '../../dataset/told.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import type { Found } from './archive-load.ts'
import { compareDays, loadArchive, loadOther } from './archive-load.ts'
import type { AcquireContext, ArchiveTask } from '../archive-task.ts'
import { completeDay, joinNotes } from './complete-day.ts'
import type { AcquiredDay } from '../day.ts'
import { acquireWithout } from './release.ts'
import { acquireBare } from '../rest/rest-days.ts'
import { firstOpenOfParts, gatherMonth, strayNote } from './neighbour-archives.ts'
import type { SeriesLife } from '../life/series-life.ts'

/**
 * Fetches, verifies and decodes an archive, completes what falls short from the other form and from REST, and gives
 * each wanted chunk its condition. Chunks before the series' first bar are left out (they are `unlisted`).
 *
 * Archive and network errors become conditions (`quarantined`, `failed`); throws CKVD_ABORTED, errors of the lake and bugs.
 */
export async function acquireArchive(task: ArchiveTask, life: SeriesLife, ctx: AcquireContext): Promise<readonly AcquiredDay[]> {
  const primary = await loadArchive(task, task.archive, task.days, life, ctx)
  if (!primary.ok) return acquireWithout(task, primary.error, primary.fetched, life, ctx)
  const { result, origin } = primary
  life.saw(result.lastOpenUs)
  life.sawPhase(result.phase)
  await learnBeginning(task, result.firstOpenUs ?? (await firstOpenOfParts(task, life, ctx)), life)
  const chunks = new Map(result.chunks.map((chunk) => [chunk.day, chunk]))
  const absent = new Set(result.absentDays)
  const days: AcquiredDay[] = []
  const bare: UtcDay[] = []
  const compared = await compareDays(task, chunks, task.compare, life, ctx)
  const rest = task.days.filter((day) => !task.compare.includes(day))
  const monthDiffers = [...compared.values()].some(({ differing }) => differing > 0)
  if (monthDiffers) for (const [day, comparison] of await compareDays(task, chunks, rest, life, ctx)) compared.set(day, comparison)
  let stray = strayNote(result, task.archive.key, task.days)
  for (const day of task.days) {
    const chunk = chunks.get(day)
    const isUnborn = chunkEndUs(day, task.series) <= (life.bounds.startUs ?? 0)
    if (chunk === undefined && (!absent.has(day) || isUnborn || day === task.guess)) continue
    const comparison = compared.get(day)
    const found: Found[] = chunk === undefined ? [] : [{ chunk, origin, packaging: task.archive.packaging }]
    if (comparison !== undefined) {
      if (comparison.differing > 0 && comparison.daily !== null) found.unshift(comparison.daily)
    } else if (chunk?.condition !== 'complete' && isMonthChunked(task.series)) {
      const gathered = await gatherMonth(task, day, found.pop(), life, ctx)
      if (gathered !== undefined) found.push(gathered)
    } else if (chunk?.condition !== 'complete' && task.archive.packaging === 'monthly') {
      const other = await loadOther(task, day, life, ctx)
      if (other !== null) found.unshift(other)
    }
    if (found.length === 0) bare.push(day)
    else {
      days.push(await completeDay(task, day, found, life, joinNotes(stray, comparison?.note ?? '', strengthOf(task.series)), ctx))
      stray = null
    }
  }
  for (const run of consecutive(bare, task.series))
    days.push(...(await acquireBare(task, run, life, `no ${rowWord(task.series)} of this day is in ${task.archive.key}`, ctx)))
  return days.sort((a, b) => (a.day < b.day ? -1 : 1))
}

/**
 * The first archive of a series may be cut in front: unless its first bar opens with its first day, it is asked where the series begins.
 * @param firstOpenUs its first bar, us; null: it has none
 */
async function learnBeginning(task: ArchiveTask, firstOpenUs: number | null, life: SeriesLife): Promise<void> {
  const first = task.days.find((day) => day !== task.guess)
  if (!task.startsSeries || first === undefined) return
  const grid = gridOf(task.series)
  const { startUs } = chunkRange(first, task.series)
  // a bar that opens in the chunk before opens in the middle of that
  if (firstOpenUs !== null && firstOpenUs >= startUs && slotStartUs(firstOpenUs, grid) <= firstSlotUs(startUs, grid)) return
  await life.begin(firstOpenUs)
}
