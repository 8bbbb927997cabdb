/** What the page of `ckvd availability` was made with, and the time that it spans. */
import type { AvailabilityCells, AvailabilityData } from './availability-data.ts'
import { readData } from '../dom.ts'
import type { TimeSpan } from '../time-axis.ts'
import { byText, dayNumber } from '../words.ts'
import { MARKETS } from '../../model/market.ts'

export const DATA = readData<AvailabilityData>()

function readCells(cells: AvailabilityCells) {
  const [market, symbol, base, quote, kind, first, last, days, missing, holes, live, delivery, interval, intervals] = cells
  return { market, symbol, base, quote, kind, first, last, days, missing, holes, live, delivery, interval, intervals }
}

/** A symbol. */
export type Row = ReturnType<typeof readCells>

const read = DATA.rows.map(readCells)

/** The days that all bars stand in. */
export const SPAN: TimeSpan = spanOf(read)

function spanOf(rows: readonly Row[]): TimeSpan {
  const end = dayNumber(DATA.asOf) + 1
  return { first: rows.reduce((first, row) => Math.min(first, dayNumber(row.first)), end - 1), end }
}

/** All symbols, leaders first: by how many live symbols their base asset has, and since when; then by how many their quote asset has. */
export const ROWS: readonly Row[] = leadersFirst(read)

/** The markets that have symbols, in the order of all reports. */
export const SHOWN_MARKETS = MARKETS.filter((market) => ROWS.some((row) => row.market === market))

function leadersFirst(rows: readonly Row[]): Row[] {
  const live = rows.filter((row) => row.live)
  const bases = countBy(live, (row) => row.base)
  const quotes = countBy(live, (row) => row.quote)
  const begun = new Map<string | null, string>()
  for (const { base, first } of rows) if (first < (begun.get(base) ?? '9')) begun.set(base, first)
  const rank = (counts: ReadonlyMap<string | null, number>, name: string | null): number => (name === null ? 0 : (counts.get(name) ?? 0))
  return [...rows].sort(
    (a, b) =>
      rank(bases, b.base) - rank(bases, a.base) ||
      byText(begun.get(a.base) ?? '', begun.get(b.base) ?? '') ||
      byText(a.base ?? '', b.base ?? '') ||
      Number(b.live) - Number(a.live) ||
      rank(quotes, b.quote) - rank(quotes, a.quote) ||
      MARKETS.indexOf(a.market) - MARKETS.indexOf(b.market) ||
      byText(a.symbol, b.symbol),
  )
}

function countBy<Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, number> {
  const counts = new Map<Key, number>()
  for (const row of rows) counts.set(keyOf(row), (counts.get(keyOf(row)) ?? 0) + 1)
  return counts
}
