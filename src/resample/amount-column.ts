import { QUOTE_ASSETS } from '../../config/quotes.ts'
import { CkvdError } from '../errors.ts'
import type { Market } from '../model/market.ts'
import type { Series } from '../model/series.ts'

/** What is summed of bars for so much of an asset: of what is bought and sold, or of what it is paid in. */
export type AmountColumn = 'volume' | 'quoteVolume'

/**
 * The column in which a symbol's bars count an asset; undefined: it does not trade in it. Contracts of COIN-M are counted in contracts, and what
 * they are worth in the coin.
 */
export function findAmountColumn({ market, symbol }: Pick<Series, 'market' | 'symbol'>, asset: string): AmountColumn | undefined {
  const [pair = ''] = symbol.split('_')
  const quote = quoteOf(market, pair)
  const isBase = quote !== '' && pair === asset + quote
  if (market === 'cm' ? isBase : asset === quote) return 'quoteVolume'
  return market !== 'cm' && isBase ? 'volume' : undefined
}

/** As `findAmountColumn`. @throws CKVD_USAGE where the symbol does not trade in it */
export function amountColumnOf({ market, symbol }: Pick<Series, 'market' | 'symbol'>, asset: string): AmountColumn {
  const column = findAmountColumn({ market, symbol }, asset)
  if (column !== undefined) return column
  const pair = symbol.split('_')[0] ?? ''
  const quote = quoteOf(market, pair)
  const assets = [pair.slice(0, pair.length - quote.length), ...(market === 'cm' || quote === '' ? [] : [quote])].join(' or ')
  throw new CkvdError('CKVD_USAGE', `Expected an asset that ${symbol} trades in (${assets}), got ${asset}.`, {
    details: { option: '--by', market, symbol, asset },
  })
}

/** What a pair is paid in; nothing: not known. */
function quoteOf(market: Market, pair: string): string {
  const quotes = QUOTE_ASSETS[market].filter((quote) => pair.endsWith(quote) && pair.length > quote.length)
  // `BTCAEUR` is paid in AEUR
  return quotes.reduce((longest, one) => (one.length > longest.length ? one : longest), '')
}
