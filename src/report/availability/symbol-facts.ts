import { LEVERAGED_BASES, QUOTE_ASSETS } from '../../../config/quotes.ts'
import type { Market } from '../../model/market.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { parseUtcDay } from '../../model/utc-day.ts'

/** What a symbol is: a `spot` pair, a `leveraged` token's pair, a `perpetual` or `delivery` contract, one that was `settled` and renamed, or what is told of an `option` market. */
export const SYMBOL_KINDS = ['spot', 'leveraged', 'perpetual', 'delivery', 'settled', 'option'] as const
export type SymbolKind = (typeof SYMBOL_KINDS)[number]

export function isSymbolKind(word: string): word is SymbolKind {
  return SYMBOL_KINDS.some((kind) => kind === word)
}

/** What the name of a symbol tells. */
export interface SymbolFacts {
  readonly kind: SymbolKind
  /** day on which a delivery contract ends, from its name */
  readonly deliveryDate: UtcDay | null
  /** null when the quote asset is not one we know */
  readonly base: string | null
  readonly quote: string | null
}

interface Pair {
  readonly base: string
  readonly quote: string
}

const SETTLED = /_?SETTLED\d*$/
const DELIVERY = /_(\d{2})(\d{2})(\d{2})$/
const PERPETUAL = /_PERP$/

/**
 * What the names of a market's symbols tell. They are read together, since a name alone may be cut in two ways: `ADAEUR` is
 * ADA in EUR, not AD in AEUR, because ADA is a base of other symbols; `EURAEUR` is EUR in AEUR for the same reason.
 */
export function parseSymbolFacts(market: Market, symbols: readonly string[]): Map<string, SymbolFacts> {
  const quotes = QUOTE_ASSETS[market]
  const cuts = new Map(symbols.map((symbol) => [symbol, findCuts(pairName(symbol), quotes)]))
  const known = new Set(quotes)
  for (const [only, second] of cuts.values()) if (only !== undefined && second === undefined && only.quote.length > 1) known.add(only.base)
  return new Map(
    symbols.map((symbol) => {
      const possible = cuts.get(symbol) ?? []
      // one letter at the end proves nothing: `U` is a quote asset only after a base that is known
      const pair = possible.find(({ base }) => known.has(base)) ?? possible.find(({ quote }) => quote.length > 1)
      return [symbol, { ...kindOf(market, symbol, pair), base: pair?.base ?? null, quote: pair?.quote ?? null }]
    }),
  )
}

/** The letters of a symbol that are base and quote: without `_PERP`, `_250627` and `SETTLED`. */
function pairName(symbol: string): string {
  return symbol.replace(SETTLED, '').replace(DELIVERY, '').replace(PERPETUAL, '')
}

function findCuts(name: string, quotes: readonly string[]): Pair[] {
  return quotes
    .filter((quote) => name.length > quote.length && name.endsWith(quote))
    .map((quote) => ({ base: name.slice(0, -quote.length), quote }))
}

function kindOf(market: Market, symbol: string, pair: Pair | undefined): Pick<SymbolFacts, 'kind' | 'deliveryDate'> {
  const [, year, month, day] = DELIVERY.exec(symbol.replace(SETTLED, '')) ?? []
  const deliveryDate = year === undefined ? null : (parseUtcDay(`20${year}-${month ?? ''}-${day ?? ''}`) ?? null)
  if (market === 'option') return { kind: market, deliveryDate: null }
  if (market === 'spot') return { kind: pair !== undefined && LEVERAGED_BASES.has(pair.base) ? 'leveraged' : 'spot', deliveryDate: null }
  if (SETTLED.test(symbol)) return { kind: 'settled', deliveryDate }
  return deliveryDate === null ? { kind: 'perpetual', deliveryDate } : { kind: 'delivery', deliveryDate }
}
