import type { Interval } from '../src/model/interval.ts'
import { INTERVALS } from '../src/model/interval.ts'
import type { IdEndpoint, Market, RestMarket } from '../src/model/market.ts'
import { hasRest } from '../src/model/market.ts'

/** REST facts of a market. Source: Binance's API documents, "Kline/Candlestick Data" of each market. */
export interface RestFacts {
  readonly klinesPath: string
  /** rows a page that we ask for: the limit that carries most rows per unit of weight */
  readonly pageRows: number
  /** weight of a klines request with that limit */
  weightOf(limit: number): number
  /** weight budget of one address in a wall-clock minute */
  readonly budgetPerMinute: number
  /** longest range between startTime and endTime in days; undefined: no bound */
  readonly maxRangeDays?: number
  /** which end of a too long range a page is taken from */
  readonly nearest: 'start' | 'end'
}

/**
 * REST facts of funding rates. Source: Binance's API documents, "Get Funding Rate History" (USDⓈ-M: `GET /fapi/v1/fundingRate`) and "Get
 * Funding Rate History of Perpetual Futures" (COIN-M: `GET /dapi/v1/fundingRate`), as of 2025: `startTime` and `endTime` in milliseconds,
 * both included; `limit` 100 by default and 1,000 at most; rows in ascending order, a page from `startTime` on; `symbol` is mandatory on
 * COIN-M, where a delivery contract gives no row. A row has `symbol`, `fundingTime`, `fundingRate`, on USDⓈ-M `markPrice`, too.
 */
export interface FundingFacts {
  readonly path: string
  /** most rows a page */
  readonly pageRows: number
  /**
   * weight of a request that we book. COIN-M charges 1. USDⓈ-M counts these requests apart from the weight: 500 in five minutes. Booked
   * as 24 of 2,400 a minute they are 100 a minute at most, whatever else is asked.
   */
  readonly weight: number
}

/** One of the questions that together tell the statistics of a futures contract. */
export interface StatisticsPart {
  readonly path: string
  /** what it calls the value of each column, by the column's key */
  readonly values: Readonly<Record<string, string>>
}

/**
 * REST facts of the statistics of futures contracts. Source: Binance's API documents, "Open Interest Statistics", "Top Trader Long/Short Ratio
 * (Accounts)", "Top Trader Long/Short Ratio (Positions)", "Long/Short Ratio", "Taker Buy/Sell Volume" of USDⓈ-M, "Open Interest Statistics" of
 * COIN-M, as of 2025: `period`, `startTime` and `endTime` in milliseconds, `limit` 30 by default and 500 at most, the latest 30 days. A row has
 * a `timestamp`, which is the start of its five minutes since 2026-06-25 whatever the documents say (binance-public-data#491).
 */
export interface StatisticsFacts {
  /** the first one tells which rows there are */
  readonly parts: readonly StatisticsPart[]
  /** it names the pair, and the kind of contract apart: the perpetual one */
  readonly isByPair: boolean
  /** most rows a page */
  readonly pageRows: number
  /** weight of a request that we book. They are counted apart from the weight, 1,000 in five minutes: booked as 12 of 2,400 a minute they are 200 a minute at most */
  readonly weight: number
}

/**
 * REST facts of what tells the rows of spot's sequences by their ids. Source: Binance's API documents of spot, "Compressed/Aggregate Trades
 * List" and "Old Trade Lookup", as of 2025: `fromId` is included, `limit` 1,000 at most, rows of any age. Of futures REST tells aggregates of
 * the last day and trades of the last month alone, at 20 a request.
 */
export interface IdFacts {
  readonly endpoint: IdEndpoint
  readonly path: string
  readonly weight: number
  /** most rows a page */
  readonly pageRows: number
}

export const ID_FACTS: Readonly<Record<IdEndpoint, IdFacts>> = {
  aggTrades: { endpoint: 'aggTrades', path: '/api/v3/aggTrades', weight: 4, pageRows: 1000 },
  historicalTrades: { endpoint: 'historicalTrades', path: '/api/v3/historicalTrades', weight: 25, pageRows: 1000 },
}

/** Facts of a market that has REST. */
export interface MarketFacts {
  readonly intervals: readonly Interval[]
  readonly rest: RestFacts
  /** null: the market has none */
  readonly funding: FundingFacts | null
  /** null: the market has none */
  readonly statistics: StatisticsFacts | null
}

const OPEN_INTEREST: StatisticsPart = {
  path: '/futures/data/openInterestHist',
  values: { openInterest: 'sumOpenInterest', openInterestValue: 'sumOpenInterestValue' },
}

const WITHOUT_SECONDS = INTERVALS.filter((interval) => interval !== '1s')

/** Futures weight by limit: <100: 1, <500: 2, ≤1,000: 5, more: 10. */
function futuresWeight(limit: number): number {
  if (limit < 100) return 1
  if (limit < 500) return 2
  return limit <= 1000 ? 5 : 10
}

export const MARKET_FACTS: Readonly<Record<RestMarket, MarketFacts>> = {
  spot: {
    intervals: INTERVALS,
    rest: { klinesPath: '/api/v3/klines', pageRows: 1000, weightOf: () => 2, budgetPerMinute: 6000, nearest: 'start' },
    funding: null,
    statistics: null,
  },
  um: {
    intervals: WITHOUT_SECONDS,
    // 499 rows for weight 2 carry more rows per weight than 1,500 for weight 10
    rest: { klinesPath: '/fapi/v1/klines', pageRows: 499, weightOf: futuresWeight, budgetPerMinute: 2400, nearest: 'start' },
    funding: { path: '/fapi/v1/fundingRate', pageRows: 1000, weight: 24 },
    statistics: {
      parts: [
        OPEN_INTEREST,
        { path: '/futures/data/topLongShortAccountRatio', values: { topAccounts: 'longShortRatio' } },
        { path: '/futures/data/topLongShortPositionRatio', values: { topPositions: 'longShortRatio' } },
        { path: '/futures/data/globalLongShortAccountRatio', values: { accounts: 'longShortRatio' } },
        { path: '/futures/data/takerlongshortRatio', values: { takerVolumes: 'buySellRatio' } },
      ],
      isByPair: false,
      pageRows: 500,
      weight: 12,
    },
  },
  cm: {
    intervals: WITHOUT_SECONDS,
    rest: {
      klinesPath: '/dapi/v1/klines',
      pageRows: 499,
      weightOf: futuresWeight,
      budgetPerMinute: 2400,
      maxRangeDays: 200,
      nearest: 'end',
    },
    funding: { path: '/dapi/v1/fundingRate', pageRows: 1000, weight: 1 },
    // ratios are told by pair there, not by contract
    statistics: { parts: [OPEN_INTEREST], isByPair: true, pageRows: 500, weight: 12 },
  },
}

/** Intervals of the bars that a market has, shortest first; none where it has no bars. */
export function intervalsOf(market: Market): readonly Interval[] {
  return hasRest(market) ? MARKET_FACTS[market].intervals : []
}

/**
 * The longest time that a server can keep us from asking it: Binance bans for 2 minutes to 3 days. Whatever a header, a text or a record says
 * beyond that is an error or an attack, and would otherwise silence a machine for good.
 */
export const MAX_HOLD_MS = 3 * 86_400_000

/**
 * Hosts that count an address together: one weight budget, one pause, one ban. USDⓈ-M and COIN-M futures since 2026-06-30 (Binance's notice on
 * the integration of the two; nautilus_trader#4301, ccxt#28971). Spot's documents name several base URLs of one API and say that limits are
 * counted by address: taken together, which errs to the safe side.
 */
export const SHARED_ACCOUNTS: readonly (readonly string[])[] = [
  ['fapi.binance.com', 'dapi.binance.com'],
  [
    'data-api.binance.vision',
    'api.binance.com',
    'api-gcp.binance.com',
    'api1.binance.com',
    'api2.binance.com',
    'api3.binance.com',
    'api4.binance.com',
  ],
]
