import { datasetOf } from '../../dataset/registry.ts'
import { symbolFolder } from '../../dataset/names.ts'
import type { Interval } from '../../model/interval.ts'
import { gridOf, INTERVALS, nestsIn, nextSlotUs, parseInterval, slotStartUs } from '../../model/interval.ts'
import type { Series } from '../../model/series.ts'
import { dayOfUs, firstDayOf, monthOf } from '../../model/utc-day.ts'
import type { Listing } from '../../sources/vision/listing.ts'
import { packagingsOf } from '../../sources/vision/vision-url.ts'
import { isFactOfArchive, loadArchive } from './archive-load.ts'
import type { AcquireContext } from '../archive-task.ts'
import type { ArchivesOf, SeriesLife } from '../life/series-life.ts'

/** The intervals that the listing has for a symbol, shortest first. Throws errors of the listing. */
export async function fetchListedIntervals(
  symbol: Pick<Series, 'dataset' | 'market' | 'symbol'>,
  listing: Listing,
  signal: AbortSignal,
): Promise<Interval[]> {
  const found = new Set<Interval>()
  for (const packaging of ['daily', 'monthly'] as const) {
    const folder = symbolFolder(symbol, packaging)
    for (const name of await listing.fetchFolders(folder, signal)) {
      const interval = parseInterval(name)
      if (interval !== undefined && packagingsOf({ interval }).includes(packaging)) found.add(interval)
    }
  }
  return INTERVALS.filter((interval) => found.has(interval))
}

/**
 * Where a symbol begins by its archives alone, us: the earliest bar in the first archives, daily and monthly, of every interval that is
 * listed, or of the series' own. `heldUs` is the first bar of the series' own. A longer bar opens before the symbol began in it: it tells
 * of an earlier beginning only where it is over before the first one that is known. Throws errors of the listing, and of archives that
 * could not be had; of those that were had and are not believed only where they are all that is asked.
 */
export async function earliestInArchives(
  series: Series,
  heldUs: number,
  of: ArchivesOf,
  life: SeriesLife,
  ctx: AcquireContext,
): Promise<number> {
  let earliest = heldUs
  const { dataset, market, symbol } = series
  const isAll = of === 'symbol' && datasetOf(series).hasInterval
  const intervals = isAll ? await fetchListedIntervals(series, ctx.listing, ctx.signal) : [series.interval]
  for (const interval of intervals) {
    const own = { dataset, market, symbol, interval }
    for (const packaging of packagingsOf(own)) {
      const archive = await ctx.listing.fetchFirstArchive(own, packaging, ctx.signal)
      if (archive === undefined || archive.firstDay > dayOfUs(earliest)) continue
      const task = { series: own, archive, days: [], guess: null, startsSeries: false, others: [], compare: [] }
      const loaded = await loadArchive(task, archive, [], life, ctx)
      if (!loaded.ok && (of === 'series' || !isFactOfArchive(loaded.error))) throw loaded.error
      const first = loaded.ok ? loaded.result.firstOpenUs : null
      if (first === null) continue
      const grid = gridOf(own)
      const isPart = interval === series.interval || nestsIn(interval, series.interval)
      if (isPart || nextSlotUs(slotStartUs(first, grid), grid) <= earliest) earliest = Math.min(earliest, first)
    }
  }
  return earliest
}

/**
 * Where a series ends by its archives of either form, us: the last bar of the last ones that are listed, at least `heldUs`, its last bar as
 * far as it is known. Throws errors of the listing, and of archives that could not be read.
 */
export async function latestInArchives(series: Series, heldUs: number, life: SeriesLife, ctx: AcquireContext): Promise<number> {
  let latest = heldUs
  const day = dayOfUs(heldUs)
  for (const packaging of packagingsOf(series)) {
    const from = packaging === 'daily' ? day : firstDayOf(monthOf(day))
    const { archives } = await ctx.listing.fetchArchives(series, packaging, { from, signal: ctx.signal })
    const archive = archives.at(-1)
    if (archive === undefined) continue
    const task = { series, archive, days: [], guess: null, startsSeries: false, others: [], compare: [] }
    const loaded = await loadArchive(task, archive, [], life, ctx)
    if (!loaded.ok) throw loaded.error
    latest = Math.max(latest, loaded.result.lastOpenUs ?? latest)
  }
  return latest
}
