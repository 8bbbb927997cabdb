import type { OfDataset } from '../../dataset/registry.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { Market } from '../../model/market.ts'
import { MARKETS } from '../../model/market.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addDays, countDays } from '../../model/utc-day.ts'
import type { DayRange } from '../day-ranges.ts'
import { cutRanges, findHoles, lastDay, sumDays } from '../day-ranges.ts'
import type { SymbolFacts, SymbolKind } from './symbol-facts.ts'
import { parseSymbolFacts } from './symbol-facts.ts'

/** What the listing says of a symbol: of the intervals that it has, and of the days of one of them. */
export interface SymbolListing extends OfDataset {
  readonly market: Market
  readonly symbol: string
  /** names as the listing has them (`1mo`), sorted as text */
  readonly intervals: readonly string[]
  /** the interval whose days are told, as the listing names it; null when the symbol has none: then no day is told, but of a data set without */
  readonly interval: string | null
  readonly days: ListedDays
}

/** Either all days as ranges, or only the first and the last one as of `asOf`. */
export type ListedDays =
  | { readonly kind: 'all'; readonly ranges: readonly DayRange[] }
  | { readonly kind: 'ends'; readonly asOf: UtcDay; readonly first: UtcDay | null; readonly last: UtcDay | null }

/** A symbol as of a day: exactly what `--json` prints. Days are UTC; `last` is included, the ranges of `missing` exclude their end. */
export interface SymbolAvailability {
  /** as Vision calls it: `klines` */
  readonly dataset: string
  readonly market: Market
  readonly symbol: string
  readonly kind: SymbolKind
  readonly delivery_date: UtcDay | null
  readonly base: string | null
  readonly quote: string | null
  readonly first: UtcDay
  readonly last: UtcDay
  /** true when `last` is within the recent days */
  readonly recent: boolean
  /** days with an archive; null where they were not counted */
  readonly days: number | null
  /** days between `first` and `last` without an archive; null where they were not counted */
  readonly missing_days: number | null
  readonly missing: readonly (DayRange & { readonly days: number })[] | null
  /** the interval whose archives are told; null: the data set has none */
  readonly interval: string | null
  readonly available_intervals: readonly string[]
}

/** The universe as it was on a day. */
export interface AsOf {
  readonly asOf: UtcDay
  /** a symbol is recent when its last day is at most this many days before `asOf` */
  readonly recentDays: number
}

/** Symbols of a data set that had data by `asOf`, in the order of market and symbol; what came later is cut off. */
export function findAvailability(listings: readonly SymbolListing[], when: AsOf): SymbolAvailability[] {
  const oldest = addDays(when.asOf, -when.recentDays)
  return MARKETS.flatMap((market) => {
    const ofMarket = listings.filter((listing) => listing.market === market).sort((a, b) => compareText(a.symbol, b.symbol))
    const facts = parseSymbolFacts(
      market,
      ofMarket.map(({ symbol }) => symbol),
    )
    return ofMarket.flatMap((listing) => {
      const seen = daysAsOf(listing.days, when.asOf)
      if (seen === undefined || (listing.interval === null && datasetOf(listing).hasInterval)) return []
      const { kind, deliveryDate, base, quote } = facts.get(listing.symbol) as SymbolFacts
      return {
        dataset: datasetOf(listing).name,
        market,
        symbol: listing.symbol,
        kind,
        delivery_date: deliveryDate,
        base,
        quote,
        ...seen,
        recent: seen.last >= oldest,
        interval: datasetOf(listing).hasInterval ? listing.interval : null,
        available_intervals: listing.intervals,
      }
    })
  })
}

function daysAsOf(
  days: ListedDays,
  asOf: UtcDay,
): Pick<SymbolAvailability, 'first' | 'last' | 'days' | 'missing_days' | 'missing'> | undefined {
  if (days.kind === 'ends') {
    const { first, last } = days
    return first === null || last === null ? undefined : { first, last, days: null, missing_days: null, missing: null }
  }
  const ranges = cutRanges(days.ranges, addDays(asOf, 1))
  const first = ranges[0]?.start
  const last = lastDay(ranges)
  if (first === undefined || last === null) return undefined
  const missing = findHoles(ranges).map((hole) => ({ ...hole, days: countDays(hole.start, hole.end) }))
  return { first, last, days: sumDays(ranges), missing_days: missing.reduce((sum, hole) => sum + hole.days, 0), missing }
}

/** A base with its symbols in the markets; `cm` undefined where there is no perpetual contract on it. */
export interface BaseSymbols {
  readonly base: string
  readonly spot: SymbolAvailability
  readonly um: SymbolAvailability
  readonly cm: SymbolAvailability | undefined
}

/**
 * Bases that can be had in spot and um under one symbol ending in `quote`, both with recent data, ordered by the spot symbol's
 * first day, then by symbol. The cm contract is the perpetual one, where it has recent data.
 */
export function findCommonBases(symbols: readonly SymbolAvailability[], quote: string): BaseSymbols[] {
  const recent = new Map(symbols.filter((symbol) => symbol.recent).map((symbol) => [`${symbol.market} ${symbol.symbol}`, symbol]))
  const common: BaseSymbols[] = []
  for (const spot of recent.values()) {
    if (spot.market !== 'spot' || !spot.symbol.endsWith(quote) || spot.symbol === quote) continue
    const um = recent.get(`um ${spot.symbol}`)
    if (um === undefined) continue
    const base = spot.symbol.slice(0, -quote.length)
    common.push({ base, spot, um, cm: recent.get(`cm ${base}USD_PERP`) })
  }
  return common.sort((a, b) => compareText(a.spot.first, b.spot.first) || compareText(a.spot.symbol, b.spot.symbol))
}

/** By code point, as the exchange's listing orders names. */
function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
