import { intervalsOf } from '../../config/markets.ts'
import { CkvdError } from '../errors.ts'
import type { Interval } from '../model/interval.ts'
import { INTERVALS } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { hasRest, isSymbol } from '../model/market.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { symbolOf } from '../question/symbol-format.ts'
import type { UniverseEntry, UniverseFile } from './universe-file.ts'
import { parseUniverseFile, universeError, universeLabel } from './universe-file.ts'

export interface UniverseOptions {
  /** the file's name, or `-` for standard input; for messages */
  readonly name: string
  /** market of a list of one symbol a line (default spot); of a CSV, the only market that is kept */
  readonly market?: Market | undefined
  /** the only symbols that are kept, in any case; with `mapMarket`, of the file or of the contracts */
  readonly symbols?: readonly string[] | undefined
  /** the only intervals that are kept */
  readonly intervals: readonly Interval[] | 'all'
  /** take each line's base symbol in this futures market instead: `BTC` becomes `BTCUSDT` (um) or `BTCUSD_PERP` (cm) */
  readonly mapMarket?: 'um' | 'cm' | undefined
}

/** A symbol to ingest. */
export interface UniverseLine {
  /** absent: klines */
  readonly dataset?: string | undefined
  /** those that a file names for the symbol; absent: it names none */
  readonly datasets?: readonly string[]
  readonly market: Market
  readonly symbol: string
  /** shortest first, never empty; 'all' means what the listing has */
  readonly intervals: readonly Interval[] | 'all'
  readonly baseSymbol?: string
  /** the first day that is asked of it; absent: the first one of the run */
  readonly start?: UtcDay
  /** 1-based line of the file */
  readonly line: number
}

/** What is to be ingested, in the file's order. */
export interface Universe {
  readonly series: readonly UniverseLine[]
  /** symbols left out since they have none of the intervals asked for */
  readonly withoutInterval: readonly UniverseLine[]
}

/**
 * Reads a universe file and narrows it. `earliest_date` is checked but never narrows.
 * @throws CkvdError `CKVD_UNIVERSE` when the file is wrong (whole file refused), `CKVD_USAGE` when the options leave nothing of it
 */
export function parseUniverse(bytes: Uint8Array, options: UniverseOptions): Universe {
  return narrowUniverse(parseUniverseFile(bytes, options.name, options.market), options)
}

/** Narrows what a universe holds. Throws `CKVD_USAGE` when the options leave nothing of it. */
export function narrowUniverse(file: UniverseFile, options: UniverseOptions): Universe {
  const mapped = options.mapMarket === undefined ? file.entries.map(sourced) : mapEntries(file, options.name, options.mapMarket)
  const kept = filterSymbols(filterMarket(mapped, options), options)
  const narrowed = kept.map(({ entry }) => ({ ...entry, intervals: narrowIntervals(entry, options.intervals) }))
  const series = narrowed.filter(({ intervals }) => intervals === 'all' || intervals.length > 0)
  if (series.length === 0)
    throw nothingLeft(`no symbol with ${intervalWord(options.intervals)}`, options, 'Ask for an interval that its lines list.')
  return { series, withoutInterval: narrowed.filter(({ intervals }) => intervals.length === 0) }
}

/** An entry with the markets and symbols of the lines that it was made from: filters may name either. */
interface Sourced {
  readonly entry: UniverseEntry
  readonly markets: readonly Market[]
  readonly symbols: readonly string[]
}

function sourced(entry: UniverseEntry): Sourced {
  return { entry, markets: [entry.market], symbols: [entry.symbol] }
}

/** One contract for each base symbol; where several lines share one, it has the intervals of all. */
function mapEntries(file: UniverseFile, name: string, market: 'um' | 'cm'): Sourced[] {
  const column = file.baseColumn
  if (column === null) {
    const message = `Expected a column base_symbol in ${universeLabel(name)} for \`--map-market ${market}\`, found none. Add the column, or list the contracts themselves.`
    throw new CkvdError('CKVD_USAGE', message)
  }
  const contracts = new Map<string, Sourced>()
  for (const entry of file.entries) {
    const symbol = `${entry.baseSymbol ?? ''}${market === 'um' ? 'USDT' : 'USD_PERP'}`
    if (entry.baseSymbol === undefined || !isSymbol(symbol)) {
      const place = { line: entry.line, column, name: 'base_symbol' }
      throw universeError(name, [{ ...place, expected: `the base symbol of a ${market} contract`, found: entry.baseSymbol ?? '' }])
    }
    const earlier = contracts.get(symbol)
    const datasets = new Set([...(earlier?.entry.datasets ?? []), ...(entry.datasets ?? [])])
    const listed = new Set([...(earlier?.entry.intervals ?? []), ...entry.intervals])
    contracts.set(symbol, {
      entry: {
        ...(earlier?.entry ?? entry),
        market,
        symbol,
        intervals: intervalsOf(market).filter((interval) => listed.has(interval)),
        ...(datasets.size === 0 ? {} : { datasets: [...datasets] }),
      },
      markets: [...(earlier?.markets ?? [market]), entry.market],
      symbols: [...(earlier?.symbols ?? [symbol]), entry.symbol],
    })
  }
  return [...contracts.values()]
}

function filterMarket(entries: readonly Sourced[], options: UniverseOptions): readonly Sourced[] {
  const { market } = options
  if (market === undefined) return entries
  const kept = entries.filter(({ markets }) => markets.includes(market))
  if (kept.length > 0) return kept
  const advice =
    market === 'spot' || market === 'option'
      ? `Leave out --market ${market}.`
      : `Use \`--map-market ${market}\` to take each base symbol's ${market === 'um' ? 'USDT' : 'USD_PERP'} contract.`
  throw nothingLeft(`no ${market} line`, options, advice)
}

function filterSymbols(entries: readonly Sourced[], options: UniverseOptions): readonly Sourced[] {
  if (options.symbols === undefined) return entries
  const wanted = [...new Set(options.symbols.map((symbol) => symbol.trim().toUpperCase()))]
  // how a pair is written as one word depends on the market
  const isMeant = (text: string, { markets, symbols }: Sourced): boolean =>
    markets.some((market) => symbols.includes(symbolOf(text, market)))
  const unknown = wanted.filter((text) => !entries.some((entry) => isMeant(text, entry)))
  if (unknown.length > 0) {
    const where = options.market === undefined ? '' : ` (market ${options.market})`
    const message = `Expected \`--symbols\` to name symbols of ${universeLabel(options.name)}${where}, but it has no ${unknown.join(', ')}. Add the symbol to the file, or leave it out.`
    throw new CkvdError('CKVD_USAGE', message, { details: { unknown } })
  }
  const kept = entries.filter((entry) => wanted.some((text) => isMeant(text, entry)))
  if (kept.length === 0) throw nothingLeft('no symbol', options, 'Name at least one with --symbols.')
  return kept
}

/** A line's intervals are what its market publishes for it; an interval that it does not list is not ingested. */
function narrowIntervals(entry: UniverseEntry, wanted: readonly Interval[] | 'all'): readonly Interval[] | 'all' {
  const { intervals } = entry
  if (wanted === 'all') return intervals === 'all' ? intervals : INTERVALS.filter((interval) => intervals.includes(interval))
  // of a market without bars there is nothing to narrow
  if (!hasRest(entry.market)) return 'all'
  const possible = intervals === 'all' ? intervalsOf(entry.market) : intervals
  return INTERVALS.filter((interval) => possible.includes(interval) && wanted.includes(interval))
}

function intervalWord(intervals: readonly Interval[] | 'all'): string {
  return intervals === 'all' ? 'any interval' : `interval ${intervals.join(' or ')}`
}

function nothingLeft(what: string, options: UniverseOptions, advice: string): CkvdError {
  return new CkvdError('CKVD_USAGE', `The universe has ${what} (${universeLabel(options.name)}). ${advice}`, {
    details: { universe: options.name },
  })
}
