import PQueue from 'p-queue'
import type { Dataset } from '../../dataset/dataset.ts'
import { symbolFolder } from '../../dataset/names.ts'
import { named } from '../../dataset/registry.ts'
import { abortError, CkvdError, isCkvdError, toCkvdError } from '../../errors.ts'
import type { Interval } from '../../model/interval.ts'
import { INTERVALS, intervalPathName, parseInterval } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import { isSymbol } from '../../model/market.ts'
import type { Packaging, Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addDays } from '../../model/utc-day.ts'
import type { ArchiveEntry } from '../../sources/vision/archive-page.ts'
import type { Listing } from '../../sources/vision/listing.ts'
import { monthEnd } from '../../sources/vision/vision-url.ts'
import type { AvailabilityCache, CacheNeed } from './availability-cache.ts'
import { fetchLastDay } from './availability-last.ts'
import type { ListedDays, SymbolListing } from './availability.ts'
import { mergeRanges } from '../day-ranges.ts'

/** What is listed, and how. */
export interface ScanOptions {
  /** a market that has it not is left out */
  readonly dataset: Dataset
  readonly markets: readonly Market[]
  readonly archives: Packaging
  /** as-of day, whether every day is needed, and how old a cached listing may be */
  readonly need: CacheNeed
  /** symbols that are listed at once */
  readonly concurrency: number
  /** clock, epoch ms: when a listing was read */
  readonly clockMs: () => number
  readonly signal: AbortSignal
  readonly onProgress?: (done: number, total: number, problems: number) => void
}

/** A symbol, or a whole market, that could not be listed. */
export interface ScanProblem {
  readonly market: Market
  /** null: all symbols of the market */
  readonly symbol: string | null
  readonly error: CkvdError
}

/** Everything that was listed. */
export interface Scan {
  readonly symbols: readonly SymbolListing[]
  readonly problems: readonly ScanProblem[]
  /** how many symbols came from the cache */
  readonly cached: number
}

/**
 * Lists the symbols of a data set in each market, their intervals, and the days of one interval of each (`1m`, else the shortest).
 *
 * Requests: one a market for each 1,000 symbols, one a symbol for its intervals; then, where first and last day are enough, two small ones
 * (see `fetchLastDay`), otherwise one for each 500 days. An error fails its symbol alone; a list of symbols that is empty or none fails its market (a
 * shortened list would be a silent hole). Throws when no market could be listed, when the server refuses this address, and CKVD_UNREACHABLE when symbol after symbol cannot be
 * reached; what was listed until then stays in the cache.
 */
export async function fetchAvailability(listing: Listing, cache: AvailabilityCache, options: ScanOptions): Promise<Scan> {
  const { names, problems } = await fetchSymbols(listing, options)
  const symbols: SymbolListing[] = []
  let cached = 0
  let failedInARow = 0
  let fatal: CkvdError | undefined
  const inside = new AbortController()
  const signal = AbortSignal.any([options.signal, inside.signal])
  const queue = new PQueue({ concurrency: options.concurrency })
  const listOne = async (market: Market, symbol: string): Promise<void> => {
    const known = cache.get({ ...named(options.dataset), market, symbol, archives: options.archives }, options.need)
    if (known !== undefined) cached++
    const found = known ?? (await fetchSymbol(listing, { market, symbol }, { ...options, signal }))
    if (known === undefined) cache.put(found, options.archives, options.clockMs())
    symbols.push(found)
    failedInARow = 0
  }
  for (const { market, symbol } of names) {
    await queue.onSizeLessThan(options.concurrency)
    if (signal.aborted) break
    void queue.add(async () => {
      if (signal.aborted) return
      try {
        await listOne(market, symbol)
      } catch (error) {
        if (signal.aborted) return
        if (isSymbolError(error)) problems.push({ market, symbol, error })
        if (!isSymbolError(error) || ++failedInARow > options.concurrency) {
          fatal = isSymbolError(error) ? unreachable(error, failedInARow) : toCkvdError(error)
          inside.abort(error)
        }
      }
      options.onProgress?.(symbols.length + problems.length, names.length, problems.length)
    })
  }
  await queue.onIdle()
  if (options.signal.aborted) throw abortError(options.signal)
  if (fatal !== undefined) throw fatal
  return { symbols, problems, cached }
}

interface SymbolNames {
  readonly names: readonly { readonly market: Market; readonly symbol: string }[]
  /** markets whose symbols could not be listed */
  readonly problems: ScanProblem[]
}

async function fetchSymbols(listing: Listing, options: ScanOptions): Promise<SymbolNames> {
  const lists = await Promise.all(
    options.markets
      .filter((market) => options.dataset.markets.includes(market))
      .map(async (market) => {
        try {
          return { market, symbols: await fetchMarketSymbols(listing, market, options) }
        } catch (error) {
          if (!isCkvdError(error) || error.about !== 'listing') throw error
          return { market, symbols: [], error }
        }
      }),
  )
  const problems = lists.flatMap(({ market, error }) => (error === undefined ? [] : [{ market, symbol: null, error }]))
  const [first] = problems
  if (first !== undefined && problems.length === lists.length) throw first.error
  return { names: lists.flatMap(({ market, symbols }) => symbols.map((symbol) => ({ market, symbol }))), problems }
}

async function fetchMarketSymbols(listing: Listing, market: Market, { dataset, archives, signal }: ScanOptions): Promise<string[]> {
  const prefix = marketFolder(dataset, market, archives)
  const symbols = await listing.fetchFolders(prefix, signal)
  // what answers with an empty list is another bucket, or is not whole: an empty report would look like a market that has ended
  if (symbols.length === 0) {
    throw new CkvdError('CKVD_LISTING', `Expected symbols of ${market} below ${prefix}, the listing has none. Check --listing-url.`, {
      details: { prefix },
    })
  }
  return symbols
}

async function fetchSymbol(
  listing: Listing,
  { market, symbol }: { market: Market; symbol: string },
  options: ScanOptions,
): Promise<SymbolListing> {
  const { dataset, archives, need, signal } = options
  if (!isSymbol(symbol)) {
    throw new CkvdError(
      'CKVD_LISTING',
      `Expected a symbol of letters, digits, _ and -, the listing of ${market} has ${JSON.stringify(symbol)}.`,
      {
        details: { market, found: symbol },
      },
    )
  }
  const of = named(dataset)
  const names = dataset.hasInterval ? await listing.fetchFolders(`${marketFolder(dataset, market, archives)}${symbol}/`, signal) : []
  const intervals = names.filter((name) => name !== '1M' && parseInterval(name) !== undefined).sort()
  const interval = dataset.hasInterval ? referenceInterval(intervals) : dataset.grid
  if (interval === undefined) return { ...of, market, symbol, intervals, interval: null, days: { kind: 'all', ranges: [] } }
  const series: Series = { ...of, market, symbol, interval }
  const all = need.allDays || archives === 'monthly' // all months of a series fit into one page
  const days = all ? await fetchAllDays(listing, series, archives, signal) : await fetchEnds(listing, series, need.asOf, signal)
  return { ...of, market, symbol, intervals, interval: dataset.hasInterval ? intervalPathName(interval) : null, days }
}

/** Archives of all intervals begin and end together, so one is enough; `1m` is the one that is ingested first. */
function referenceInterval(names: readonly string[]): Interval | undefined {
  const listed = INTERVALS.filter((interval) => names.includes(intervalPathName(interval)))
  return listed.includes('1m') ? '1m' : listed[0]
}

async function fetchAllDays(listing: Listing, series: Series, packaging: Packaging, signal: AbortSignal): Promise<ListedDays> {
  const { archives } = await listing.fetchArchives(series, packaging, { signal })
  const ranges = archives.map(({ firstDay }) => ({
    start: firstDay,
    end: packaging === 'daily' ? addDays(firstDay, 1) : monthEnd(firstDay),
  }))
  return { kind: 'all', ranges: mergeRanges(ranges) }
}

async function fetchEnds(listing: Listing, series: Series, asOf: UtcDay, signal: AbortSignal): Promise<ListedDays> {
  const first = (await fetchFirst(listing, series, signal))?.firstDay ?? null
  if (first === null || first > asOf) return { kind: 'ends', asOf, first: null, last: null }
  return { kind: 'ends', asOf, first, last: await fetchLastDay(listing, series, first, asOf, signal) }
}

/** A page of few keys is enough, unless they are no archives. */
async function fetchFirst(listing: Listing, series: Series, signal: AbortSignal): Promise<ArchiveEntry | undefined> {
  return (
    (await listing.fetchFirstArchive(series, 'daily', signal)) ?? (await listing.fetchArchives(series, 'daily', { signal })).archives[0]
  )
}

function marketFolder(dataset: Dataset, market: Market, packaging: Packaging): string {
  return symbolFolder({ ...named(dataset), market, symbol: 'X' }, packaging).slice(0, -'X/'.length)
}

/** Errors that concern one symbol. A refused address concerns all of them, and so do a full disk, an interrupt and a bug. */
function isSymbolError(error: unknown): error is CkvdError {
  return isCkvdError(error) && error.code !== 'CKVD_FORBIDDEN' && ['network', 'source', 'listing'].includes(error.about)
}

function unreachable(last: CkvdError, count: number): CkvdError {
  return new CkvdError(
    'CKVD_UNREACHABLE',
    `${count} symbols in a row could not be listed, the last one because: ${last.message} Check the network and --listing-url.`,
    {
      details: { count, code: last.code },
      cause: last,
    },
  )
}
