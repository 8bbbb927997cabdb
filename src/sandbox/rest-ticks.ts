import type { IncomingHttpHeaders } from 'node:http'
import { MARKET_FACTS } from '../../config/markets.ts'
import type { RestMarket } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { TicksQuery } from './bucket.ts'
import type { Refusal } from './rest.ts'
import { refuse } from './rest.ts'
import { MS_PER_DAY } from './grid.ts'
import type { TickDataset } from './ticks/ticks.ts'

/*
 * How REST is asked for trades and aggregates. Source: Binance's API documents, "Compressed/Aggregate Trades List" of each market and "Old
 * Trade Lookup" of spot: 500 rows unless it says otherwise and 1,000 at most, from an id on, from a time on, or the latest ones.
 */

/** An endpoint of trades: what it tells, and what a request weighs. */
export interface TickEndpoint {
  readonly dataset: TickDataset
  readonly weight: number
}

const DEFAULT_ROWS = 500
const MAX_ROWS = 1000
/** Futures tell aggregates of the last day alone, and of an hour at once. */
const FUTURES_MS = MS_PER_DAY
const FUTURES_RANGE_MS = 3_600_000

/** True where spot is asked to tell times in microseconds; it does of trades here. Source: Binance's API documents of spot, "General API Information". */
export function asksFine(market: RestMarket, headers: IncomingHttpHeaders): boolean {
  return market === 'spot' && headers['x-mbx-time-unit'] === 'MICROSECOND'
}

/** The endpoint of trades that a market has at a path; undefined: none. */
export function ticksAt(market: RestMarket, path: string): TickEndpoint | undefined {
  const base = MARKET_FACTS[market].rest.klinesPath.replace('klines', '')
  if (path === `${base}aggTrades`) return { dataset: 'aggTrades', weight: market === 'spot' ? 4 : 20 }
  return market === 'spot' && path === `${base}historicalTrades` ? { dataset: 'trades', weight: 25 } : undefined
}

/**
 * Reads the parameters of a request for trades. Refusals as `parseKlinesQuery`; -1128: an id and a time together; -1127: more than an hour
 * of a futures market; -1130: what is older than it tells.
 */
export function parseTicksQuery(
  market: RestMarket,
  dataset: TickDataset,
  params: URLSearchParams,
  nowMs: number,
  hasSymbol: (series: Omit<Series, 'interval'>) => boolean,
): Omit<TicksQuery, 'isFine'> | Refusal {
  const symbol = params.get('symbol') ?? ''
  if (symbol === '') return refuse(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
  const names = dataset === 'trades' ? (['limit', 'fromId'] as const) : (['limit', 'fromId', 'startTime', 'endTime'] as const)
  const numbers = new Map<string, number>()
  for (const name of names) {
    const value = params.get(name)
    if (value === null) continue
    if (!/^[0-9]{1,20}$/.test(value))
      return refuse(-1100, `Illegal characters found in parameter '${name}'; legal range is '^[0-9]{1,20}$'.`)
    numbers.set(name, Number(value))
  }
  const [limit, fromId, startMs, endMs] = ['limit', 'fromId', 'startTime', 'endTime'].map((name) => numbers.get(name))
  if (limit === 0) return refuse(-1130, "Data sent for parameter 'limit' is not valid.")
  if (!hasSymbol({ market, symbol })) return refuse(-1121, 'Invalid symbol.')
  if (fromId !== undefined && (startMs !== undefined || endMs !== undefined))
    return refuse(-1128, 'Combination of optional parameters invalid.')
  if (startMs !== undefined && endMs !== undefined) {
    if (startMs > endMs) return refuse(-1023, 'Start time is greater than end time.')
    if (market !== 'spot' && endMs - startMs > FUTURES_RANGE_MS) return refuse(-1127, 'More than 1 hours between startTime and endTime.')
  }
  const sinceMs = market === 'spot' ? 0 : nowMs - FUTURES_MS
  if (startMs !== undefined && startMs < sinceMs) return tooOld('startTime')
  return {
    dataset,
    market,
    symbol,
    fromId,
    startMs,
    endMs: Math.min(endMs ?? nowMs, nowMs),
    sinceMs,
    limit: Math.min(limit ?? DEFAULT_ROWS, MAX_ROWS),
  }
}

/** The refusal of what is older than an endpoint tells. */
export function tooOld(parameter: string): Refusal {
  return refuse(-1130, `Data sent for parameter '${parameter}' is not valid.`)
}
