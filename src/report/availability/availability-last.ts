import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addDays, countDays } from '../../model/utc-day.ts'
import type { Listing } from '../../sources/vision/listing.ts'

/** A page has 1,000 keys, two for each day. */
const DAYS_A_PAGE = 500
/** Days before the as-of day that the first guess looks at: most series still run, and 60 small keys answer in a moment. */
const GUESS_DAYS = 30

/**
 * The last day, of at most `asOf`, with a daily archive, without reading the pages between: a series that has an archive on `first`.
 *
 * "Is there an archive after day M, up to `asOf`?" is answered by one request with M as marker, and the answer turns from yes to no only
 * once, holes or not. So the first request asks about the last 30 days, and for a series that still runs it is the only one. Otherwise the
 * days since `first` are halved, each request reading a page of 500 days at its half: at most 4 more in 9 years.
 */
export async function fetchLastDay(listing: Listing, series: Series, first: UtcDay, asOf: UtcDay, signal: AbortSignal): Promise<UtcDay> {
  let known = first
  let end = asOf
  let from = later(addDays(first, 1), addDays(asOf, -GUESS_DAYS))
  let maxKeys = 2 * (GUESS_DAYS + 2)
  while (known < end) {
    const page = await listing.fetchArchivesPage(series, 'daily', { from, maxKeys, signal })
    const inside = page.archives.filter(({ firstDay }) => firstDay <= end).at(-1)?.firstDay
    if (inside !== undefined) known = inside
    const wentPast = page.archives.some(({ firstDay }) => firstDay > end)
    if (inside !== undefined && (!page.more || wentPast)) return known
    if (inside === undefined) {
      if (page.archives.length === 0 && page.more) return await readToEnd(listing, series, known, end, signal)
      end = addDays(from, -1)
    }
    const left = countDays(known, end)
    from = left < DAYS_A_PAGE ? addDays(known, 1) : addDays(known, Math.ceil(left / 2))
    maxKeys = 2 * DAYS_A_PAGE
  }
  return known
}

/** A page full of keys that are no archives says nothing of what comes after: then every page is read. */
async function readToEnd(listing: Listing, series: Series, known: UtcDay, end: UtcDay, signal: AbortSignal): Promise<UtcDay> {
  const { archives } = await listing.fetchArchives(series, 'daily', { from: known, to: addDays(end, 1), signal })
  return archives.at(-1)?.firstDay ?? known
}

function later(a: UtcDay, b: UtcDay): UtcDay {
  return a > b ? a : b
}
