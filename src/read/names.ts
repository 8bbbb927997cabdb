import { CkvdError } from '../errors.ts'
import type { Interval as IntervalName } from '../model/interval.ts'
import type { Market } from '../model/market.ts'

/** Where data is from. Binance is the only provider. */
export const DataProvider = { BINANCE: 'binance' } as const
export type DataProvider = (typeof DataProvider)[keyof typeof DataProvider]

/** Binance's markets: spot, USDⓈ-M futures (`um`), COIN-M futures (`cm`). */
export const MarketType = { SPOT: 'spot', FUTURES_USDT: 'um', FUTURES_COIN: 'cm' } as const satisfies Record<string, Market>
export type MarketType = (typeof MarketType)[keyof typeof MarketType]

/** What is fetched: candlesticks, or the funding rates of a perpetual contract. */
export const ChartType = { KLINES: 'klines', FUNDING_RATE: 'fundingRate' } as const
export type ChartType = (typeof ChartType)[keyof typeof ChartType]

/** Which source answers: all in turn (lake, Vision, REST), or one alone. */
export const DataSource = { AUTO: 'auto', CACHE: 'cache', VISION: 'vision', REST: 'rest' } as const
export type DataSource = (typeof DataSource)[keyof typeof DataSource]

/** Lengths of a bar. `SECOND_1` exists in spot only. */
export const Interval = {
  SECOND_1: '1s',
  MINUTE_1: '1m',
  MINUTE_3: '3m',
  MINUTE_5: '5m',
  MINUTE_15: '15m',
  MINUTE_30: '30m',
  HOUR_1: '1h',
  HOUR_2: '2h',
  HOUR_4: '4h',
  HOUR_6: '6h',
  HOUR_8: '8h',
  HOUR_12: '12h',
  DAY_1: '1d',
  DAY_3: '3d',
  WEEK_1: '1w',
  MONTH_1: '1M',
} as const satisfies Record<string, IntervalName>
export type Interval = (typeof Interval)[keyof typeof Interval]

/** Refuses every provider but Binance. Throws `CKVD_USAGE`. */
export function checkProvider(provider: unknown): void {
  if (provider === DataProvider.BINANCE) return
  const found = typeof provider === 'string' ? provider : String(provider)
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected the provider to be ${DataProvider.BINANCE}, got ${found}: no other provider (OKX, …) is supported.`,
    {
      details: { option: 'provider', found },
    },
  )
}

/** A market that a caller named. Throws `CKVD_USAGE`. */
export function checkMarketType(marketType: unknown): MarketType {
  const known = Object.values(MarketType).find((one) => one === marketType)
  if (known !== undefined) return known
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected the market to be one of MarketType (${Object.values(MarketType).join(', ')}), got ${String(marketType)}.`,
    {
      details: { option: 'marketType', found: marketType },
    },
  )
}
