import type { Dataset } from '../../dataset/dataset.ts'
import { KLINES } from '../../dataset/sets/klines.ts'
import type { Market } from '../../model/market.ts'
import { REST_MARKETS } from '../../model/market.ts'
import { formatUniverseText, UNIVERSE_COLUMNS } from '../../model/universe-text.ts'
import type { BaseSymbols, SymbolAvailability } from './availability.ts'
import { findCommonBases } from './availability.ts'

/** A report file: its name and its whole text. */
export interface ReportFile {
  readonly name: string
  readonly text: string
}

const BASE_COLUMNS =
  'base_symbol,' + REST_MARKETS.map((market) => `${market}_symbol,${market}_earliest_date,${market}_available_intervals`).join(',')

/**
 * The CSV reports, in the format of the Python package of the same name: LF, the list of intervals always quoted. The files over all
 * markets are made only where all markets were listed.
 */
export function formatCsvReports(symbols: readonly SymbolAvailability[], markets: readonly Market[], quote: string): ReportFile[] {
  const files = REST_MARKETS.filter((market) => markets.includes(market)).map((market) => ({
    name: `${market}_earliest_dates.csv`,
    text: formatLines(
      UNIVERSE_COLUMNS,
      symbols.filter((symbol) => symbol.market === market).map((symbol) => formatSymbol(symbol)),
    ),
  }))
  if (!REST_MARKETS.every((market) => markets.includes(market))) return files
  const common = findCommonBases(symbols, quote)
  const withBase = ({ spot, base }: BaseSymbols): string => `${formatSymbol(spot)},${base}`
  const synchronal = common.filter(({ cm }) => cm !== undefined)
  return [
    ...files,
    {
      name: 'all_markets_earliest_dates.csv',
      text: formatLines(
        UNIVERSE_COLUMNS,
        symbols.map((symbol) => formatSymbol(symbol)),
      ),
    },
    { name: `spot_um_${quote.toLowerCase()}_filtered.csv`, text: formatLines(`${UNIVERSE_COLUMNS},base_symbol`, common.map(withBase)) },
    { name: 'spot_synchronal.csv', text: formatLines(`${UNIVERSE_COLUMNS},base_symbol`, synchronal.map(withBase)) },
    { name: 'consolidated_base_symbols.csv', text: formatLines(BASE_COLUMNS, common.map(formatBase)) },
  ]
}

/** The report of another data set: its symbols in all markets, as `ckvd ingest --universe` takes them. */
export function formatDatasetReport(dataset: Dataset, symbols: readonly SymbolAvailability[]): ReportFile {
  const lines = symbols.map((symbol) => ({ ...symbol, intervals: symbol.available_intervals }))
  return { name: `${dataset.name}_earliest_dates.csv`, text: formatUniverseText(lines) }
}

/** The name of a universe file of chosen symbols. */
export const UNIVERSE_NAME = 'universe.csv'

/** Chosen symbols as `ckvd ingest --universe` takes them. */
export function formatUniverse(symbols: readonly SymbolAvailability[]): ReportFile {
  const isOfKlines = symbols.every(({ dataset }) => dataset === KLINES.name)
  const lines = symbols.map(({ dataset, available_intervals: intervals, ...symbol }) => ({
    ...{ ...symbol, intervals },
    ...(isOfKlines ? {} : { dataset }),
  }))
  return { name: UNIVERSE_NAME, text: formatUniverseText(lines) }
}

/** No cell but the list of intervals needs quotes: a symbol has neither commas nor quotes. */
function formatSymbol(symbol: SymbolAvailability): string {
  return `${symbol.market},${formatCells(symbol)}`
}

function formatCells({ symbol, first, available_intervals }: SymbolAvailability): string {
  return `${symbol},${first},"${available_intervals.join(',')}"`
}

function formatBase({ base, spot, um, cm }: BaseSymbols): string {
  return [base, formatCells(spot), formatCells(um), cm === undefined ? ',,' : formatCells(cm)].join(',')
}

function formatLines(header: string, lines: readonly string[]): string {
  return `${[header, ...lines].join('\n')}\n`
}
