import type { KlineColumns } from '../../model/kline.ts'
import type { Bar } from './csv-row.ts'
import { checkHeader, lineEndAt, lineText, parseRow } from './csv-row.ts'
import { scanRows } from './csv-scan.ts'
import { RowTable } from './row-table.ts'

/** A CSV of klines as columns. */
export interface DecodedCsv {
  /** the rows in the order of the file: not sorted, duplicates included */
  readonly columns: KlineColumns
  readonly rows: number
}

/** Takes the rows of one CSV into columns. */
export interface RowTaker {
  /** rows taken so far */
  readonly rows: number
  /** Takes rows from byte `start` on and returns where the first row begins that it leaves to `parseRow`. */
  scan(start: number): number
  push(bar: Bar): void
  columns(): KlineColumns
}

/** Begins with a CSV; `capacity` is a guess of its rows. */
export type OpenTaker = (bytes: Uint8Array, capacity: number) => RowTaker

const LF = 10
const CR = 13

/** Twelve cells, two of them times, and their separators: no row is shorter. Bounds the guess for a hostile first line. */
export const MIN_ROW_BYTES = 48
/** The first line is as long as the others only nearly: a little room to spare is cheaper than growing. */
const SPARE_RATIO = 1.05
const SPARE_ROWS = 16

/**
 * Decodes a kline CSV: with or without a header and a byte order mark, LF or CRLF, final newline optional.
 *
 * A scanner takes the rows that look as rows do; it never decides that a row is wrong, but hands every other row to
 * `parseRow`, which reads it slowly and either returns it or throws the exact error. So there is one definition of a row.
 * @param open the scanner; default the one in JavaScript (see `csv-wasm.ts` for the fast one)
 * @throws CKVD_CSV_HEADER, CKVD_CSV_COLUMNS, CKVD_CSV_NUMBER, CKVD_CSV_TIME with `details` {line, column, found}
 */
export function decodeCsv(bytes: Uint8Array, open: OpenTaker = openTable): DecodedCsv {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  let firstLine = 1
  if (at < bytes.length && !isDigit(bytes[at]) && !isBlankFrom(bytes, at)) {
    const end = lineEndAt(bytes, at)
    checkHeader(lineText(bytes, at, end, 1))
    firstLine = 2
    at = end + 1
  }
  const taker = open(bytes, guessRows(bytes, at))
  while (at < bytes.length) {
    at = taker.scan(at)
    if (isBlankFrom(bytes, at)) break
    const line = firstLine + taker.rows
    const end = lineEndAt(bytes, at)
    taker.push(parseRow(lineText(bytes, at, end, line), line))
    at = end + 1
  }
  return { columns: taker.columns(), rows: taker.rows }
}

function openTable(bytes: Uint8Array, capacity: number): RowTaker {
  const table = new RowTable(capacity)
  return {
    get rows() {
      return table.rows
    },
    scan: (start) => scanRows(bytes, start, table),
    push: (bar) => table.push(bar),
    columns: () => table.columns(),
  }
}

/** True when nothing but line ends follows; the end of the bytes counts. */
function isBlankFrom(bytes: Uint8Array, start: number): boolean {
  let at = start
  while (bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF)) at++
  return at >= bytes.length
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 48 && byte <= 57
}

function guessRows(bytes: Uint8Array, start: number): number {
  const lineBytes = Math.max(MIN_ROW_BYTES, lineEndAt(bytes, start) + 1 - start)
  return Math.ceil(((bytes.length - start) / lineBytes) * SPARE_RATIO) + SPARE_ROWS
}
