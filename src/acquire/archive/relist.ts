import { isFailure } from '../../errors.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { firstDayOf, monthOf } from '../../model/utc-day.ts'
import type { Listing } from '../../sources/vision/listing.ts'
import type { ArchiveRef } from '../archive-task.ts'

/** What the listing says now of an archive; undefined: it is not listed any more, or the listing fails. Throws CKVD_ABORTED and bugs. */
export async function relistArchive(
  listing: Listing,
  series: Series,
  archive: ArchiveRef,
  signal: AbortSignal,
): Promise<ArchiveRef | undefined> {
  try {
    const page = await listing.fetchArchivesPage(series, archive.packaging, { from: archive.firstDay, maxKeys: 4, signal })
    return page.archives.find(({ key }) => key === archive.key)
  } catch (error) {
    if (!isFailure(error)) throw error
    return undefined // what the plan knows of it stays
  }
}

/** The archive of one form that covers a day, as the listing has it now; undefined: none is listed. Throws errors of the listing. */
export async function findListed(
  listing: Listing,
  series: Series,
  packaging: Packaging,
  day: UtcDay,
  signal: AbortSignal,
): Promise<ArchiveRef | undefined> {
  const first = packaging === 'daily' ? day : firstDayOf(monthOf(day))
  const page = await listing.fetchArchivesPage(series, packaging, { from: first, maxKeys: 4, signal })
  return page.archives.find(({ firstDay }) => firstDay === first)
}
