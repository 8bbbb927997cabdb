import type { Table } from 'apache-arrow'
import type { Output } from './output.ts'
import { formatCount, printTable } from './output.ts'
import { gapsOf, mapRows, namesOf } from './table-rows.ts'

/** Rows that `--format table` shows at either end of a longer result. */
const SHOWN_ROWS = 10

/** Columns that a terminal shows when not all of them fit. */
const NARROW: ReadonlySet<string> = new Set(['open_time', 'open', 'high', 'low', 'close', 'volume', '_data_source'])

/**
 * A table for people: its ends when it is long, then how many rows it has and which bars do not exist. A terminal that is too narrow for
 * all columns gets those that people look at, and is told so; a pipe gets all.
 */
export function describeTable(table: Table, output: Output): string {
  const names = namesOf(table)
  const long = table.numRows > 2 * SHOWN_ROWS
  const parts = long ? [table.slice(0, SHOWN_ROWS), table.slice(-SHOWN_ROWS)] : [table]
  const rows = parts.map((part) => mapRows(part, (cells) => cells.map(String)))
  if (long) rows.splice(1, 0, [names.map(() => '…')])
  const all = { head: names, rows: rows.flat() }
  const fits = output.isTTY !== true || names.length <= NARROW.size || output.columns === undefined || widthOf(all) <= output.columns
  const kept = fits ? names.map((_, i) => i) : names.flatMap((name, i) => (NARROW.has(name) ? [i] : []))
  const pick = (cells: readonly string[]): string[] => kept.map((i) => (fits ? cells[i] : shortTime(cells[i] ?? '')) ?? '')
  let text = ''
  const target = {
    write: (part: string) => (text += part),
    isTTY: output.isTTY === true,
    ...(output.columns === undefined ? {} : { columns: output.columns }),
  }
  printTable(target, {
    head: pick(names),
    rows: all.rows.map(pick),
    align: pick(names).map((name) => (name.startsWith('_') ? 'left' : 'right')),
  })
  const hidden = names.length - kept.length
  const more = hidden === 0 ? '' : `; ${hidden} more columns: --format csv, json or arrow`
  return `${text}${formatCount(table.numRows)} rows${describeGaps(table)}${more}\n`
}

function describeGaps(table: Table): string {
  const gaps = gapsOf(table)
  if (gaps.length === 0) return ''
  const missing = gaps.reduce((sum, { bars }) => sum + bars, 0)
  const others = gaps.length > 1 ? ` (and ${gaps.length - 1} more gaps, see --json)` : ''
  return `; ${formatCount(missing)} bars do not exist: ${gaps[0]?.evidence ?? ''}${others}`
}

/** Columns of a terminal that a framed table takes. */
function widthOf({ head, rows }: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] }): number {
  return head.reduce((sum, name, i) => sum + 3 + Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)), 1)
}

/** `2024-03-08 13:00Z` for a full minute, which most bars open at. */
function shortTime(text: string): string {
  return text.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):00\.000Z$/, '$1 $2Z')
}
