import { CkvdError } from '../errors.ts'
import type { Interval as IntervalName } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { parseMarket } from '../model/market.ts'

/** Where data is from. Binance is the only provider. */
export const DataProvider = {
  /** binance.com and data.binance.vision */
  BINANCE: 'binance',
} as const
export type DataProvider = (typeof DataProvider)[keyof typeof DataProvider]

/** Binance's markets: spot, USDⓈ-M futures (`um`), COIN-M futures (`cm`), options (`option`). */
export const MarketType = {
  /** spot */
  SPOT: 'spot',
  /** USDⓈ-M futures, margined in USDT or USDC */
  FUTURES_USDT: 'um',
  /** COIN-M futures, margined in the base asset: volumes are in contracts, `quote_asset_volume` in the base asset */
  FUTURES_COIN: 'cm',
  /** options: the data sets `BVOLIndex` and `EOHSummary`, of archives alone */
  OPTIONS: 'option',
} as const satisfies Record<string, Market>
export type MarketType = (typeof MarketType)[keyof typeof MarketType]

/** What is fetched: candlesticks, or the funding rates of a perpetual contract. */
export const ChartType = {
  /** candlesticks */
  KLINES: 'klines',
  /** funding rates; futures only */
  FUNDING_RATE: 'fundingRate',
} as const
export type ChartType = (typeof ChartType)[keyof typeof ChartType]

/** Which source answers: all in turn (lake, Vision, REST), or one alone. */
export const DataSource = {
  /** lake, then Vision, then REST, for each missing stretch */
  AUTO: 'auto',
  /** the lake alone: nothing is requested */
  CACHE: 'cache',
  /** Vision's archives alone, whatever the lake has */
  VISION: 'vision',
  /** REST alone; nothing is stored */
  REST: 'rest',
} as const
export type DataSource = (typeof DataSource)[keyof typeof DataSource]

/** Lengths of a bar. `SECOND_1` exists in spot only. */
export const Interval = {
  /** 1 second; spot only */
  SECOND_1: '1s',
  /** 1 minute */
  MINUTE_1: '1m',
  /** 3 minutes */
  MINUTE_3: '3m',
  /** 5 minutes */
  MINUTE_5: '5m',
  /** 15 minutes */
  MINUTE_15: '15m',
  /** 30 minutes */
  MINUTE_30: '30m',
  /** 1 hour */
  HOUR_1: '1h',
  /** 2 hours */
  HOUR_2: '2h',
  /** 4 hours */
  HOUR_4: '4h',
  /** 6 hours */
  HOUR_6: '6h',
  /** 8 hours */
  HOUR_8: '8h',
  /** 12 hours */
  HOUR_12: '12h',
  /** 1 day, UTC */
  DAY_1: '1d',
  /** 3 days, opening on days that are 1 modulo 3 since 1970-01-01 */
  DAY_3: '3d',
  /** 1 week, from Monday */
  WEEK_1: '1w',
  /** 1 calendar month */
  MONTH_1: '1M',
} as const satisfies Record<string, IntervalName>
export type Interval = (typeof Interval)[keyof typeof Interval]

/** Refuses every provider but Binance. Throws `CKVD_USAGE`. */
export function checkProvider(provider: unknown): void {
  if (typeof provider === 'string' && provider.toLowerCase() === DataProvider.BINANCE) return
  if (typeof provider === 'object' && provider !== null)
    throw new CkvdError(
      'CKVD_USAGE',
      "Expected `create(provider, marketType, options)`, such as create('binance', 'spot', { lake: './lake' }), got an object first.",
      { details: { option: 'provider' } },
    )
  const found = typeof provider === 'string' ? provider : String(provider)
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected the provider to be ${DataProvider.BINANCE}, got ${found}: no other provider (OKX, …) is supported.`,
    {
      details: { option: 'provider', found },
    },
  )
}

/** A market that a caller named, as `parseMarket` reads it: `um`, `usdm`, `FUTURES_USDT`. Throws `CKVD_USAGE`. */
export function checkMarketType(marketType: unknown): MarketType {
  const known = typeof marketType === 'string' ? parseMarket(marketType) : undefined
  if (known !== undefined) return known
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected the market to be one of MarketType (${Object.values(MarketType).join(', ')}), got ${String(marketType)}.`,
    {
      details: { option: 'marketType', found: marketType },
    },
  )
}
