/** Cells of a framed table that fits: lines of a cell are separated by line ends. */
export interface FittedTable {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** blanks on either side of a cell */
  readonly padding: 0 | 1
}

/** What may be broken is broken only where a column would else be wider than this. */
const NARROWEST = 8
/** A word that is longer than any date, number or symbol. */
const LONG_WORD = 40

/**
 * Wraps a table to a width, its frame included. At first only words of the head go to other lines, then the blanks beside the frame go,
 * then words of the cells go to other lines, and only what still does not fit is broken within paths and URLs, after a sign. Dates, numbers
 * and names stay whole. Of the columns the widest give way. Undefined where all that is not enough.
 */
export function fitTable(head: readonly string[], rows: readonly (readonly string[])[], width: number): FittedTable | undefined {
  const columns = head.map((name, i) => ({ name, cells: rows.map((row) => row[i] ?? '') }))
  const wholeCells = columns.map(({ name, cells }) => Math.max(longest(wordsOf(name)), longest(cells.flatMap(linesOf))))
  const wholeWords = columns.map(({ name, cells }) => longest([name, ...cells].flatMap(wordsOf)))
  const steps: readonly { readonly least: readonly number[]; readonly padding: 0 | 1 }[] = [
    { least: wholeCells, padding: 1 },
    { least: wholeCells, padding: 0 },
    { least: wholeWords, padding: 1 },
    { least: wholeWords, padding: 0 },
  ]
  const roomOf = (padding: number): number => width - 1 - head.length * (1 + 2 * padding)
  const broken = columns.map(({ name, cells }) => longest([name, ...cells].flatMap(wordsOf).map(leastPart)))
  const step = [...steps, { least: broken, padding: 0 as const }].find(({ least, padding }) => sum(least) <= roomOf(padding))
  if (step === undefined) return undefined
  const { least, padding } = step
  const full = columns.map(({ name, cells }) => longest([name, ...cells].flatMap(linesOf)))
  const widths = squeeze(full, least, roomOf(padding))
  const wrapRow = (row: readonly string[]): string[] => row.map((cell, i) => wrap(cell, widths[i] ?? NARROWEST))
  return { head: wrapRow(head), rows: rows.map(wrapRow), padding }
}

/** A word, or of one that may be broken as much of it as must stay whole. */
function leastPart(word: string): string {
  return word.length > LONG_WORD || /[/\\]/.test(word) ? word.slice(0, NARROWEST) : word
}

/** Widths whose sum is at most `room`, or as close to it as the least widths allow. */
function squeeze(full: readonly number[], least: readonly number[], room: number): number[] {
  const widths = [...full]
  const spare = (i: number): number => (widths[i] ?? 0) - (least[i] ?? 0)
  for (let excess = sum(widths) - room; excess > 0; excess--) {
    const widest = widths.reduce((best, one, i) => (spare(i) > 0 && (best < 0 || one > (widths[best] ?? 0)) ? i : best), -1)
    if (widest < 0) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths
}

function wrap(cell: string, width: number): string {
  return linesOf(cell)
    .flatMap((line) => (line.length <= width ? [line] : fill(wordsOf(line), width)))
    .join('\n')
}

/** Lines of words; a word that is longer than a line is broken, after a sign between its parts where there is one. */
function fill(words: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`
      continue
    }
    let rest = word
    while (rest.length > width) {
      const cut = Math.max(...['/', '.', '-', '_', ','].map((sign) => rest.lastIndexOf(sign, width - 1))) + 1
      lines.push(rest.slice(0, cut === 0 ? width : cut))
      rest = rest.slice(cut === 0 ? width : cut)
    }
    lines.push(rest)
  }
  return lines
}

function linesOf(text: string): string[] {
  return text.split('\n')
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/)
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, { length }) => Math.max(most, length), 0)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
