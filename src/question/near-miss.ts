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

/** Letters added, left out, replaced or swapped with their neighbour, from one word to another; undefined: more than `most`. */
function countEdits(from: string, to: string, most: number): number | undefined {
  if (Math.abs(from.length - to.length) > most) return undefined
  let [before, row]: number[][] = [[], Array.from({ length: to.length + 1 }, (_none, i) => i)]
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const [above = 0, left = 0, corner = 0] = [row?.[j], next[j - 1], row?.[j - 1]]
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      const swapped = isSwap ? (before?.[j - 2] ?? 0) + 1 : Infinity
      next.push(Math.min(above + 1, left + 1, corner + (from[i - 1] === to[j - 1] ? 0 : 1), swapped))
    }
    ;[before, row] = [row, next]
  }
  const edits = row?.[to.length] ?? 0
  return edits <= most ? edits : undefined
}
