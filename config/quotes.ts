import type { Market } from '../src/model/market.ts'

/**
 * Assets in which symbols are quoted, commonest first: where a symbol can be cut in two ways and nothing else decides, the
 * earlier one is taken. Source: `quoteAsset` in the exchangeInfo bodies of the three markets, 2021 and 2025, and the
 * exchange's announcements of later ones (`RLUSD`, `U`).
 */
export const QUOTE_ASSETS: Readonly<Record<Market, readonly string[]>> = {
  // prettier-ignore
  spot: [
    'USDT', 'BTC', 'TRY', 'USDC', 'FDUSD', 'BUSD', 'BNB', 'ETH', 'EUR', 'BRL', 'TUSD', 'JPY', 'PAX', 'USDP', 'USDS', 'USD1',
    'BIDR', 'IDRT', 'IDR', 'AUD', 'GBP', 'RUB', 'BKRW', 'NGN', 'UAH', 'ZAR', 'ARS', 'MXN', 'PLN', 'RON', 'CZK', 'COP', 'KZT',
    'DAI', 'VAI', 'UST', 'BVND', 'GYEN', 'EURI', 'AEUR', 'XRP', 'TRX', 'DOGE', 'DOT', 'SOL', 'RLUSD', 'U',
  ],
  um: ['USDT', 'USDC', 'BUSD', 'USD1', 'BTC'],
  cm: ['USD'],
  option: ['USDT'],
}

const UP_DOWN = '1INCH AAVE ADA BCH BNB BTC DOT EOS ETH FIL LINK LTC SUSHI SXP TRX UNI XLM XRP XTZ YFI'.split(' ')
/** `BULL` and `BEAR` alone were FTX's tokens on BTC. */
const BULL_BEAR = ['', 'BNB', 'EOS', 'ETH', 'XRP']

/**
 * Bases that are leveraged tokens. The list is final: Binance delisted FTX's tokens on 2020-03-31 and its own in April 2024.
 * A rule on the letters would take `JUP` and `SYRUP` for tokens.
 */
export const LEVERAGED_BASES: ReadonlySet<string> = new Set([
  ...UP_DOWN.flatMap((asset) => [`${asset}UP`, `${asset}DOWN`]),
  ...BULL_BEAR.flatMap((asset) => [`${asset}BULL`, `${asset}BEAR`]),
])
