import type { Table } from 'apache-arrow'
import { formatBarTable } from './bar-table.ts'
import type { Output } from './output.ts'
import { formatCountOf } from './output.ts'
import { gapsOf, mapRows, namesOf } from './table-rows.ts'

/** Rows that `--format table` shows at either end of a longer result. */
const SHOWN_ROWS = 10

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
  const { text, hidden } = formatBarTable(names, rows.flat(), output)
  const more = hidden === 0 ? '' : `; ${formatCountOf(hidden, 'more column')}: --format csv, json or arrow`
  return `${text}${formatCountOf(table.numRows, 'row')}${describeGaps(table)}${more}\n`
}

function describeGaps(table: Table): string {
  const gaps = gapsOf(table)
  if (gaps.length === 0) return ''
  const missing = gaps.reduce((sum, { bars }) => sum + bars, 0)
  const others = gaps.length > 1 ? ` (and ${formatCountOf(gaps.length - 1, 'more gap')}, see --json)` : ''
  return `; ${formatCountOf(missing, 'bar does', 'bars do')} not exist: ${gaps[0]?.evidence ?? ''}${others}`
}
