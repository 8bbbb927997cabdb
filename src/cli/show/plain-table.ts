import type { Align } from './output.ts'

/** Rows after which the widths of the columns stay as they are. */
const MEASURED_ROWS = 1000

/** Rows of any number as columns of text, for a pipe or a file: nothing is left out, and what has been measured is not held. */
export class PlainTable {
  readonly #align: readonly Align[]
  readonly #widths: number[]
  #waiting: (readonly string[])[]
  #isMeasured = false

  constructor(head: readonly string[], align: readonly Align[]) {
    this.#align = align
    this.#widths = head.map(() => 0)
    this.#waiting = [head]
  }

  /** Takes a row; gives the text that may be written now. */
  add(row: readonly string[]): string {
    if (this.#isMeasured) return this.#line(row)
    this.#waiting.push(row)
    return this.#waiting.length > MEASURED_ROWS ? this.end() : ''
  }

  /** The text of the rows that wait. */
  end(): string {
    const rows = this.#waiting
    this.#waiting = []
    for (const row of this.#isMeasured ? [] : rows)
      row.forEach((cell, i) => (this.#widths[i] = Math.max(this.#widths[i] ?? 0, cell.length)))
    this.#isMeasured = true
    return rows.map((row) => this.#line(row)).join('')
  }

  #line(row: readonly string[]): string {
    const cells = row.map((cell, i) => {
      const width = this.#widths[i] ?? 0
      return this.#align[i] === 'right' ? cell.padStart(width) : cell.padEnd(width)
    })
    return `${cells.join('  ').trimEnd()}\n`
  }
}
