import { unknownOption } from '../../config/option-names.ts'
import { firstSlotUs } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { ColumnName, GetColumnsOptions, KlineQuery, QueryDefaults } from './query.ts'
import { parseKlineQuery, wrongOption } from './query.ts'

/** A column that a panel may show. */
export type PanelColumn = Exclude<ColumnName, 'open_time' | 'close_time'>

/** What `getPanel` takes. */
export interface GetPanelOptions extends Omit<GetColumnsOptions, 'symbol' | 'columns' | 'onStep' | 'onProgress'> {
  /** as the exchange writes them, in any case; each once, in the order of the columns */
  readonly symbols: readonly string[]
  /** what of each bar; default `close` */
  readonly column?: PanelColumn | undefined
}

/** A checked request for a panel: a query a symbol, of whole slots. */
export interface PanelQuery extends Pick<Series, 'market' | 'interval'> {
  readonly column: PanelColumn
  /** at least one; all of one range and interval */
  readonly queries: readonly KlineQuery[]
  readonly signal: AbortSignal
}

const PANEL_COLUMNS: readonly PanelColumn[] = [
  ...(['open', 'high', 'low', 'close', 'volume', 'quote_asset_volume', 'count'] as const),
  ...(['taker_buy_volume', 'taker_buy_quote_volume'] as const),
]
const OPTIONS: ReadonlySet<string> = new Set<keyof GetPanelOptions>([
  ...(['symbols', 'column', 'interval', 'startTime', 'endTime', 'days', 'enforceSource', 'useCache', 'signal'] as const),
])

/**
 * Checks the options of `getPanel` before anything is asked or read.
 * @throws CkvdError as `parseKlineQuery`
 */
export function parsePanelQuery(options: GetPanelOptions, defaults: QueryDefaults): PanelQuery {
  const unknown = Object.keys(options).find((key) => !OPTIONS.has(key))
  if (unknown !== undefined) throw unknownOption(unknown, OPTIONS)
  const { symbols, column = 'close', ...shared } = options
  if (!PANEL_COLUMNS.includes(column)) throw wrongOption('column', `one of ${PANEL_COLUMNS.join(', ')}`, column)
  // a caller without types may give one name
  if (!Array.isArray(symbols)) throw wrongOption('symbols', 'a list of symbols', symbols)
  const queries = symbols.map((symbol: string) => wholeSlots(parseKlineQuery({ ...shared, symbol, columns: [column] }, defaults)))
  const [first] = queries
  if (first === undefined) throw wrongOption('symbols', 'at least one symbol', symbols)
  if (new Set(queries.map(({ series }) => series.symbol)).size < queries.length) throw wrongOption('symbols', 'different symbols', symbols)
  const { market, interval } = first.series
  return { market, interval, column, queries, signal: first.signal }
}

/** The slots that start in the range, to their ends: a bar that opens late stands in its slot. */
function wholeSlots(query: KlineQuery): KlineQuery {
  const { interval } = query.series
  const { startUs, endUs } = query.range
  return { ...query, range: { startUs: firstSlotUs(startUs, interval), endUs: firstSlotUs(endUs, interval) } }
}
