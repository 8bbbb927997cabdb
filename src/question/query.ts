import { intervalsOf } from '../../config/markets.ts'
import { unknownOption } from '../../config/option-names.ts'
import type { Dataset } from '../dataset/dataset.ts'
import { FUNDING_RATE } from '../dataset/sets/funding.ts'
import { KLINES } from '../dataset/sets/klines.ts'
import { datasetNames, datasetOf, named } from '../dataset/registry.ts'
import { CkvdError } from '../errors.ts'
import type { Interval as IntervalName } from '../model/interval.ts'
import { parseInterval } from '../model/interval.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import type { Market } from '../model/market.ts'
import type { Series, TimeRange } from '../model/series.ts'
import { checkMarket, parseDataset } from './dataset-names.ts'
import type { ChartType } from './names.ts'
import { DataSource, Interval } from './names.ts'
import { parseSymbol, perpetualOf } from './symbol-format.ts'
import type { TimeRangeOptions } from './time-range.ts'
import { parseTimeRange } from './time-range.ts'

/** A column of the klines table, in the schema's order. */
export type ColumnName =
  | 'open_time'
  | 'open'
  | 'high'
  | 'low'
  | 'close'
  | 'volume'
  | 'close_time'
  | 'quote_asset_volume'
  | 'count'
  | 'taker_buy_volume'
  | 'taker_buy_quote_volume'

/** What `getColumns` takes. */
export interface GetColumnsOptions extends TimeRangeOptions {
  /** as the exchange writes it, in any case: `BTCUSDT`; COIN-M `BTCUSD_PERP` */
  readonly symbol: string
  /** of which data set, as Vision calls it: `klines` (default), `markPriceKlines`, …; `fundingRate` and `metrics`, which are no bars, of `getData` alone */
  readonly dataset?: string | undefined
  /** bar length; default `1m` */
  readonly interval?: Interval | '1mo' | undefined
  /** only these columns, in this order; default all */
  readonly columns?: readonly ColumnName[] | undefined
  /** one source instead of lake, Vision and REST in turn */
  readonly enforceSource?: DataSource | undefined
  /** false: the lake is neither read nor written; default as the client's */
  readonly useCache?: boolean | undefined
  /** stops this call only */
  readonly signal?: AbortSignal | undefined
  /** told of each day (month of `3d`, `1w`, `1M`) that had to be fetched, of how many */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined
  /** told of every step: which source gave which days, rows, and how long it took */
  readonly onStep?: ((step: FetchStep) => void) | undefined
}

/** What `getData` takes. */
export interface GetDataOptions extends GetColumnsOptions {
  /** candlesticks (default) or funding rates, as `dataset: 'fundingRate'` is */
  readonly chartType?: ChartType | undefined
  /** missing bars become rows of nulls (never zeros); default false */
  readonly autoReindex?: boolean | undefined
  /** adds the column `_data_source`: CACHE, VISION or REST; default false */
  readonly includeSourceInfo?: boolean | undefined
  /** a DataFrame of nodejs-polars instead of an Arrow Table; default as `CKVD_USE_POLARS_OUTPUT` */
  readonly returnPolars?: boolean | undefined
}

/** One step of the failover: what a source contributed. */
export interface FetchStep {
  /** who gave the rows */
  readonly source: 'CACHE' | 'VISION' | 'REST'
  /** days (months for `3d`, `1w`, `1M`) that it gave or was asked for */
  readonly days: number
  /** rows that it gave, before they are cut to the range */
  readonly rows: number
  /** wall time, milliseconds; sources may be asked at once */
  readonly elapsedMs: number
}

/** A checked request for the rows of a series. */
export interface KlineQuery {
  readonly series: Series
  readonly range: TimeRange
  /** null: all */
  readonly columns: readonly ColumnName[] | null
  readonly source: DataSource
  /** the lake may be read and written */
  readonly useCache: boolean
  /** bars that are missing without explanation are told, not refused, where there are others */
  readonly allowsHoles: boolean
  readonly signal: AbortSignal
  readonly onStep: (step: FetchStep) => void
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void
}

/** How the rows are handed over. */
export interface TableForm {
  readonly autoReindex: boolean
  readonly includeSourceInfo: boolean
  readonly returnPolars: boolean
}

/** The names of all options of `getData`. */
export const OPTION_NAMES: ReadonlySet<string> = new Set<keyof GetDataOptions>([
  'symbol',
  'startTime',
  'endTime',
  'days',
  'dataset',
  'interval',
  'columns',
  'enforceSource',
  'useCache',
  'signal',
  'onStep',
  'onProgress',
  'chartType',
  'autoReindex',
  'includeSourceInfo',
  'returnPolars',
])
const COLUMN_NAMES: readonly string[] = KLINE_COLUMNS.map(({ name }) => name)
const NEVER = new AbortController().signal

/** What a query takes from its client where the call says nothing. */
export interface QueryDefaults {
  readonly market: Market
  readonly useCache: boolean
  readonly enforceSource: DataSource
  readonly usePolarsOutput: boolean
  readonly nowMs: number
}

/**
 * Checks the options of `getData` and `getColumns` before anything is asked or read.
 * @throws CkvdError `CKVD_USAGE`, `CKVD_TIME`, `CKVD_SYMBOL_FORMAT`, `CKVD_UNKNOWN_INTERVAL`
 */
export function parseKlineQuery(options: GetColumnsOptions, defaults: QueryDefaults): KlineQuery {
  const { market } = defaults
  const dataset = parseBars(options.dataset)
  checkMarket(dataset, market)
  const base = parseBase(options, defaults, dataset)
  const interval = parseIntervalOption(options.interval ?? '1m', market)
  return { ...base.query, series: { ...named(dataset), market, symbol: base.symbol, interval }, columns: parseColumns(options.columns) }
}

/** The data set of a call for bars. Throws `CKVD_USAGE` for one that is none, or whose rows are no bars. */
function parseBars(name: string | undefined): Dataset {
  const dataset = name === undefined ? KLINES : parseDataset(name, 'dataset')
  if (dataset.rules !== null) return dataset
  const bars = datasetNames().filter((known) => datasetOf({ dataset: known }).rules !== null)
  throw wrongOption('dataset', `a data set of bars (${bars.join(', ')})`, name)
}

/** As `parseKlineQuery`, for funding rates. */
export function parseFundingQuery(options: GetDataOptions, defaults: QueryDefaults): KlineQuery {
  const { market } = defaults
  if (market === 'spot' || market === 'option') {
    throw new CkvdError('CKVD_USAGE', `Expected a futures market for funding rates, got ${market}: only perpetual contracts have them.`, {
      details: { option: 'chartType' },
    })
  }
  const base = parseBase(options, defaults, FUNDING_RATE)
  const perpetual = perpetualOf(base.symbol, market)
  if (perpetual !== base.symbol) {
    const message = `Expected a perpetual contract for funding rates, got the delivery contract ${base.symbol}. Did you mean ${perpetual}?`
    throw new CkvdError('CKVD_SYMBOL_FORMAT', message, { details: { market, symbol: base.symbol, suggestion: perpetual } })
  }
  const asked = options.dataset === undefined ? 'chartType FUNDING_RATE' : `dataset ${options.dataset}`
  for (const option of ['interval', 'columns', 'autoReindex'] as const)
    if (options[option] !== undefined && options[option] !== false) throw contradiction(option, asked, 'funding rates have no grid of bars')
  const { name: dataset, grid } = FUNDING_RATE
  return { ...base.query, series: { dataset, market, symbol: base.symbol, interval: grid }, columns: null }
}

/** As `parseKlineQuery`, for rows that are no bars, and no funding rates. */
export function parseRowsQuery(options: GetDataOptions, defaults: QueryDefaults, dataset: Dataset): KlineQuery {
  const { market } = defaults
  checkMarket(dataset, market)
  const { query, symbol } = parseBase(options, defaults, dataset)
  const { name, grid, completeness, rest } = datasetOf({ dataset: dataset.name, market })
  for (const option of ['interval', 'columns'] as const)
    if (options[option] !== undefined) throw contradiction(option, `dataset ${name}`, 'its rows are no bars')
  const hasSlots = completeness.kind === 'grid' || options.autoReindex !== true
  if (!hasSlots) throw contradiction('autoReindex', `dataset ${name}`, 'its rows have no grid')
  if (rest === null && query.source === DataSource.REST) throw wrongOption('enforceSource', `a source that has ${name}`, query.source)
  return { ...query, series: { dataset: name, market, symbol, interval: grid }, columns: null }
}

/** How `getData` hands its rows over. Throws `CKVD_USAGE`. */
export function parseTableForm(options: GetDataOptions, defaults: QueryDefaults): TableForm {
  return {
    autoReindex: parseFlag('autoReindex', options.autoReindex, false),
    includeSourceInfo: parseFlag('includeSourceInfo', options.includeSourceInfo, false),
    returnPolars: parseFlag('returnPolars', options.returnPolars, defaults.usePolarsOutput),
  }
}

/** Throws `CKVD_USAGE` where a call got something else than an object of options: a caller without types may give none. */
export function checkOptions(call: string, options: unknown, example: string): void {
  if (typeof options === 'object' && options !== null) return
  const found = options === undefined ? 'nothing' : options === null ? 'null' : `a ${typeof options}`
  throw new CkvdError('CKVD_USAGE', `Expected \`${call}\` to get an object of options, such as ${example}, got ${found}.`, {
    details: { option: 'options' },
  })
}

/** One of the values of a constant object, or its member's name (`'CACHE'`), or the default. Throws `CKVD_USAGE`. */
export function parseWord<T extends string>(option: string, value: unknown, words: Readonly<Record<string, T>>, otherwise: T): T {
  if (value === undefined) return otherwise
  const word = Object.values(words).find((one) => one === value) ?? memberOf(words, value)
  if (word !== undefined) return word
  throw wrongOption(option, `one of ${Object.values(words).join(', ')}`, value)
}

/** The value of a constant object's member by its name: `MINUTE_1` is `1m`. */
function memberOf<T extends string>(words: Readonly<Record<string, T>>, name: unknown): T | undefined {
  return Object.entries(words).find(([member]) => member === name)?.[1]
}

function parseBase(
  options: GetColumnsOptions,
  defaults: QueryDefaults,
  dataset: Dataset,
): { symbol: string; query: Omit<KlineQuery, 'series' | 'columns'> } {
  const unknown = Object.keys(options).find((key) => !OPTION_NAMES.has(key))
  if (unknown !== undefined) throw unknownOption(unknown, OPTION_NAMES)
  const symbol = parseSymbol(options.symbol, defaults.market, dataset.name)
  const source = parseWord('enforceSource', options.enforceSource, DataSource, defaults.enforceSource)
  const useCache = parseFlag('useCache', options.useCache, defaults.useCache)
  if (source === DataSource.CACHE && !useCache) {
    throw contradiction(
      'enforceSource CACHE',
      options.useCache === undefined ? 'a cache that is switched off' : 'useCache: false',
      'nothing would be left to ask',
    )
  }
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal))
    throw wrongOption('signal', 'an AbortSignal', options.signal)
  const { onStep, onProgress } = options
  return {
    symbol,
    query: {
      range: parseTimeRange(options, defaults.nowMs),
      source,
      useCache,
      allowsHoles: false,
      signal: options.signal ?? NEVER,
      onStep: (step) => onStep?.(step),
      onProgress: (progress) => onProgress?.(progress),
    },
  }
}

function parseIntervalOption(text: string, market: Market): IntervalName {
  const interval = typeof text === 'string' ? (parseInterval(text) ?? memberOf(Interval, text)) : undefined
  const supported = intervalsOf(market)
  if (interval !== undefined && supported.includes(interval)) return interval
  throw new CkvdError('CKVD_UNKNOWN_INTERVAL', `Expected an interval of ${market} (${supported.join(', ')}), got ${String(text)}.`, {
    details: { market, interval: text, supported },
  })
}

function parseColumns(columns: readonly string[] | undefined): readonly ColumnName[] | null {
  if (columns === undefined) return null
  // a caller without types may give one name
  if (typeof columns !== 'object') throw wrongOption('columns', 'a list of names', columns)
  const wrong = columns.find((name) => !COLUMN_NAMES.includes(name))
  if (wrong !== undefined || columns.length === 0 || new Set(columns).size !== columns.length) {
    throw wrongOption('columns', `different names out of ${COLUMN_NAMES.join(', ')}`, columns)
  }
  return columns as readonly ColumnName[]
}

function parseFlag(option: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  if (typeof value === 'boolean') return value
  throw wrongOption(option, 'true or false', value)
}

/** The error of an option of another kind than expected. */
export function wrongOption(option: string, expected: string, found: unknown): CkvdError {
  return new CkvdError('CKVD_USAGE', `Expected \`${option}\` to be ${expected}, got ${JSON.stringify(found) ?? String(found)} (option).`, {
    details: { option },
  })
}

/** The error of two options that exclude each other. */
export function contradiction(one: string, other: string, why: string): CkvdError {
  return new CkvdError('CKVD_USAGE', `Expected either ${one} or ${other}, got both: ${why}. Leave one out.`, { details: { option: one } })
}
