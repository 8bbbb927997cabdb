import { CkvdError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'

/** Columns of a kline CSV: the eleven of a shard and a last one that is always `0`. */
export const CSV_COLUMNS = 12

/** The bounds of a plausible time in microseconds: the years 2009 (the first bitcoin) to 2099. */
export const MIN_TIME_US = Date.UTC(2009, 0, 1) * 1000
export const MAX_TIME_US = Date.UTC(2100, 0, 1) * 1000

/** One bar as numbers; times in microseconds. The order is that of the CSV's and the shard's columns. */
export type Bar = readonly [
  openTimeUs: number,
  open: number,
  high: number,
  low: number,
  close: number,
  volume: number,
  closeTimeUs: number,
  quoteVolume: number,
  count: number,
  takerBuyVolume: number,
  takerBuyQuoteVolume: number,
]

const LF = 10
const CR = 13
/** A row has about 150 bytes; what is longer than this is no row, and is not looked at as a whole. */
const MAX_LINE_BYTES = 65_536
const FOUND_CHARS = 40
/** A sign is no part of a sound bar, but a bar that has one is kept and counted: see `findOddRows`. */
const PLAIN_DECIMAL = /^-?[0-9]+(?:\.[0-9]+)?$/
const PLAIN_COUNT = /^-?[0-9]+$/
const PLAIN_TIME = /^[0-9]+$/

const COLUMN_NAMES = [
  'open_time',
  'open',
  'high',
  'low',
  'close',
  'volume',
  'close_time',
  'quote_volume',
  'count',
  'taker_buy_volume',
  'taker_buy_quote_volume',
  'ignore',
] as const

/** Offset of the line's end (its LF, or the end of the bytes). */
export function lineEndAt(bytes: Uint8Array, start: number): number {
  const end = bytes.indexOf(LF, start)
  return end === -1 ? bytes.length : end
}

/** The text of the line [start, end) without a CR before its LF. */
export function lineText(bytes: Uint8Array, start: number, end: number, line: number): string {
  const stop = end < bytes.length && end > start && bytes[end - 1] === CR ? end - 1 : end
  if (stop - start > MAX_LINE_BYTES) {
    throw csvError('CKVD_CSV_COLUMNS', `Expected ${CSV_COLUMNS} columns, found a line of ${stop - start} bytes`, line, 1, '')
  }
  return new TextDecoder('latin1').decode(bytes.subarray(start, stop))
}

/**
 * Reads one line strictly: the definition of what a row is. It is slow and exact; the scanners (`csv-scan.ts`, `csv-wasm.ts`) must agree with it
 * and hands it every row that it does not take itself.
 * A bar that contradicts itself is one too: what is odd is found in columns (`findOddRows`), wherever they come from.
 * @throws CKVD_CSV_COLUMNS, CKVD_CSV_NUMBER, CKVD_CSV_TIME, each with line and column
 */
export function parseRow(text: string, line: number): Bar {
  const cells = text.split(',')
  if (text === '' || cells.length !== CSV_COLUMNS) {
    const found = text === '' ? 'an empty line' : String(cells.length)
    throw csvError('CKVD_CSV_COLUMNS', `Expected ${CSV_COLUMNS} columns, found ${found}`, line, Math.min(cells.length, CSV_COLUMNS), text)
  }
  const cell = (index: number): string => cells[index] as string // their number was checked above
  const decimal = (index: number): number => {
    const text = cell(index)
    const value = Number(text)
    // a decimal of more than 308 digits overflows
    if (PLAIN_DECIMAL.test(text) && Number.isFinite(value)) return value
    throw numberError('a plain decimal number', text, line, index)
  }
  const time = (index: number): number => {
    const text = cell(index)
    if (!PLAIN_TIME.test(text)) throw numberError('a whole number', text, line, index)
    const timeUs = parseTimeUs(text)
    if (timeUs !== undefined) return timeUs
    throw csvError(
      'CKVD_CSV_TIME',
      `Expected a time in milliseconds (13 digits) or microseconds (16 digits) of the years 2009 to 2099 as ${COLUMN_NAMES[index]}, found "${cut(text)}"`,
      line,
      index + 1,
      text,
    )
  }
  const count = (index: number): number => {
    const text = cell(index)
    const value = Number(text)
    if (PLAIN_COUNT.test(text) && Number.isSafeInteger(value)) return value
    throw numberError('a whole number', text, line, index)
  }
  const bar: Bar = [
    time(0),
    decimal(1),
    decimal(2),
    decimal(3),
    decimal(4),
    decimal(5),
    time(6),
    decimal(7),
    count(8),
    decimal(9),
    decimal(10),
  ]
  decimal(11)
  return bar
}

/** A time of 13 digits (milliseconds) or 16 digits (microseconds) in microseconds; undefined when it is neither or implausible. */
export function parseTimeUs(digits: string): number | undefined {
  const timeUs = digits.length === 13 ? Number(digits) * 1000 : digits.length === 16 ? Number(digits) : NaN
  return timeUs >= MIN_TIME_US && timeUs < MAX_TIME_US ? timeUs : undefined
}

/** True for a plain decimal, `[-]digits[.digits]`: no exponent, blank or quote. */
export function isPlainDecimal(text: string): boolean {
  return PLAIN_DECIMAL.test(text)
}

/** Other names that columns have had in archives; the first seven never varied. */
const OTHER_NAMES: Readonly<Record<string, number>> = {
  quote_asset_volume: 7,
  number_of_trades: 8,
  trades: 8,
  taker_buy_base_asset_volume: 9,
  taker_buy_base_volume: 9,
  taker_buy_quote_asset_volume: 10,
}
const FIXED_NAMES = 7
const ANY_NAME = /^[a-z][a-z0-9_ ]*$/

/**
 * Checks a header line: twelve names, the first seven fixed, the others free unless they are names of other columns.
 * @throws CKVD_CSV_HEADER
 */
export function checkHeader(text: string): void {
  const names = text.toLowerCase().split(',')
  const wrong = names.findIndex((name, index) => {
    const home = (COLUMN_NAMES as readonly string[]).indexOf(name)
    const known = home === -1 ? OTHER_NAMES[name] : home
    return known === undefined ? index < FIXED_NAMES || !ANY_NAME.test(name) : known !== index
  })
  if (wrong === -1 && names.length === CSV_COLUMNS) return
  const column = wrong === -1 ? Math.min(names.length, CSV_COLUMNS) : wrong + 1
  throw csvError(
    'CKVD_CSV_HEADER',
    `Expected a row of numbers or the header "open_time,open,high,…", found "${cut(text)}"`,
    1,
    column,
    names[column - 1] ?? '',
  )
}

/** An error of a CSV: the place at the end of the message and, with the cell, in `details`. Both count from 1. */
export function csvError(code: ErrorCode, message: string, line: number, column: number, found: string): CkvdError {
  return new CkvdError(code, `${message} (line ${line}, column ${column})`, { details: { line, column, found: cut(found) } })
}

function numberError(expected: string, text: string, line: number, index: number): CkvdError {
  return csvError('CKVD_CSV_NUMBER', `Expected ${expected} as ${COLUMN_NAMES[index]}, found "${cut(text)}"`, line, index + 1, text)
}

/** A cell in a message. */
export function cut(text: string): string {
  return text.length > FOUND_CHARS ? `${text.slice(0, FOUND_CHARS)}…` : text
}
