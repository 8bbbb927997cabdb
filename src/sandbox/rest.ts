import { MARKET_FACTS } from '../../config/markets.ts'
import type { Interval } from '../model/interval.ts'
import { parseInterval } from '../model/interval.ts'
import type { RestMarket } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { FundingRate, KlinesQuery, MetricsRow } from './bucket.ts'
import type { AnswerFault } from './faults.ts'
import { MS_PER_DAY } from './grid.ts'
import { PRICE_DATASETS } from './synthetic/price-bars.ts'

/** An answer that refuses a request, as Binance words it. */
export interface Refusal {
  readonly status: number
  readonly body: string
  readonly contentType?: string
}

/** Page limits, from Binance's API documents ("Kline/Candlestick Data" of each market). */
const DEFAULT_ROWS = 500
const MAX_ROWS: Readonly<Record<RestMarket, number>> = { spot: 1000, um: 1500, cm: 1500 }
const MAX_RANGE_DAYS = 200

/** The data set whose bars REST of a market tells at a path; undefined: none. */
export function pricesAt(market: RestMarket, path: string): string | undefined {
  const base = MARKET_FACTS[market].rest.klinesPath.replace('klines', '')
  return ['klines', ...(market === 'spot' ? [] : PRICE_DATASETS)].find((dataset) => path === `${base}${dataset}`)
}

/** Rows that a klines request asks for: 500 unless it says otherwise, and never more than a page holds. */
export function rowsAskedFor(market: RestMarket, params: URLSearchParams): number {
  const limit = Number(params.get('limit') ?? DEFAULT_ROWS)
  return Number.isInteger(limit) && limit > 0 ? Math.min(limit, MAX_ROWS[market]) : DEFAULT_ROWS
}

/**
 * Reads the parameters of a klines request by the exchange's rules. Error codes are those that Binance answers with:
 * -1102 missing, -1100 and -1130 malformed, -1121 symbol, -1120 interval, -1023 start after end, -4088 a cm range above
 * 200 days; a start in the future is refused with 403 (as users report).
 */
export function parseKlinesQuery(
  { market, dataset }: { readonly market: RestMarket; readonly dataset: string },
  params: URLSearchParams,
  nowMs: number,
  hasSymbol: (series: Omit<Series, 'interval'>) => boolean,
): KlinesQuery | Refusal {
  const symbolName = dataset === 'indexPriceKlines' ? 'pair' : 'symbol'
  const symbol = params.get(symbolName) ?? ''
  const intervalText = params.get('interval') ?? ''
  for (const [name, value] of [
    [symbolName, symbol],
    ['interval', intervalText],
  ] as const) {
    if (value === '') return refuse(-1102, `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`)
  }
  for (const name of ['startTime', 'endTime', 'limit']) {
    const value = params.get(name)
    if (value !== null && !/^[0-9]{1,20}$/.test(value)) {
      return refuse(-1100, `Illegal characters found in parameter '${name}'; legal range is '^[0-9]{1,20}$'.`)
    }
  }
  if (params.get('limit') === '0') return refuse(-1130, "Data sent for parameter 'limit' is not valid.")
  const named = { ...(dataset === 'klines' ? {} : { dataset }), market, symbol }
  if (!hasSymbol(named)) return refuse(-1121, 'Invalid symbol.')
  const interval = intervalOf(market, intervalText)
  if (interval === undefined) return refuse(-1120, 'Invalid interval.')

  const startMs = timeOf(params.get('startTime'))
  const endMs = timeOf(params.get('endTime'))
  if (startMs !== undefined && endMs !== undefined && startMs > endMs) return refuse(-1023, 'Start time is greater than end time.')
  if (startMs !== undefined && startMs > nowMs) {
    return {
      status: 403,
      contentType: 'text/html',
      body: '<html><head><title>403 Forbidden</title></head><body>403 Forbidden</body></html>',
    }
  }
  const page = { series: { ...named, interval }, limit: rowsAskedFor(market, params) }
  if (market !== 'cm') return { ...page, startMs: startMs ?? 0, endMs: endMs ?? nowMs, nearest: startMs === undefined ? 'end' : 'start' }

  const rangeMs = MAX_RANGE_DAYS * MS_PER_DAY
  if (startMs !== undefined && endMs !== undefined && endMs - startMs > rangeMs) return refuse(-4088, 'Maximum time interval is 200 days.')
  const lastMs = endMs ?? (startMs === undefined ? nowMs : Math.min(startMs + rangeMs, nowMs))
  // a request without times gives the latest rows, however long they reach back; one with an end only, 200 days before it
  return { ...page, startMs: startMs ?? (endMs === undefined ? 0 : endMs - rangeMs), endMs: lastMs, nearest: 'end' }
}

/** Rows of a page of funding rates: 100 unless it says otherwise. */
const DEFAULT_RATES = 100
const MAX_RATES = 1000

/**
 * Reads the parameters of a request for funding rates, in the form of one for bars as long as they are for; faults of klines apply to it.
 * Refusals as `parseKlinesQuery`.
 */
export function parseRatesQuery(market: RestMarket, params: URLSearchParams, nowMs: number): KlinesQuery | Refusal {
  const symbol = params.get('symbol') ?? ''
  if (symbol === '') return refuse(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
  const [startMs, endMs, limit] = ['startTime', 'endTime', 'limit'].map((name) => timeOf(params.get(name)))
  if ([startMs, endMs, limit].some((value) => Number.isNaN(value)) || limit === 0)
    return refuse(-1130, 'Data sent for parameter is not valid.')
  if (startMs !== undefined && endMs !== undefined && startMs > endMs) return refuse(-1023, 'Start time is greater than end time.')
  return {
    series: { market, symbol, interval: '8h' },
    startMs: startMs ?? 0,
    endMs: endMs ?? nowMs,
    limit: Math.min(limit ?? DEFAULT_RATES, MAX_RATES),
    nearest: startMs === undefined ? 'end' : 'start',
  }
}

/** A page of funding rates. */
export function createRatesPage(rates: readonly FundingRate[], { series, startMs, endMs, limit, nearest }: KlinesQuery): string {
  const within = rates.filter(([ms]) => ms >= startMs && ms <= endMs)
  const page = nearest === 'start' ? within.slice(0, limit) : within.slice(-limit)
  return JSON.stringify(page.map(([fundingTime, fundingRate]) => ({ symbol: series.symbol, fundingTime, fundingRate })))
}

/** What REST calls its answers about the statistics of futures, and what a row of each has. Ratios have four digits, in archives eight. */
const STATISTICS: Readonly<Record<string, (row: MetricsRow) => Readonly<Record<string, string>>>> = {
  openInterestHist: ({ openInterest, openInterestValue }) => ({ sumOpenInterest: openInterest, sumOpenInterestValue: openInterestValue }),
  topLongShortAccountRatio: ({ ratios }) => ({ longShortRatio: ratioText(ratios[0]) }),
  topLongShortPositionRatio: ({ ratios }) => ({ longShortRatio: ratioText(ratios[1]) }),
  globalLongShortAccountRatio: ({ ratios }) => ({ longShortRatio: ratioText(ratios[2]) }),
  takerlongshortRatio: ({ takerRatio }) => ({ buySellRatio: ratioText(takerRatio) }),
}
const STATISTICS_PATH = '/futures/data/'
const STATISTICS_DAYS = 30
const DEFAULT_STATISTICS = 30
const MAX_STATISTICS = 500

function ratioText(ratio: number | undefined): string {
  return ratio === undefined || Number.isNaN(ratio) ? '' : ratio.toFixed(4)
}

/** True of a path at which a market has statistics of futures; COIN-M has open interest alone by contract. */
export function isOfStatistics(market: RestMarket, path: string): boolean {
  const name = path.startsWith(STATISTICS_PATH) ? path.slice(STATISTICS_PATH.length) : ''
  return market === 'um' ? Object.hasOwn(STATISTICS, name) : market === 'cm' && name === 'openInterestHist'
}

/** Reads the parameters of a request for statistics: the last 30 days, five minutes alone. COIN-M names pair and kind of contract. Refusals as `parseKlinesQuery`. */
export function parseStatisticsQuery(
  market: RestMarket,
  params: URLSearchParams,
  nowMs: number,
  hasSymbol: (series: Omit<Series, 'interval'>) => boolean,
): KlinesQuery | Refusal {
  const name = market === 'cm' ? 'pair' : 'symbol'
  const given = params.get(name) ?? ''
  if (given === '' || (market === 'cm' && params.get('contractType') !== 'PERPETUAL'))
    return refuse(-1102, `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`)
  if (params.get('period') !== '5m') return refuse(-1130, "Data sent for parameter 'period' is not valid.")
  const [startMs, endMs, limit] = ['startTime', 'endTime', 'limit'].map((key) => timeOf(params.get(key)))
  if ([startMs, endMs, limit].some((value) => Number.isNaN(value)) || limit === 0)
    return refuse(-1130, 'Data sent for parameter is not valid.')
  if (startMs !== undefined && startMs < nowMs - STATISTICS_DAYS * MS_PER_DAY) return refuse(-1130, "parameter 'startTime' is invalid.")
  if (startMs !== undefined && endMs !== undefined && startMs > endMs) return refuse(-1023, 'Start time is greater than end time.')
  const series: Series = { dataset: 'metrics', market, symbol: market === 'cm' ? `${given}_PERP` : given, interval: '5m' }
  if (!hasSymbol(series)) return refuse(-1121, 'Invalid symbol.')
  return {
    series,
    startMs: startMs ?? nowMs - STATISTICS_DAYS * MS_PER_DAY,
    // five minutes are told when they are over
    endMs: Math.min(endMs ?? nowMs, nowMs - 300_000),
    limit: Math.min(limit ?? DEFAULT_STATISTICS, MAX_STATISTICS),
    nearest: startMs === undefined ? 'end' : 'start',
  }
}

/** A page of statistics. */
export function createStatisticsPage(path: string, rows: readonly MetricsRow[], { series, limit, nearest }: KlinesQuery): string {
  const page = nearest === 'start' ? rows.slice(0, limit) : rows.slice(-limit)
  const cellsOf = STATISTICS[path.slice(STATISTICS_PATH.length)]
  return JSON.stringify(page.map((row) => ({ symbol: series.symbol, ...cellsOf?.(row), timestamp: row.openMs })))
}

/** The query as an exchange with a fault of klines takes it; other faults leave it as it is. */
export function spoilQuery(query: KlinesQuery, fault: AnswerFault | undefined, hasStart: boolean, nowMs: number): KlinesQuery {
  if (fault?.kind === 'cap') return { ...query, limit: Math.min(query.limit, fault.rows) }
  if (fault?.kind === 'lookahead')
    return hasStart ? { ...query, endMs: Math.min(query.endMs, query.startMs + fault.days * MS_PER_DAY - 1) } : query
  if (fault?.kind === 'wrong-end') return { ...query, nearest: query.nearest === 'start' ? 'end' : 'start' }
  if (fault?.kind === 'lag') return { ...query, endMs: Math.min(query.endMs, nowMs - fault.minutes * 60_000) }
  return query
}

export function isRefusal(result: object): result is Refusal {
  return 'status' in result
}

export function refuse(code: number, msg: string, status = 400): Refusal {
  return { status, body: JSON.stringify({ code, msg }) }
}

/** REST writes a month `1M` only; `1mo` is the archives' word. */
function intervalOf(market: RestMarket, text: string): Interval | undefined {
  const interval = text === '1mo' ? undefined : parseInterval(text)
  return interval !== undefined && MARKET_FACTS[market].intervals.includes(interval) ? interval : undefined
}

function timeOf(text: string | null): number | undefined {
  return text === null ? undefined : Number(text)
}
