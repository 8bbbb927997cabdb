import { countEdits } from '../model/count-edits.ts'

/** Quote assets that are tried behind a base that stands alone, the likeliest first; of COIN-M the perpetual contract. */
const ENDINGS = ['USDT', 'USD_PERP', 'USDC', 'FDUSD', 'BTC', 'TRY'] as const
/** Symbols that are named at most. */
const MOST = 3
/** Letters that may differ, and what is added in front at most (`1000` of `1000PEPEUSDT`). */
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
  const edited = known
    .map((one) => ({ one, edits: countEdits(plain, plainOf(one), Math.min(MOST_EDITS, Math.floor(plain.length / 3))) }))
    .filter(({ edits }) => edits !== undefined)
    .sort((a, b) => (a.edits ?? 0) - (b.edits ?? 0) || (a.one < b.one ? -1 : 1))
  const least = edited[0]?.edits
  const nearest = edited.filter(({ edits }) => edits === least).map(({ one }) => one)
  const prefixed = known.filter((one) => one.endsWith(symbol) && one.length <= symbol.length + LONGEST_PREFIX)
  return (nearest.length > 0 ? nearest : prefixed).slice(0, MOST)
}

function plainOf(symbol: string): string {
  return symbol.replace(/[^\p{L}\p{N}]/gu, '')
}
