import { MARKET_FACTS } from '../../config/markets.ts'
import type { RestMarket } from '../model/market.ts'

/** A symbol as the exchange knows it at a moment. */
export interface KnownSymbol {
  readonly symbol: string
  readonly trading: boolean
  /** when its first bar opened */
  readonly onboardMs: number
  /** end of its last bar; undefined while none is known */
  readonly endMs?: number
}

/** Paths and weights, from Binance's API documents ("Exchange Information" of each market). */
export const EXCHANGE_INFO_WEIGHT: Readonly<Record<RestMarket, number>> = { spot: 20, um: 1, cm: 1 }

/** The `deliveryDate` of a contract that has none: 2100-12-25. */
const NEVER_MS = 4_133_404_800_000
/** Named where all else has ended: an exchange that names nobody as trading is not believed, and rightly. */
const STAND_IN: Readonly<Record<RestMarket, string>> = { spot: 'SANDBOXUSDT', um: 'SANDBOXUSDT', cm: 'SANDBOXUSD_PERP' }

/** The symbols, and one that trades where none of them does. */
export function withStandIn(market: RestMarket, symbols: readonly KnownSymbol[]): readonly KnownSymbol[] {
  if (symbols.some(({ trading }) => trading)) return symbols
  return [...symbols, { symbol: STAND_IN[market], trading: true, onboardMs: Date.UTC(2020, 0, 1) }]
}

/** The body of `exchangeInfo`, with the fields of the real one that say what a symbol is and whether it trades. */
export function createExchangeInfo(market: RestMarket, symbols: readonly KnownSymbol[], serverMs: number): string {
  return JSON.stringify({
    timezone: 'UTC',
    serverTime: serverMs,
    ...(market === 'um' ? { futuresType: 'U_MARGINED' } : {}),
    rateLimits: [
      { rateLimitType: 'REQUEST_WEIGHT', interval: 'MINUTE', intervalNum: 1, limit: MARKET_FACTS[market].rest.budgetPerMinute },
      market === 'spot'
        ? { rateLimitType: 'ORDERS', interval: 'SECOND', intervalNum: 10, limit: 100 }
        : { rateLimitType: 'ORDERS', interval: 'MINUTE', intervalNum: 1, limit: 1200 },
    ],
    exchangeFilters: [],
    ...(market === 'um' ? { assets: [{ asset: 'USDT', marginAvailable: true, autoAssetExchange: '-10000' }] } : {}),
    symbols: symbols.map((known) => (market === 'spot' ? spotEntry(known) : futuresEntry(market, known))),
  })
}

function spotEntry({ symbol, trading }: KnownSymbol): object {
  const [baseAsset, quoteAsset] = assetsOf(symbol)
  return {
    symbol,
    status: trading ? 'TRADING' : 'BREAK',
    baseAsset,
    baseAssetPrecision: 8,
    quoteAsset,
    quotePrecision: 8,
    quoteAssetPrecision: 8,
    baseCommissionPrecision: 8,
    quoteCommissionPrecision: 8,
    orderTypes: ['LIMIT', 'LIMIT_MAKER', 'MARKET', 'STOP_LOSS', 'STOP_LOSS_LIMIT', 'TAKE_PROFIT', 'TAKE_PROFIT_LIMIT'],
    icebergAllowed: true,
    ocoAllowed: true,
    otoAllowed: true,
    quoteOrderQtyMarketAllowed: true,
    allowTrailingStop: true,
    cancelReplaceAllowed: true,
    amendAllowed: true,
    isSpotTradingAllowed: trading,
    isMarginTradingAllowed: false,
    filters: [
      { filterType: 'PRICE_FILTER', minPrice: '0.00000100', maxPrice: '1000000.00000000', tickSize: '0.00000100' },
      { filterType: 'LOT_SIZE', minQty: '0.00001000', maxQty: '9000.00000000', stepSize: '0.00001000' },
      { filterType: 'ICEBERG_PARTS', limit: 10 },
      {
        filterType: 'NOTIONAL',
        minNotional: '5.00000000',
        applyMinToMarket: true,
        maxNotional: '9000000.00000000',
        applyMaxToMarket: false,
        avgPriceMins: 5,
      },
      { filterType: 'MAX_NUM_ORDERS', maxNumOrders: 200 },
    ],
    permissions: [],
    permissionSets: [['SPOT']],
    defaultSelfTradePreventionMode: 'EXPIRE_MAKER',
    allowedSelfTradePreventionModes: ['EXPIRE_TAKER', 'EXPIRE_MAKER', 'EXPIRE_BOTH', 'DECREMENT'],
  }
}

/** um tells `status`, cm `contractStatus`; what was settled says so in another word on each. */
function futuresEntry(market: 'um' | 'cm', { symbol, trading, onboardMs, endMs }: KnownSymbol): object {
  const pair = symbol.replace(/_.*$/, '')
  const [baseAsset, quoteAsset] = assetsOf(pair)
  const isDated = /_\d{6}$/.test(symbol)
  const perpetual = market === 'cm' && !trading ? 'PERPETUAL DELIVERING' : 'PERPETUAL'
  const status = trading ? 'TRADING' : market === 'um' ? 'SETTLING' : 'DELIVERING'
  return {
    symbol,
    pair,
    contractType: isDated ? 'CURRENT_QUARTER' : perpetual,
    deliveryDate: isDated || !trading ? (endMs ?? dateInName(symbol)) : NEVER_MS,
    onboardDate: onboardMs,
    ...(market === 'um' ? { status } : { contractStatus: status, contractSize: baseAsset === 'BTC' ? 100 : 10 }),
    maintMarginPercent: '2.5000',
    requiredMarginPercent: '5.0000',
    baseAsset,
    quoteAsset,
    marginAsset: market === 'um' ? quoteAsset : baseAsset,
    pricePrecision: 2,
    quantityPrecision: market === 'um' ? 3 : 0,
    baseAssetPrecision: 8,
    quotePrecision: 8,
    underlyingType: 'COIN',
    underlyingSubType: [],
    triggerProtect: '0.0500',
    liquidationFee: '0.015000',
    marketTakeBound: '0.05',
    filters: [
      { filterType: 'PRICE_FILTER', minPrice: '0.01', maxPrice: '4520958', tickSize: '0.01' },
      { filterType: 'LOT_SIZE', minQty: '1', maxQty: '1000000', stepSize: '1' },
      { filterType: 'MAX_NUM_ORDERS', limit: 200 },
    ],
    orderTypes: ['LIMIT', 'MARKET', 'STOP', 'STOP_MARKET', 'TAKE_PROFIT', 'TAKE_PROFIT_MARKET', 'TRAILING_STOP_MARKET'],
    timeInForce: ['GTC', 'IOC', 'FOK', 'GTX'],
  }
}

/** Delivery is at 08:00 of the day in the name: `BTCUSD_210625`. */
function dateInName(symbol: string): number {
  const [, year, month, day] = /_(\d\d)(\d\d)(\d\d)$/.exec(symbol) ?? []
  return year === undefined ? NEVER_MS : Date.UTC(2000 + Number(year), Number(month) - 1, Number(day), 8)
}

const QUOTES = /(FDUSD|USDT|USDC|BUSD|TUSD|USD|BTC|ETH|BNB)$/

function assetsOf(symbol: string): readonly [string, string] {
  const quote = QUOTES.exec(symbol)?.[0] ?? 'USDT'
  const base = symbol.endsWith(quote) ? symbol.slice(0, -quote.length) : symbol
  return [base === '' ? symbol : base, quote]
}
