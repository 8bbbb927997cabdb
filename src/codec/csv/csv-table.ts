import type { Dataset, DatasetColumn } from '../../dataset/dataset.ts'
import type { ErrorCode } from '../../errors.ts'
import type { CellValue, Columns, ColumnType, Values } from '../../model/columns.ts'
import { isByte, isPlainText } from '../../model/columns.ts'
import { maxLengthUs } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import type { TimeRange } from '../../model/series.ts'
import { dayOfUs, isoOfUs } from '../../model/utc-day.ts'
import { csvError, cut, lineEndAt, parseTimeUs } from './csv-row.ts'

/** A sign, digits, a fraction, an exponent: as archives other than those of klines write small numbers. */
const DECIMAL = /^-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?$/
const WHOLE = /^-?[0-9]+$/
const FLAGS: Readonly<Record<string, number>> = { true: 1, false: 0, True: 1, False: 0 }
const DATE = /^\d{4}-\d\d-\d\d$/
const HOUR = /^\d{1,2}$/
const US_PER_HOUR = 3_600_000_000
const TEXT_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/
/** What is longer than this is no row, and is not looked at as a whole. */
export const MAX_LINE_BYTES = 65_536
/** Length of a byte order mark. */
export const MARK_BYTES = 3
const CR = 13
const LF = 10

/** Whose rows a CSV must have. */
export interface TablePlace {
  readonly market: Market
  readonly symbol: string
  /** of the archive */
  readonly period: TimeRange
}

/** A cell of each row: of a column, the symbol, which is checked and not stored, or the hour of the date before it. */
interface Cell {
  readonly header: string
  readonly column: DatasetColumn | 'symbol' | 'hour'
}

/** The rows of a data set as columns, in the order of the file: not sorted, duplicates included. */
export interface DecodedTable {
  readonly columns: Columns
  readonly rows: number
}

/** What a line of a data set's CSV is, of which there is this one definition. */
export interface LineReader {
  /** true for the header, which only the first line can be */
  isHeader(text: string): boolean
  /**
   * The text of the line [start, end) without a CR at its end.
   * @param more bytes of the line that were before these
   */
  textOf(bytes: Uint8Array, start: number, end: number, line: number, more?: number): string
  /** The values of a row, column by column; `text` is not that of blank lines at the end, which are no rows. */
  parse(text: string, line: number): readonly CellValue[]
}

/**
 * Decodes the CSV of any data set by the description of its columns: with or without its header and a byte order mark, LF or CRLF, final
 * newline optional. Slow and exact: each cell is what its column says, or the whole file is refused. Where rows are called by the end of
 * their slot they get its start. `table-scan.ts` has the fast way, which gives the same.
 * @throws CKVD_CSV_HEADER, CKVD_CSV_COLUMNS, CKVD_CSV_NUMBER, CKVD_CSV_TIME, CKVD_CSV_SYMBOL, CKVD_CSV_WORD with `details` {line, column, found}
 */
export function decodeTable(bytes: Uint8Array, dataset: Dataset, place: TablePlace): DecodedTable {
  const reader = readLines(dataset, place)
  const values = dataset.columns.map((): CellValue[] => [])
  let rows = 0
  let line = 0
  for (let at = hasMark(bytes) ? MARK_BYTES : 0; at < bytes.length;) {
    const end = lineEndAt(bytes, at)
    const text = reader.textOf(bytes, at, end, ++line)
    at = end + 1
    if (line === 1 && reader.isHeader(text)) continue
    if (text === '' && isBlankFrom(bytes, at)) break
    reader.parse(text, line).forEach((value, i) => values[i]?.push(value))
    rows++
  }
  const entries = dataset.columns.map(({ key, type }, i) => [key, valuesOf(type, values[i] ?? [])])
  return { columns: Object.fromEntries(entries) as Columns, rows }
}

/** Reads the lines of a CSV one by one, each exactly. The errors of `parse` and `textOf` are those of `decodeTable`. */
export function readLines(dataset: Dataset, place: TablePlace): LineReader {
  const cells = cellsOf(dataset)
  const timeOf = timesOf(dataset, place)
  const header = cells.map((cell) => cell.header).join(',')
  return {
    isHeader: (text) => text.toLowerCase() === header,
    textOf: (bytes, start, end, line, more = 0) => textOf(bytes, { start, end, more }, line, cells.length),
    parse(text, line) {
      const found = text.split(',')
      if (text === '' || found.length !== cells.length) {
        const told = text === '' ? 'an empty line' : `${found.length}`
        throw csvError(codeOf(line, 'CKVD_CSV_COLUMNS'), `Expected ${cells.length} columns, found ${told}`, line, 1, text)
      }
      const values: CellValue[] = []
      cells.forEach(({ column, header }, i) => {
        const cell = found[i] ?? ''
        if (column === 'symbol') return checkSymbol(cell, place, line, i)
        if (column === 'hour') {
          values.push(Number(values.pop()) + parseHour(cell, header, line, i) * US_PER_HOUR)
          return
        }
        const value = parseCell(cell, column, line, i)
        values.push(column.key === 'openTime' ? timeOf(value as number, cell, line, i) : value)
      })
      return values
    },
  }
}

/** True where the bytes begin with a byte order mark. */
export function hasMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

function valuesOf(type: ColumnType, values: readonly CellValue[]): Values {
  if (type === 'text') return values as readonly string[]
  const numbers = values as readonly number[]
  if (type === 'float64') return Float64Array.from(numbers)
  return isByte(type) ? Uint8Array.from(numbers) : BigInt64Array.from(numbers, BigInt)
}

function cellsOf({ columns, symbolAt }: Dataset): readonly Cell[] {
  const cells = columns.flatMap((column): Cell[] => [
    { header: column.header ?? column.name, column },
    ...(column.hour === undefined ? [] : [{ header: column.hour, column: 'hour' as const }]),
  ])
  return symbolAt === undefined ? cells : cells.toSpliced(symbolAt, 0, { header: 'symbol', column: 'symbol' })
}

function parseHour(text: string, header: string, line: number, index: number): number {
  const hour = HOUR.test(text) ? Number(text) : NaN
  if (hour <= 23) return hour
  throw csvError(codeOf(line, 'CKVD_CSV_TIME'), `Expected an hour from 0 to 23 as ${header}, found "${cut(text)}"`, line, index + 1, text)
}

function checkSymbol(text: string, { symbol }: TablePlace, line: number, index: number): void {
  if (text === symbol) return
  throw csvError(codeOf(line, 'CKVD_CSV_SYMBOL'), `Expected ${symbol} as symbol, found "${cut(text)}"`, line, index + 1, text)
}

/** Gives the time of a row by what its archive calls it. */
type TimeOf = (labelUs: number, text: string, line: number, index: number) => number

function timesOf({ endLabels, grid, columns }: Dataset, { market, period }: TablePlace): TimeOf {
  if (endLabels === undefined) return (labelUs) => labelUs
  const isAtEnd = dayOfUs(period.startUs) < (endLabels[market] ?? '')
  const lateUs = isAtEnd ? maxLengthUs(grid) : 0
  return (labelUs, text, line, index) => {
    const timeUs = labelUs - lateUs
    if (timeUs >= period.startUs && timeUs < period.endUs) return timeUs
    const expected = `the ${isAtEnd ? 'end' : 'start'} of a slot from ${isoOfUs(period.startUs)} to ${isoOfUs(period.endUs)}`
    const time = columns.find(({ key }) => key === 'openTime')
    const name = time?.header ?? time?.name
    throw csvError(codeOf(line, 'CKVD_CSV_TIME'), `Expected ${expected} as ${name}, found "${cut(text)}"`, line, index + 1, text)
  }
}

/** What is wrong with the first line may be its header. */
function codeOf(line: number, code: ErrorCode): ErrorCode {
  return line === 1 ? 'CKVD_CSV_HEADER' : code
}

function parseCell(text: string, column: DatasetColumn, line: number, index: number): CellValue {
  const time =
    column.hour !== undefined
      ? 'a date such as 2024-01-01'
      : column.isText === true
        ? 'a time such as 2024-01-01 00:05:00'
        : 'a time of 13 or 16 digits'
  const word = `one of ${(column.words ?? []).join(', ')}`
  const plain = 'a name of 1 to 64 printable characters'
  const expected = { timestamp: time, float64: 'a number', int64: 'a whole number', bool: 'true or false', word, text: plain }[column.type]
  const value = column.type === 'text' ? (isPlainText(text) ? text : undefined) : readCell(text, column)
  if (column.nullable === true && (text === '' || text === '""')) return NaN
  if (typeof value === 'string' || (value !== undefined && value >= (column.least ?? -Infinity) && value <= (column.most ?? Infinity)))
    return value
  const codes: Partial<Record<ColumnType, ErrorCode>> = { timestamp: 'CKVD_CSV_TIME', word: 'CKVD_CSV_WORD', text: 'CKVD_CSV_WORD' }
  const code = codeOf(line, codes[column.type] ?? 'CKVD_CSV_NUMBER')
  throw csvError(code, `Expected ${expected} as ${column.header ?? column.name}, found "${cut(text)}"`, line, index + 1, text)
}

function readCell(text: string, { type, isText, hour, words }: DatasetColumn): number | undefined {
  if (hour !== undefined) return DATE.test(text) ? parseTextTimeUs(`${text} 00:00:00`) : undefined
  if (isText === true) return parseTextTimeUs(text)
  if (type === 'bool') return Object.hasOwn(FLAGS, text) ? FLAGS[text] : undefined
  if (type === 'word') return placeOf(text, words)
  if (type === 'timestamp') return WHOLE.test(text) ? parseTimeUs(text) : undefined
  const value = Number(text)
  if (type === 'float64') return DECIMAL.test(text) && Number.isFinite(value) ? value : undefined
  return WHOLE.test(text) && Number.isSafeInteger(value) ? value : undefined
}

function placeOf(text: string, words: readonly string[] = []): number | undefined {
  const place = words.indexOf(text)
  return place < 0 ? undefined : place
}

/** The microseconds of `2024-01-01 00:05:00`, UTC; undefined for another text, or a time that no calendar has. */
function parseTextTimeUs(text: string): number | undefined {
  if (!TEXT_TIME.test(text)) return undefined
  const iso = text.replace(' ', 'T')
  const ms = Date.parse(`${iso}Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(iso) ? parseTimeUs(String(ms)) : undefined
}

/** A line in its bytes, and how many of its own came before them. */
interface LinePlace {
  readonly start: number
  readonly end: number
  readonly more: number
}

function textOf(bytes: Uint8Array, { start, end, more }: LinePlace, line: number, columns: number): string {
  const stop = end > start && bytes[end - 1] === CR ? end - 1 : end
  const found = stop - start + more
  if (found > MAX_LINE_BYTES) throw csvError('CKVD_CSV_COLUMNS', `Expected ${columns} columns, found a line of ${found} bytes`, line, 1, '')
  return new TextDecoder('latin1').decode(bytes.subarray(start, stop))
}

/** True when nothing but line ends follows. */
export function isBlankFrom(bytes: Uint8Array, start: number): boolean {
  for (let at = start; at < bytes.length; at++) if (bytes[at] !== LF && bytes[at] !== CR) return false
  return true
}
