import type { SymbolAvailability } from './availability.ts'
import type { SymbolKind } from './symbol-facts.ts'

/** Which symbols are chosen; what is left out chooses all. */
export interface Shortlist {
  /** with recent data */
  readonly live?: boolean
  readonly kinds?: readonly SymbolKind[]
  readonly quote?: string
  /** days with an archive, at least; needs listings with all days */
  readonly minDays?: number
  readonly symbols?: readonly string[]
}

/** True where a shortlist asks for anything. */
export function isChoosing(shortlist: Shortlist): boolean {
  return Object.keys(shortlist).length > 0
}

/** The symbols that a shortlist chooses, in their order. */
export function chooseSymbols(
  symbols: readonly SymbolAvailability[],
  { live, kinds, quote, minDays, symbols: names }: Shortlist,
): SymbolAvailability[] {
  return symbols.filter(
    (symbol) =>
      (live !== true || symbol.recent) &&
      (kinds === undefined || kinds.includes(symbol.kind)) &&
      (quote === undefined || symbol.quote === quote) &&
      (minDays === undefined || (symbol.days ?? 0) >= minDays) &&
      (names === undefined || names.includes(symbol.symbol)),
  )
}

/** Symbols that a shortlist names and no listed market has. */
export function findNotListed(symbols: readonly SymbolAvailability[], { symbols: names = [] }: Shortlist): string[] {
  const listed = new Set(symbols.map(({ symbol }) => symbol))
  return names.filter((name) => !listed.has(name))
}
