/** Letters added, left out, replaced or swapped with their neighbour, from one word to another; undefined: more than `most`. */
export function countEdits(from: string, to: string, most: number): number | undefined {
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
