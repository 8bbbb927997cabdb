import { chunkOfUs, chunkRange, isMonthChunked, nextChunk, previousChunk } from '../../dataset/chunk.ts'
import { countExpectedOfNone, isOnGrid } from '../../dataset/expected.ts'
import { isCkvdError } from '../../errors.ts'
import type { DayRow, SeriesRow } from '../../lake/catalog/catalog-rows.ts'
import type { WritableLake } from '../../lake/lake.ts'
import type { LedgerReader } from '../../lake/ledger.ts'
import { chunksInFiles } from '../../lake/orphans.ts'
import { adoptShard } from '../../lake/shards.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayOfUs, dayStartUs, earliestDay, firstDayOf, monthOf } from '../../model/utc-day.ts'
import type { ArchiveEntry } from '../../sources/vision/archive-page.ts'
import type { Listing, SeriesListing } from '../../sources/vision/listing.ts'
import { monthEnd, packagingsOf } from '../../sources/vision/vision-url.ts'
import { unknownSymbol } from '../unknown-symbol.ts'
import type { SeriesListings } from './archive-choice.ts'
import type { PlanScope } from './plan-scope.ts'
import type { SeriesPlan } from './series-plan.ts'
import { holdsSomeMonth } from './archive-choice.ts'
import { isUnborn, knowsFirst } from './known-beginning.ts'
import { findListingStart } from './listing-start.ts'
import { planSeries } from './plan.ts'
import { chunksOf } from './plan-scope.ts'
import { planSettled } from './series-plan.ts'
import { isOpen } from './stored-chunks.ts'

const ALL_FORMS: readonly Packaging[] = ['daily', 'monthly']

/** What planning needs. */
export interface PlannerContext {
  readonly listing: Listing
  readonly scope: PlanScope
  /** null: there is no lake yet */
  readonly catalog: LedgerReader | null
  /** the lake where shards without a row may be adopted into the catalog; null: it must not be touched */
  readonly adoptInto: Pick<WritableLake, 'catalog' | 'shards'> | null
  readonly signal: AbortSignal
}

/**
 * Reads what the listing has of a series' requested days and plans them.
 * Throws CKVD_UNKNOWN_SYMBOL when the listing does not know the series and REST is off, errors of the listing and of the lake.
 */
export async function planListed(given: Series, around: PlannerContext): Promise<SeriesPlan> {
  // of a data set that has no such form the archives that there are
  const hasForm = around.scope.archives === 'auto' || packagingsOf(given).includes(around.scope.archives)
  const ctx: PlannerContext = hasForm ? around : { ...around, scope: { ...around.scope, archives: 'auto' } }
  const { scope, catalog } = ctx
  const known = catalog?.getSeries(given)
  // the phase of its bars decides when a month has closed, and where bars are missing
  const series = known?.phase == null ? given : { ...given, phase: known.phase }
  const settled = catalog === null ? undefined : findSettled(series, scope, known, catalog)
  if (settled !== undefined && catalog !== null) return planSettled(series, scope, known, settled, catalog.lastDayWithBars(series))
  const rows = new Map((catalog?.readDays(series, startOfRows(series, scope), scope.end) ?? []).map((row) => [row.day, row]))
  if (ctx.adoptInto !== null && !scope.force) await adoptOrphans(series, rows, scope, ctx.adoptInto)
  const from = findListingStart(series, scope, known, rows)
  const lastStored = catalog?.lastDayWithBars(series) ?? null
  if (from === null)
    return planSeries(series, scope, { daily: [], monthly: [], more: false, firstDay: null, firstForms: null }, known, rows, lastStored)
  const listings = await fetchListings(series, from === 'beginning' ? null : from, known, ctx, rows)
  if (listings.firstDay === null && known?.firstDay == null && !scope.rest) throw unknownSymbol(series, false)
  return planSeries(series, scope, listings, known, rows, lastStored)
}

/**
 * The requested chunks, where the catalog says of all of them at once that they are settled: a run with nothing new makes no row of any.
 * Undefined: one is not, or it takes more than counting to tell.
 */
function findSettled(
  series: Series,
  scope: PlanScope,
  known: SeriesRow | undefined,
  catalog: LedgerReader,
): { first: UtcDay; last: UtcDay; count: number } | undefined {
  const start = scope.start ?? (knowsFirst(known, scope.archives) ? (known?.firstDay ?? null) : null)
  const isAsked = scope.force || scope.refresh || scope.retryFailed
  if (start === null || isAsked || isMonthChunked(series) || !isOnGrid(series)) return undefined
  let last: UtcDay | undefined
  let count = 0
  for (const day of chunksOf(series, start, scope)) {
    last = day
    count++
  }
  if (last === undefined) return undefined
  const bars = countExpectedOfNone(series, chunkRange(start, series))
  return catalog.countSettled(series, start, nextChunk(last, series), bars) === count ? { first: start, last, count } : undefined
}

function startOfRows(series: Series, scope: PlanScope): UtcDay | undefined {
  return scope.start === null ? undefined : chunkOfUs(dayStartUs(scope.start), series)
}

/** Shards that lie under their final names but are not in the catalog: a run was killed between rename and transaction. */
async function adoptOrphans(
  series: Series,
  rows: Map<UtcDay, DayRow>,
  scope: PlanScope,
  { catalog, shards }: NonNullable<PlannerContext['adoptInto']>,
): Promise<void> {
  const first = startOfRows(series, scope)
  const isWanted = (day: UtcDay): boolean => day < scope.end && (first === undefined || day >= first) && !rows.has(day)
  for await (const day of chunksInFiles(shards, series, isWanted)) {
    // a damaged shard is not adopted: its chunk is fetched, and the file replaced
    const adopted = await adoptShard(shards, series, day).catch((error: unknown) => {
      if (isCkvdError(error, 'CKVD_SHARD_FORMAT', 'CKVD_SHARD_DIGEST')) return undefined
      throw error
    })
    if (adopted === undefined) continue
    await catalog.commit([adopted])
    rows.set(day, adopted.row)
  }
}

/** The first archive of one form, which was asked for. */
interface FirstOfForm {
  readonly packaging: Packaging
  readonly first: Promise<ArchiveEntry | undefined>
}

/** The archives of a series in a scope, from `from` on (null: from the first one). */
export async function fetchListings(
  series: Series,
  from: UtcDay | null,
  known: SeriesRow | undefined,
  ctx: PlannerContext,
  rows: ReadonlyMap<UtcDay, DayRow> = new Map(),
): Promise<SeriesListings> {
  const { scope, signal, listing } = ctx
  const askFirst = (packaging: Packaging): FirstOfForm => ({ packaging, first: listing.fetchFirstArchive(series, packaging, signal) })
  const isMonthly = isMonthChunked(series)
  const packagings = packagingsOf(series).filter(
    (packaging) =>
      packaging === 'daily' || isMonthly || scope.archives === 'monthly' || (scope.archives === 'auto' && holdsSomeMonth(scope, from)),
  )
  // where the series begins is asked together with its pages, where they cannot show it
  const early = from !== null && known?.firstDay == null ? packagings.map((packaging) => askFirst(packaging)) : []
  // awaited below; an error of the pages comes first
  for (const { first } of early) first.catch(() => undefined)
  const none: SeriesListing = { archives: [], more: false }
  const range = listedRange(series, from, scope.end)
  const read = (packaging: 'daily' | 'monthly'): Promise<SeriesListing> =>
    packagings.includes(packaging) ? listing.fetchArchives(series, packaging, { ...range, signal }) : Promise.resolve(none)
  const readMonthsFirst = async (): Promise<[SeriesListing, SeriesListing]> => {
    const months = await read('monthly')
    return [lacksMonth(series, months, from, scope) ? await read('daily') : none, months]
  }
  const [daily, months] = isMonthly ? await readMonthsFirst() : await Promise.all([read('daily'), read('monthly')])
  const lacking =
    scope.archives === 'auto' && !packagings.includes('monthly') && from !== null
      ? firstLacking(series, daily, from, { known, rows, scope })
      : undefined
  const monthly = lacking === undefined ? months : await listing.fetchArchives(series, 'monthly', { from: lacking, to: range.to, signal })
  const asked = lacking === undefined ? packagings : ALL_FORMS
  const listed = firstOf(daily.archives[0], monthly.archives[0])
  const more = daily.more || monthly.more
  // of a range that ends before the first archive the listing shows none
  const isShown = from === null && (listed !== null || !more)
  const start = from === null ? null : chunkOfUs(dayStartUs(from), series)
  const mayBegin = start !== null && (listed === null ? !more : listed > start) && (known?.firstDay == null || known.firstDay > start)
  const firsts =
    !isShown && (known?.firstDay == null || (mayBegin && !knowsFirst(known, scope.archives)))
      ? await Promise.all(asked.map((packaging) => (early.find((one) => one.packaging === packaging) ?? askFirst(packaging)).first))
      : null
  const isWhole =
    start === null ? listed !== null : mayBegin && firsts?.every((first) => first === undefined || first.firstDay >= start) === true
  return {
    daily: daily.archives,
    monthly: monthly.archives,
    more,
    // a page that does not show what another one has shown takes nothing away
    firstDay: [listed, firsts === null ? null : firstOf(...firsts), known?.firstDay ?? null].reduce(earliestDay),
    firstForms: !isWhole ? null : asked.includes('monthly') ? 'both' : 'daily',
  }
}

/**
 * The part of the listing that is read. Of bars longer than a day a chunk is a month, whose bars may stand in the archives beside it, too:
 * what is made of it must not depend on the days at which a range begins and ends.
 */
function listedRange(series: Series, from: UtcDay | null, end: UtcDay): { from: UtcDay | undefined; to: UtcDay } {
  if (!isMonthChunked(series)) return { from: from ?? undefined, to: end }
  const last = chunkOfUs(dayStartUs(end) - 1, series)
  return {
    from: from === null ? undefined : previousChunk(chunkOfUs(dayStartUs(from), series), series),
    to: nextChunk(nextChunk(last, series), series),
  }
}

/**
 * The first day from `from` on of which no bar is stored, nor why there is none, and no archive is listed, in a month that is over: that
 * month's own archive may have it. What lies before the series' first bar or after its end, as far as they are known, lacks nothing.
 */
function firstLacking(
  series: Series,
  daily: SeriesListing,
  from: UtcDay,
  lake: { readonly known: SeriesRow | undefined; readonly rows: ReadonlyMap<UtcDay, DayRow>; readonly scope: PlanScope },
): UtcDay | undefined {
  const { known, rows, scope } = lake
  const listed = new Set(daily.archives.map(({ firstDay }) => firstDay))
  const today = dayOfUs(scope.nowUs)
  const last = daily.archives.at(-1)?.firstDay ?? null
  for (const day of chunksOf(series, from, scope)) {
    // after the last archive only REST can say that a series has ended: without it such days are told as missing
    if (!scope.rest && last !== null && day > last) return undefined
    const isAlive = !isUnborn(series, day, known, scope) && dayStartUs(day) < (known?.endedUs ?? Infinity)
    if (isAlive && !listed.has(day) && isOpen(rows.get(day)) && monthEnd(firstDayOf(monthOf(day))) <= today) return day
  }
  return undefined
}

/**
 * True when archives of days may have what those of months have not: a closed month, or of futures, some of which have archives of days,
 * what a month's archive lacks, too.
 */
function lacksMonth(series: Series, { archives }: SeriesListing, from: UtcDay | null, scope: PlanScope): boolean {
  const start = from ?? archives[0]?.firstDay
  if (start === undefined || series.market !== 'spot') return true
  const months = new Set(archives.map(({ firstDay }) => firstDay))
  for (const month of chunksOf(series, start, scope)) if (!months.has(month)) return true
  return false
}

/** First day of a series by its first archives: of one month, the first daily archive tells it better. */
function firstOf(...entries: readonly (ArchiveEntry | undefined)[]): UtcDay | null {
  const daily = entries.find((entry) => entry?.packaging === 'daily')?.firstDay ?? null
  const monthly = entries.find((entry) => entry?.packaging === 'monthly')?.firstDay ?? null
  if (daily === null || monthly === null) return daily ?? monthly
  return daily < monthEnd(monthly) ? daily : monthly
}
