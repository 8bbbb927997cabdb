import type { Dataset, DatasetColumn } from '../../dataset/dataset.ts'
import type { ErrorCode } from '../../errors.ts'
import type { Columns, ColumnType, Values } from '../../model/columns.ts'
import { maxLengthUs } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import type { TimeRange } from '../../model/series.ts'
import { dayOfUs, isoOfUs } from '../../model/utc-day.ts'
import { csvError, cut, lineEndAt, parseTimeUs } from './csv-row.ts'

/** A sign, digits, a fraction, an exponent: as archives other than those of klines write small numbers. */
const DECIMAL = /^-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?$/
const WHOLE = /^-?[0-9]+$/
const FLAGS: Readonly<Record<string, number>> = { true: 1, false: 0, True: 1, False: 0 }
const TEXT_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/
const MAX_LINE_BYTES = 65_536
const CR = 13
const LF = 10

/** Whose rows a CSV must have. */
export interface TablePlace {
  readonly market: Market
  readonly symbol: string
  /** of the archive */
  readonly period: TimeRange
}

/** A cell of each row: of a column, or the symbol (null), which is checked and not stored. */
interface Cell {
  readonly header: string
  readonly column: DatasetColumn | null
}

/**
 * Decodes the CSV of any data set by the description of its columns: with or without its header and a byte order mark, LF or CRLF, final
 * newline optional. Slow and exact: each cell is what its column says, or the whole file is refused. Where rows are called by the end of
 * their slot they get its start.
 * @throws CKVD_CSV_HEADER, CKVD_CSV_COLUMNS, CKVD_CSV_NUMBER, CKVD_CSV_TIME, CKVD_CSV_SYMBOL with `details` {line, column, found}
 */
export function decodeTable(bytes: Uint8Array, dataset: Dataset, place: TablePlace): { columns: Columns; rows: number } {
  const cells = cellsOf(dataset)
  const timeOf = timesOf(dataset, place)
  const values = cells.map((): number[] => [])
  let rows = 0
  let line = 0
  for (let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0; at < bytes.length;) {
    const end = lineEndAt(bytes, at)
    const text = textOf(bytes, at, end, ++line, cells.length)
    at = end + 1
    if (line === 1 && text.toLowerCase() === cells.map(({ header }) => header).join(',')) continue
    if (text === '' && isBlankFrom(bytes, at)) break
    const found = text.split(',')
    if (text === '' || found.length !== cells.length) {
      const told = text === '' ? 'an empty line' : `${found.length}`
      throw csvError(codeOf(line, 'CKVD_CSV_COLUMNS'), `Expected ${cells.length} columns, found ${told}`, line, 1, text)
    }
    cells.forEach(({ column }, i) => {
      const cell = found[i] ?? ''
      if (column === null) return checkSymbol(cell, place, line, i)
      const value = parseCell(cell, column, line, i)
      values[i]?.push(column.key === 'openTime' ? timeOf(value, cell, line, i) : value)
    })
    rows++
  }
  const entries = cells.flatMap(({ column }, i) => {
    const own = values[i] ?? []
    return column === null ? [] : [[column.key, valuesOf(column.type, own)]]
  })
  return { columns: Object.fromEntries(entries) as Columns, rows }
}

function valuesOf(type: ColumnType, numbers: readonly number[]): Values {
  if (type === 'float64') return Float64Array.from(numbers)
  return type === 'bool' ? Uint8Array.from(numbers) : BigInt64Array.from(numbers, BigInt)
}

function cellsOf({ columns, symbolAt }: Dataset): readonly Cell[] {
  const cells = columns.map((column): Cell => ({ header: column.header ?? column.name, column }))
  return symbolAt === undefined ? cells : cells.toSpliced(symbolAt, 0, { header: 'symbol', column: null })
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

function parseCell(text: string, column: DatasetColumn, line: number, index: number): number {
  const time = column.isText === true ? 'a time such as 2024-01-01 00:05:00' : 'a time of 13 or 16 digits'
  const expected = { timestamp: time, float64: 'a number', int64: 'a whole number', bool: 'true or false' }[column.type]
  const value = readCell(text, column)
  if (column.nullable === true && (text === '' || text === '""')) return NaN
  if (value !== undefined && value >= (column.least ?? -Infinity) && value <= (column.most ?? Infinity)) return value
  const code = codeOf(line, column.type === 'timestamp' ? 'CKVD_CSV_TIME' : 'CKVD_CSV_NUMBER')
  throw csvError(code, `Expected ${expected} as ${column.header ?? column.name}, found "${cut(text)}"`, line, index + 1, text)
}

function readCell(text: string, { type, isText }: DatasetColumn): number | undefined {
  if (isText === true) return parseTextTimeUs(text)
  if (type === 'bool') return Object.hasOwn(FLAGS, text) ? FLAGS[text] : undefined
  if (type === 'timestamp') return WHOLE.test(text) ? parseTimeUs(text) : undefined
  const value = Number(text)
  if (type === 'float64') return DECIMAL.test(text) && Number.isFinite(value) ? value : undefined
  return WHOLE.test(text) && Number.isSafeInteger(value) ? value : undefined
}

/** The microseconds of `2024-01-01 00:05:00`, UTC; undefined for another text, or a time that no calendar has. */
function parseTextTimeUs(text: string): number | undefined {
  if (!TEXT_TIME.test(text)) return undefined
  const iso = text.replace(' ', 'T')
  const ms = Date.parse(`${iso}Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(iso) ? parseTimeUs(String(ms)) : undefined
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
