import { gzipSync } from 'node:zlib'
import type { DatasetColumn } from '../../dataset/dataset.ts'
import type { Columns } from '../../model/columns.ts'
import { doublesOf, isTexts } from '../../model/columns.ts'
import { CsvBytes } from './csv-bytes.ts'

/** Rows that are text at once: a day of `1s` bars is 13 MB of it. */
const BLOCK_ROWS = 8192

/**
 * Rows of a data set as CSV: a header with the shards' column names, times as ISO text in UTC with microseconds, each number the shortest decimal
 * that reads back to the same float64, never with an exponent.
 */
export function encodeRowsCsv(columns: Columns, described: readonly DatasetColumn[]): Uint8Array {
  const rows = columns.openTime.length
  const out = new CsvBytes()
  const cells = described.map(({ key, type, nullable, words = [] }): ((row: number) => void) => {
    const values = columns[key] ?? new Float64Array(rows)
    if (isTexts(values)) return (row) => out.text(values[row] ?? '')
    const numbers = doublesOf(values)
    // rows are below the length of every column
    if (nullable === true) return (row) => (Number.isNaN(numbers[row]) ? undefined : out.number(numbers[row] as number))
    if (type === 'word') return (row) => out.text(words[numbers[row] as number] ?? '')
    if (type === 'bool') return (row) => out.text(numbers[row] === 1 ? 'true' : 'false')
    return type === 'timestamp' ? (row) => out.time(numbers[row] as number) : (row) => out.number(numbers[row] as number)
  })
  const head = Buffer.from(csvLine(described.map(({ name }) => name)))
  return Buffer.concat([head, ...csvBlocks(out, cells, rows)])
}

/** Rows of CSV, block by block: each of `cells` writes the cell of a row to `out`. */
export function* csvBlocks(out: CsvBytes, cells: readonly ((row: number) => void)[], rows: number): Generator<Uint8Array> {
  for (let start = 0; start < rows; start += BLOCK_ROWS) {
    for (let row = start; row < Math.min(rows, start + BLOCK_ROWS); row++) {
      cells.forEach((cell, column) => {
        if (column > 0) out.comma()
        cell(row)
      })
      out.endLine()
    }
    yield out.take()
  }
}

/** A line of CSV: a field with a comma, a quote or a line end is quoted; null is nothing. */
export function csvLine(fields: readonly (string | number | boolean | null)[]): string {
  return `${fields.map((field) => (field === null ? '' : csvText(String(field)))).join(',')}\n`
}

/** A text as a field of CSV: see `csvLine`. */
export function csvText(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** gzip, the same bytes on every platform: the header's time is 0, and its operating system "unknown" (RFC 1952, 2.3.1). */
export function gzip(bytes: Uint8Array): Uint8Array {
  const packed = gzipSync(bytes)
  packed[9] = 255
  return packed
}
