import damerauLevenshtein from 'damerau-levenshtein'

/** Quote assets that are tried behind a base that stands alone, the likeliest first; of COIN-M the perpetual contract. */
const ENDINGS = ['USDT', 'USD_PERP', 'USDC', 'FDUSD', 'BTC', 'TRY'] as const
/** Symbols that are named at most. */
const MOST = 3
/** Letters added, left out, replaced or swapped with their neighbour at most, and what is added in front (`1000` of `1000PEPEUSDT`). */
const MOST_EDITS = 2
const LONGEST_PREFIX = 8

/** Symbols of a list that were probably meant, the likeliest first: other separators, a base alone, a start left out, letters mistyped. */
export function findNearMisses(symbol: string, known: readonly string[]): string[] {
  const plain = plainOf(symbol)
  if (plain === '') return []
  const same = known.filter((one) => plainOf(one) === plain)
  if (same.length > 0) return same.slice(0, MOST)
  const whole = new Set(known)
  const quoted = ENDINGS.map((ending) => `${symbol}${ending}`).filter((one) => whole.has(one))
  if (quoted.length > 0) return quoted.slice(0, 1)
  const most = Math.min(MOST_EDITS, Math.floor(plain.length / 3))
  const edited = known
    .filter((one) => Math.abs(plainOf(one).length - plain.length) <= most)
    .map((one) => ({ one, edits: damerauLevenshtein(plain, plainOf(one)).steps }))
    .filter(({ edits }) => edits <= most)
    .sort((a, b) => a.edits - b.edits || (a.one < b.one ? -1 : 1))
  const nearest = edited.filter(({ edits }) => edits === edited[0]?.edits).map(({ one }) => one)
  const prefixed = known.filter((one) => one.endsWith(symbol) && one.length <= symbol.length + LONGEST_PREFIX)
  return (nearest.length > 0 ? nearest : prefixed).slice(0, MOST)
}

function plainOf(symbol: string): string {
  return symbol.replace(/[^\p{L}\p{N}]/gu, '')
}
