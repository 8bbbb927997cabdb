import type { Output } from './output.ts'
import { printTable } from './output.ts'

/** Columns that a terminal shows when not all of them fit. */
const NARROW: ReadonlySet<string> = new Set([
  ...['symbol', 'open_time', 'open', 'high', 'low', 'close', 'volume'],
  ...['bars', 'expected_bars', '_data_source'],
])
/** Columns of text; all others stand right. */
const TEXTS: ReadonlySet<string> = new Set(['market', 'symbol', '_data_source'])

/**
 * Bars as a table for people. A terminal that is too narrow for all columns gets those that people look at; a pipe gets all.
 * @returns the table's text, and how many columns are left out
 */
export function formatBarTable(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  output: Pick<Output, 'isTTY' | 'columns'>,
): { readonly text: string; readonly hidden: number } {
  const fits = output.isTTY !== true || output.columns === undefined || widthOf(names, rows) <= output.columns
  const kept = names.flatMap((name, i) => (fits || NARROW.has(name) ? [i] : []))
  const isShort = kept.length < names.length
  const pick = (cells: readonly string[]): string[] => kept.map((i) => (isShort ? shortTime(cells[i] ?? '') : (cells[i] ?? '')))
  let text = ''
  const target = {
    write: (part: string) => (text += part),
    isTTY: output.isTTY === true,
    ...(output.columns === undefined ? {} : { columns: output.columns }),
  }
  const head = pick(names)
  printTable(target, { head, rows: rows.map(pick), align: head.map((name) => (TEXTS.has(name) ? 'left' : 'right')) })
  return { text, hidden: names.length - kept.length }
}

/** Columns of a terminal that a framed table takes. */
function widthOf(names: readonly string[], rows: readonly (readonly string[])[]): number {
  return names.reduce((sum, name, i) => sum + 3 + Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)), 1)
}

/** `2024-03-08 13:00Z` for a full minute, which most bars open at. */
function shortTime(text: string): string {
  return text.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):00\.0+Z$/, '$1 $2Z')
}
