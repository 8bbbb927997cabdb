import { chunkEndUs } from '../model/interval.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { Found } from './archive-load.ts'
import { compareDays, loadArchive, loadOther } from './archive-load.ts'
import type { AcquireContext, ArchiveTask } from './archive-task.ts'
import { boundsFromBirth } from './birth.ts'
import { completeDay } from './complete-day.ts'
import type { AcquiredDay, SeriesBounds } from './reconcile.ts'
import { acquireWithout } from './release.ts'
import { acquireBare, consecutive } from './rest-days.ts'

/** What an archive gave. */
export interface AcquiredArchive {
  /** in order */
  readonly days: readonly AcquiredDay[]
  /** open time of the series' first bar, us, where this archive tells it */
  readonly startUs: number | null
}

/**
 * Fetches, verifies and decodes an archive, completes what falls short from the other form and from REST, and gives
 * each wanted chunk its condition. Chunks before the series' first bar are left out (they are `unlisted`).
 *
 * Archive and network errors become conditions (`quarantined`, `failed`); throws CKVD_ABORTED, errors of the lake and bugs.
 */
export async function acquireArchive(task: ArchiveTask, ctx: AcquireContext): Promise<AcquiredArchive> {
  const primary = await loadArchive(task, task.archive, task.days, ctx)
  if (!primary.ok) return { days: await acquireWithout(task, primary.error, primary.fetched, ctx), startUs: null }
  const bounds = await boundsOf(task, primary.result.firstOpenUs, ctx)
  const chunks = new Map(primary.result.chunks.map((chunk) => [chunk.day, chunk]))
  const absent = new Set(primary.result.absentDays)
  const days: AcquiredDay[] = []
  const bare: UtcDay[] = []
  const compared = await compareDays(task, chunks, task.compare, bounds, ctx)
  const rest = task.days.filter((day) => !task.compare.includes(day))
  const monthDiffers = [...compared.values()].some(({ differing }) => differing > 0)
  if (monthDiffers) for (const [day, comparison] of await compareDays(task, chunks, rest, bounds, ctx)) compared.set(day, comparison)
  for (const day of task.days) {
    const chunk = chunks.get(day)
    if (chunk === undefined && (!absent.has(day) || chunkEndUs(day, task.series.interval) <= (bounds.startUs ?? 0))) continue
    const comparison = compared.get(day)
    const found: Found[] = chunk === undefined ? [] : [{ chunk, origin: primary.origin, packaging: task.archive.packaging }]
    if (comparison !== undefined) {
      if (comparison.differing > 0 && comparison.daily !== null) found.unshift(comparison.daily)
    } else if (chunk?.condition !== 'complete' && task.archive.packaging === 'monthly') {
      const other = await loadOther(task, day, bounds, ctx)
      if (other !== null) found.unshift(other)
    }
    if (found.length === 0) bare.push(day)
    else days.push(await completeDay(task, day, found, bounds, comparison?.note ?? null, ctx))
  }
  for (const run of consecutive(bare, task.series))
    days.push(...(await acquireBare(task, run, bounds, `no bar of this day is in ${task.archive.key}`, ctx)))
  return { days: days.sort((a, b) => (a.day < b.day ? -1 : 1)), startUs: task.startsSeries ? bounds.startUs : null }
}

/** The first archive of a series tells by its first row where the series begins; where it has no row, REST must. */
async function boundsOf(task: ArchiveTask, firstOpenUs: number | null, ctx: AcquireContext): Promise<SeriesBounds> {
  if (!task.startsSeries || task.bounds.startUs !== null) return task.bounds
  return firstOpenUs === null ? await boundsFromBirth(task, ctx) : { ...task.bounds, startUs: firstOpenUs }
}
