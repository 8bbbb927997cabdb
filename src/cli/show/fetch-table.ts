import type { Table } from 'apache-arrow'
import { rowWord } from '../../dataset/told.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import { formatBarEnds, formatWhole } from './bar-table.ts'
import type { Output } from './output.ts'
import { formatCountOf } from './output.ts'
import { gapsOf, mapRows, namesOf } from './table-rows.ts'

/** Rows that a terminal shows at either end of a longer result. */
const SHOWN_ROWS = 10

/**
 * A table for people: how many rows it has and which bars do not exist stand at its end. A terminal gets its ends when it is long, and of
 * the columns as many as fit, and is told so; a pipe or a file gets all.
 */
export function describeTable(table: Table, output: Pick<Output, 'isTTY' | 'columns'>): string {
  const names = namesOf(table)
  const rowsOf = (part: Table): string[][] => mapRows(part, (cells) => cells.map(String))
  if (output.isTTY !== true) return `${formatWhole(names, rowsOf(table))}${formatCountOf(table.numRows, 'row')}${describeGaps(table)}\n`
  const isLong = table.numRows > 2 * SHOWN_ROWS
  const ends = {
    first: rowsOf(isLong ? table.slice(0, SHOWN_ROWS) : table),
    last: isLong ? rowsOf(table.slice(-SHOWN_ROWS)) : [],
    rows: table.numRows,
  }
  return `${formatBarEnds(names, ends, output.columns, 'row')}${describeGaps(table)}\n`
}

function describeGaps(table: Table): string {
  const gaps = gapsOf(table)
  const [first] = gaps
  if (first === undefined) return ''
  const missing = gaps.reduce<number | null>((sum, { bars }) => (sum === null || bars === null ? null : sum + bars), 0)
  const word = rowWord({ dataset: table.schema.metadata.get('ckvd.dataset') })
  const what = missing === null ? `All ${word}s do` : formatCountOf(missing, `${word} does`, `${word}s do`)
  const others = gaps.length > 1 ? ` (and ${formatCountOf(gaps.length - 1, 'more gap')}, see --json)` : ''
  return `\n${what} not exist, from ${isoOfUs(first.start)} to ${isoOfUs(first.end)}: ${first.evidence}${others}`
}
