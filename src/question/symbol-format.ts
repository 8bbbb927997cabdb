import { isByPair, ownSymbol, pairOf } from '../dataset/names.ts'
import { datasetOf } from '../dataset/registry.ts'
import { CkvdError } from '../errors.ts'
import type { Market } from '../model/market.ts'
import { isSymbol } from '../model/market.ts'

/** COIN-M contracts are named after base, `USD` and either `PERP` or the day of delivery; no other market has such names. */
const COIN_CONTRACT = /^([\p{L}\p{N}]+?)USD_(PERP|\d{6})$/u
/** Quote assets that a spot or USDⓈ-M symbol ends with, longest first where one ends another. */
const QUOTED = /^([\p{L}\p{N}]+?)(?:USDT|USDC|BUSD|FDUSD|TUSD|USD)(?:_\d{6})?$/u

/** `BTC/USDT`, and with what it is settled in `BTC/USDT:USDT`, `BTC/USD:BTC`, as ccxt and others write pairs. */
const PAIR = /^([\p{L}\p{N}]+)\/([\p{L}\p{N}]+)(?::[\p{L}\p{N}]+)?$/u

/** True of what may be meant as a symbol: `BTCUSDT`, `btc/usdt`. */
export function isSymbolWord(text: string): boolean {
  const word = text.trim().toUpperCase()
  return isSymbol(word) || PAIR.test(word)
}

/** A symbol trimmed, in capitals, and a pair of two assets as one word: the perpetual contract of COIN-M, whose pairs end in `/USD`. */
export function symbolOf(text: string, market: Market): string {
  const symbol = text.trim().toUpperCase()
  const [, base, quote] = PAIR.exec(symbol) ?? []
  if (base === undefined || quote === undefined) return symbol
  return market === 'cm' && quote === 'USD' ? `${base}USD_PERP` : `${base}${quote}`
}

/**
 * A symbol as the exchange writes it: trimmed, in capitals, a pair (`BTC/USDT`) as one word.
 * @throws CkvdError `CKVD_USAGE` for what is no symbol at all, `CKVD_SYMBOL_FORMAT` for one in another market's form, with the likely
 *   one as `details.suggestion`
 */
export function parseSymbol(text: unknown, market: Market, dataset?: string): string {
  const isPair = isByPair({ dataset, market })
  const symbol = typeof text !== 'string' ? '' : isPair ? text.trim().toUpperCase().replace('/', '') : symbolOf(text, market)
  if (!isSymbol(symbol)) {
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`symbol\` to be a symbol such as BTCUSDT, got ${JSON.stringify(text) ?? 'nothing'} (option).`,
      {
        details: { option: 'symbol' },
      },
    )
  }
  if (isPair) return checkPair(symbol, { dataset, market })
  const suggestion = suggestSymbol(symbol, market)
  if (suggestion === undefined) return dataset === undefined ? symbol : checkForm(symbol, { dataset, market })
  const form = market === 'cm' ? '…USD_PERP or …USD_YYMMDD' : market === 'um' ? '…USDT' : 'base and quote asset without "_"'
  throw new CkvdError('CKVD_SYMBOL_FORMAT', `Expected a symbol of ${market} (${form}), got ${symbol}. Did you mean ${suggestion}?`, {
    details: { market, symbol, suggestion },
  })
}

/** The pair by which a series is named: `BTCUSD`. Throws `CKVD_SYMBOL_FORMAT` for a contract, with its pair as `details.suggestion`. */
export function checkPair(symbol: string, { market, dataset }: { readonly market: Market; readonly dataset?: string | undefined }): string {
  const base = QUOTED.exec(pairOf(symbol))?.[1] ?? symbol
  const suggestion = market === 'cm' ? `${base}USD` : pairOf(symbol)
  if (symbol === suggestion) return symbol
  throw new CkvdError(
    'CKVD_SYMBOL_FORMAT',
    `Expected the pair of a contract of ${market} for ${dataset ?? ''}, got ${symbol}. Did you mean ${suggestion}?`,
    { details: { market, symbol, suggestion } },
  )
}

/** A symbol in the form of its data set. Throws `CKVD_SYMBOL_FORMAT` for another one. */
function checkForm(symbol: string, { dataset, market }: { readonly dataset: string; readonly market: Market }): string {
  const suggestion = ownSymbol({ dataset, market, symbol })
  // what a market has not is refused by who asks for the data set
  if (suggestion === symbol || !datasetOf({ dataset }).markets.includes(market)) return symbol
  const message = `Expected a symbol of ${dataset}, got ${symbol}. Did you mean ${suggestion}?`
  throw new CkvdError('CKVD_SYMBOL_FORMAT', message, { details: { market, symbol, suggestion } })
}

/** The symbol that is probably meant when a symbol cannot be one of the market; undefined when it can. */
function suggestSymbol(symbol: string, market: Market): string | undefined {
  const coin = COIN_CONTRACT.exec(symbol)
  if (market === 'cm') return coin !== null ? undefined : `${QUOTED.exec(symbol)?.[1] ?? symbol}USD_PERP`
  if (coin !== null) return `${coin[1] ?? ''}USDT${market === 'um' && coin[2] !== 'PERP' ? `_${coin[2] ?? ''}` : ''}`
  return market === 'spot' && symbol.includes('_') ? symbol.replace(/_.*$/, '') : undefined
}

/** The perpetual contract beside a delivery contract (`BTCUSDT_240628`, `BTCUSD_240628`); any other symbol is its own. */
export function perpetualOf(symbol: string, market: 'um' | 'cm'): string {
  return symbol.replace(/_\d{6}$/, market === 'cm' ? '_PERP' : '')
}
