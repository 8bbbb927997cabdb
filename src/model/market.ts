/** A market of which REST tells bars: spot, USDⓈ-M futures (`um`) or COIN-M futures (`cm`). */
export type RestMarket = 'spot' | 'um' | 'cm'

/** A Binance market. Of `option` there are archives alone: nothing of it can be asked of REST. */
export type Market = RestMarket | 'option'

/** Markets of which REST tells bars, in the order of every report. */
export const REST_MARKETS: readonly RestMarket[] = ['spot', 'um', 'cm']

/** All markets, in the order of every report. */
export const MARKETS: readonly Market[] = [...REST_MARKETS, 'option']

/** What of REST tells rows by their ids. */
export type IdEndpoint = 'aggTrades' | 'historicalTrades'

export function isMarket(text: string): text is Market {
  return (MARKETS as readonly string[]).includes(text)
}

/** True for a market of which REST tells bars. */
export function hasRest(market: Market): market is RestMarket {
  return market !== 'option'
}

/**
 * A symbol that is safe in a path, a URL and a log line: letters of any script, digits, `_` and `-`.
 * No separators, control characters or dots. Binance lists symbols such as `币安人生USDT`, so ASCII is not required.
 */
const SYMBOL = /^[\p{L}\p{N}_-]{1,64}$/u

export function isSymbol(text: string): boolean {
  return SYMBOL.test(text)
}

/** Other names of the markets, as Vision's paths, ccxt, the exchange's own clients and the Python package have them; letters and digits alone. */
const MARKET_NAMES: Readonly<Record<string, Market>> = {
  spot: 'spot',
  ...{ um: 'um', usdm: 'um', usdsm: 'um', futuresum: 'um', futuresusdt: 'um' },
  ...{ cm: 'cm', coinm: 'cm', futurescm: 'cm', futurescoin: 'cm' },
  ...{ option: 'option', options: 'option' },
}

/** Reads a market as users know it, in any case: `um`, `usdm`, `USDⓈ-M`, `futures/um`, `coin-m`; undefined for what is none. */
export function parseMarket(text: string): Market | undefined {
  const name = text.trim().normalize('NFKC').toLowerCase()
  const plain = name.replace(/[/_ -]/g, '')
  return Object.hasOwn(MARKET_NAMES, plain) ? MARKET_NAMES[plain] : undefined
}
