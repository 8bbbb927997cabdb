import type { Dataset, DatasetColumn } from '../../dataset/dataset.ts'
import type { ErrorCode } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import { csvError, cut, lineEndAt, parseTimeUs } from './csv-row.ts'

/** A sign, digits, a fraction, an exponent: as archives other than those of klines write small numbers. */
const DECIMAL = /^-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?$/
const WHOLE = /^-?[0-9]+$/
const MAX_LINE_BYTES = 65_536
const CR = 13
const LF = 10

/**
 * Decodes the CSV of any data set by the description of its columns: with or without its header and a byte order mark, LF or CRLF, final
 * newline optional. Slow and exact: each cell is what its column says, or the whole file is refused.
 * @throws CKVD_CSV_HEADER, CKVD_CSV_COLUMNS, CKVD_CSV_NUMBER, CKVD_CSV_TIME with `details` {line, column, found}
 */
export function decodeTable(bytes: Uint8Array, { columns: described }: Dataset): { columns: Columns; rows: number } {
  const values = described.map((): number[] => [])
  let rows = 0
  let line = 0
  for (let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0; at < bytes.length;) {
    const end = lineEndAt(bytes, at)
    const text = textOf(bytes, at, end, ++line, described.length)
    at = end + 1
    if (line === 1 && isHeader(text, described)) continue
    if (text === '' && isBlankFrom(bytes, at)) break
    const cells = text.split(',')
    if (text === '' || cells.length !== described.length) {
      const found = text === '' ? 'an empty line' : `${cells.length}`
      throw csvError(codeOf(line, 'CKVD_CSV_COLUMNS'), `Expected ${described.length} columns, found ${found}`, line, 1, text)
    }
    described.forEach((column, i) => values[i]?.push(parseCell(cells[i] ?? '', column, line, i)))
    rows++
  }
  const entries = described.map(({ key, type }, i) => {
    const own = values[i] ?? []
    return [key, type === 'float64' ? Float64Array.from(own) : BigInt64Array.from(own, BigInt)]
  })
  return { columns: Object.fromEntries(entries) as Columns, rows }
}

/** What is wrong with the first line may be its header. */
function codeOf(line: number, code: ErrorCode): ErrorCode {
  return line === 1 ? 'CKVD_CSV_HEADER' : code
}

function isHeader(text: string, described: readonly DatasetColumn[]): boolean {
  return text.toLowerCase() === described.map(({ name, header }) => header ?? name).join(',')
}

function parseCell(text: string, column: DatasetColumn, line: number, index: number): number {
  const expected = { timestamp: 'a time of 13 or 16 digits', float64: 'a number', int64: 'a whole number' }[column.type]
  const value = readCell(text, column)
  if (value !== undefined && value >= (column.least ?? -Infinity) && value <= (column.most ?? Infinity)) return value
  const code = codeOf(line, column.type === 'timestamp' ? 'CKVD_CSV_TIME' : 'CKVD_CSV_NUMBER')
  throw csvError(code, `Expected ${expected} as ${column.header ?? column.name}, found "${cut(text)}"`, line, index + 1, text)
}

function readCell(text: string, { type }: DatasetColumn): number | undefined {
  if (type === 'timestamp') return WHOLE.test(text) ? parseTimeUs(text) : undefined
  const value = Number(text)
  if (type === 'float64') return DECIMAL.test(text) && Number.isFinite(value) ? value : undefined
  return WHOLE.test(text) && Number.isSafeInteger(value) ? value : undefined
}

function textOf(bytes: Uint8Array, start: number, end: number, line: number, columns: number): string {
  const stop = end > start && bytes[end - 1] === CR ? end - 1 : end
  if (stop - start > MAX_LINE_BYTES)
    throw csvError('CKVD_CSV_COLUMNS', `Expected ${columns} columns, found a line of ${stop - start} bytes`, line, 1, '')
  return new TextDecoder('latin1').decode(bytes.subarray(start, stop))
}

/** True when nothing but line ends follows. */
function isBlankFrom(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < bytes.length; at++) if (bytes[at] !== LF && bytes[at] !== CR) return false
  return true
}
