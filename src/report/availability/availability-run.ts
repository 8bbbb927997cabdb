import { join } from 'node:path'
import type { Dataset } from '../../dataset/dataset.ts'
import { KLINES } from '../../dataset/sets/klines.ts'
import { CkvdError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'
import type { Market } from '../../model/market.ts'
import type { Packaging } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { HTTP_DEFAULTS, HttpClient } from '../../sources/http/http.ts'
import { Listing } from '../../sources/vision/listing.ts'
import { AvailabilityCache } from './availability-cache.ts'
import type { ReportFile } from './availability-csv.ts'
import { formatCsvReports, formatDatasetReport, formatUniverse, UNIVERSE_NAME } from './availability-csv.ts'
import { formatAvailabilityPage } from './availability-page.ts'
import type { ScanOptions, ScanProblem } from './availability-scan.ts'
import { fetchAvailability } from './availability-scan.ts'
import type { AsOf, SymbolAvailability } from './availability.ts'
import { findAvailability } from './availability.ts'
import type { Shortlist } from './shortlist.ts'
import { chooseSymbols, findNotListed, isChoosing } from './shortlist.ts'
import { writeReport } from '../report-file.ts'

/** Listings of earlier runs, in the folder of the reports. */
export const CACHE_NAME = '.availability-cache.jsonl'
export const PAGE_NAME = 'availability.html'

export interface AvailabilityOptions extends AsOf {
  readonly listingUrl: string
  readonly datasets: readonly Dataset[]
  /** in the order of reports */
  readonly markets: readonly Market[]
  readonly archives: Packaging
  /** of the symbols that all markets have: `USDT` */
  readonly quote: string
  /** which symbols are told and written as a universe */
  readonly shortlist: Shortlist
  /** reads whole listings, so that days and holes are counted; a page has them always */
  readonly allDays: boolean
  readonly html: boolean
  /** where reports and cache go; absolute */
  readonly out: string
  readonly maxAgeMs: number
  readonly concurrency: number
  readonly maxRetries: number
  /** time of planning, epoch ms */
  readonly nowMs: number
  /** a clock that runs, epoch ms */
  readonly clockMs: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly onProgress?: ScanOptions['onProgress']
  /** told once where this machine's clock and the listing's differ */
  readonly onNote?: (note: string) => void
}

/** A symbol that could not be listed; `symbol` null: the whole market. */
export interface AvailabilityProblem {
  /** as Vision calls it: `klines` */
  readonly dataset: string
  readonly market: Market
  readonly symbol: string | null
  readonly code: ErrorCode
  readonly message: string
}

/** Exactly what `--json` prints. */
export interface AvailabilityResult {
  readonly command: 'availability'
  readonly exit: 0 | 3
  readonly as_of: UtcDay
  readonly recent_days: number
  readonly archives: Packaging
  readonly quote: string
  readonly elapsed_ms: number
  /** sent, retries included */
  readonly requests: { readonly listing: number }
  /** symbols that were taken from listings of an earlier run */
  readonly cached: number
  /** reports that were written, absolute */
  readonly files: readonly string[]
  /** the one of them with the chosen symbols; null where all are told */
  readonly universe: string | null
  /** symbols that were listed, chosen or not */
  readonly listed: number
  /** those that were chosen */
  readonly symbols: readonly SymbolAvailability[]
  /** symbols that were named, and that no market has */
  readonly not_listed: readonly string[]
  readonly problems: readonly AvailabilityProblem[]
}

/** Pages of the listing asked for at once, at most. */
const LISTING_AT_ONCE = 32

/**
 * Lists the markets and writes the reports; a market whose symbols could not be listed has none. Exit 3 when something could not be listed
 * (it is in `problems` and in no report), or when the shortlist names what is not there or chooses nothing.
 * Throws CKVD_USAGE, CKVD_LISTING and the codes of HttpClient (no market could be listed, or not for a reason of its own), CKVD_UNREACHABLE,
 * CKVD_REPORT_IO, CKVD_DISK_FULL, CKVD_ABORTED; reports of an earlier run then stay as they are.
 */
export async function runAvailability(options: AvailabilityOptions): Promise<AvailabilityResult> {
  const { datasets, asOf, recentDays, archives, markets, quote, shortlist, out, maxRetries, env, signal, clockMs, onProgress } = options
  checkAsOf(asOf, options.nowMs)
  const startedMs = performance.now()
  const concurrency = Math.min(LISTING_AT_ONCE, options.concurrency)
  await using http = new HttpClient({ ...HTTP_DEFAULTS, connections: concurrency, maxRetries }, env)
  http.clock.onSkew = options.onNote
  const cache = await AvailabilityCache.open(join(out, CACHE_NAME), options.listingUrl)
  try {
    const need = {
      asOf,
      allDays: options.allDays || options.html || shortlist.minDays !== undefined,
      nowMs: options.nowMs,
      maxAgeMs: options.maxAgeMs,
    }
    const found: DatasetAvailability[] = []
    for (const dataset of datasets) {
      const scan = await fetchAvailability(new Listing(http, options.listingUrl), cache, {
        ...{ dataset, markets, archives: packagingOf(dataset, archives), need, concurrency, clockMs, signal },
        ...(onProgress === undefined ? {} : { onProgress }),
      })
      const problems = scan.problems
        .map((problem) => toProblem(problem, dataset))
        .sort((a, b) => markets.indexOf(a.market) - markets.indexOf(b.market) || ((a.symbol ?? '') < (b.symbol ?? '') ? -1 : 1))
      found.push({ dataset, symbols: findAvailability(scan.symbols, { asOf, recentDays }), problems, cached: scan.cached })
    }
    await cache.compact()
    const symbols = found.flatMap((one) => one.symbols)
    const problems = found.flatMap((one) => one.problems)
    const chosen = chooseSymbols(symbols, shortlist)
    const reports = found.flatMap((one) => reportsOf(one, markets, quote))
    if (isChoosing(shortlist)) reports.push(formatUniverse(chosen))
    if (options.html) reports.push({ name: PAGE_NAME, text: formatAvailabilityPage({ asOf, recentDays, archives, symbols, problems }) })
    for (const { name, text } of reports) await writeReport(join(out, name), text)
    const notListed = findNotListed(symbols, shortlist)
    const isWhole = problems.length === 0 && notListed.length === 0 && (chosen.length > 0 || !isChoosing(shortlist))
    return {
      ...{ command: 'availability', exit: isWhole ? 0 : 3, as_of: asOf, recent_days: recentDays, archives, quote },
      ...{
        elapsed_ms: Math.round(performance.now() - startedMs),
        requests: { listing: http.counts.listing },
        cached: found.reduce((sum, { cached }) => sum + cached, 0),
      },
      ...{ files: reports.map(({ name }) => join(out, name)), universe: isChoosing(shortlist) ? join(out, UNIVERSE_NAME) : null },
      ...{ listed: symbols.length, symbols: chosen, not_listed: notListed, problems },
    }
  } finally {
    cache.close()
  }
}

/** What was listed of a data set. */
interface DatasetAvailability {
  readonly dataset: Dataset
  readonly symbols: readonly SymbolAvailability[]
  readonly problems: readonly AvailabilityProblem[]
  readonly cached: number
}

/** The CSV reports of a data set: klines have those of the seed's format, another one has a file for all markets. */
function reportsOf({ dataset, symbols, problems }: DatasetAvailability, markets: readonly Market[], quote: string): ReportFile[] {
  if (dataset.name !== KLINES.name) return [formatDatasetReport(dataset, symbols)]
  const listed = markets.filter((market) => !problems.some((problem) => problem.market === market && problem.symbol === null))
  return formatCsvReports(symbols, listed, quote)
}

/** The form of archives that is listed: the one that is asked for, where the data set has it. */
function packagingOf({ packagings = [] }: Dataset, asked: Packaging): Packaging {
  return packagings.includes(asked) ? asked : (packagings[0] ?? asked)
}

function toProblem({ market, symbol, error }: ScanProblem, { name: dataset }: Dataset): AvailabilityProblem {
  return { dataset, market, symbol, code: error.code, message: error.message }
}

function checkAsOf(asOf: UtcDay, nowMs: number): void {
  const today = new Date(nowMs).toISOString().slice(0, 10)
  if (asOf > today)
    throw new CkvdError('CKVD_USAGE', `Expected \`--as-of\` to be at most today (${today}), got ${asOf}.`, { details: { asOf, today } })
}
