import type { Align } from './output.ts'
import { formatCount, formatCountOf, printTable } from './output.ts'
import { PlainTable } from './plain-table.ts'

/** Columns in the order in which a narrow terminal gets them; others come after these. */
const FIRST_SHOWN = [
  'open_time',
  'funding_time',
  'create_time',
  'transact_time',
  'transaction_time',
  'timestamp',
  'time',
  'calc_time',
  'funding_rate',
  'contract',
  'index_value',
  'mark_price',
  'close',
  'bars',
  'expected_bars',
  'price',
  'side',
  'average_price',
  'best_bid_price',
  'best_ask_price',
  'percentage',
  'depth',
  'symbol',
  'open',
  'high',
  'low',
  'volume',
  '_data_source',
]
/** Columns of text; all others stand right. */
const TEXTS: ReadonlySet<string> = new Set([
  ...['market', 'symbol', '_data_source', 'side', 'order_type', 'time_in_force', 'order_status'],
  ...['base_asset', 'quote_asset', 'contract', 'underlying', 'type', 'strike'],
])

/** The ends of a long table, as a terminal shows it. */
export interface TableEnds {
  readonly first: readonly (readonly string[])[]
  readonly last: readonly (readonly string[])[]
  /** of the whole table */
  readonly rows: number
}

/** How each column of bars stands. */
export function alignBars(names: readonly string[]): Align[] {
  return names.map((name) => (TEXTS.has(name) ? 'left' : 'right'))
}

/** How a long table is shown on a terminal. */
interface EndsForm {
  readonly ends: TableEnds
  /** width of the terminal */
  readonly columns: number | undefined
  readonly align: readonly Align[]
  /** columns that a narrow terminal gets before others; default: in the table's order */
  readonly firstShown?: readonly string[]
  /** true: columns stand close, so that more of them fit */
  readonly isDense?: boolean
}

/** A table's ends, and of the columns as many as fit; `columns` counts them. */
export function formatEnds(names: readonly string[], { ends, columns, align, firstShown = [], isDense = false }: EndsForm) {
  const { first, last, rows } = ends
  const isCut = rows > first.length + last.length
  const shown = [...first, ...(isCut ? [names.map(() => '…')] : []), ...last]
  const kept = fittingColumns(names, shown, { columns: columns ?? Infinity, firstShown, frame: isDense ? 1 : 3 })
  const pick = <T>(cells: readonly T[]): T[] => kept.flatMap((i) => cells[i] ?? [])
  let text = ''
  const target = { write: (part: string) => (text += part), isTTY: true, columns }
  printTable(target, { head: pick(names), rows: shown.map(pick), align: pick(align) })
  return { text, columns: { shown: kept.length, all: names.length } }
}

/** A table of bars for a terminal, with what is not shown of it. */
export function formatBarEnds(names: readonly string[], ends: TableEnds, columns: number | undefined, word: string): string {
  const shown = formatEnds(names, { ends, columns, align: alignBars(names), firstShown: FIRST_SHOWN })
  return `${shown.text}${describeShown(ends, shown.columns, word)}`
}

/** What the line below a terminal's table says of what is shown: `2,880 rows, 20 of them and 7 of 12 columns shown; --out FILE.csv has all`. */
export function describeShown(
  { first, last, rows }: TableEnds,
  columns: { readonly shown: number; readonly all: number },
  word: string,
): string {
  const shown = first.length + last.length
  const parts = [
    ...(shown < rows ? [`${formatCount(shown)} of them`] : []),
    ...(columns.shown < columns.all ? [`${columns.shown} of ${columns.all} columns`] : []),
  ]
  const count = formatCountOf(rows, word)
  return parts.length === 0 ? count : `${count}, ${parts.join(' and ')} shown; --out FILE.csv has all`
}

/** All rows of a table as columns of text. */
export function formatWhole(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new PlainTable(names, alignBars(names))
  return rows.map((row) => table.add(row)).join('') + table.end()
}

/** Indexes of the columns that fit side by side, in the table's order. */
function fittingColumns(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  { columns, firstShown, frame }: { readonly columns: number; readonly firstShown: readonly string[]; readonly frame: number },
): number[] {
  const rankOf = (i: number): number => {
    const rank = firstShown.indexOf(names[i] ?? '')
    return rank < 0 ? firstShown.length + i : rank
  }
  const kept: number[] = []
  let width = 1
  for (const i of names.map((_name, at) => at).sort((a, b) => rankOf(a) - rankOf(b))) {
    // words of a head may stand in several lines, a cell may not
    const words = names[i]?.split(' ') ?? []
    width += frame + Math.max(...words.map(({ length }) => length), ...rows.map((row) => row[i]?.length ?? 0))
    if (width > columns && kept.length > 0) break
    kept.push(i)
  }
  return kept.sort((a, b) => a - b)
}
