import { CkvdError } from '../errors.ts'
import type { Interval } from '../model/interval.ts'
import { countSlots, slotStartUs } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import { isoOfUs } from '../model/utc-day.ts'
import type { Bar } from './csv/csv-row.ts'
import { CSV_COLUMNS, isPlainDecimal, parseTimeUs } from './csv/csv-row.ts'
import { findOtherInterval } from './csv/other-interval.ts'
import { RowTable } from './csv/row-table.ts'

const FOUND_CHARS = 40
/** The largest page of any market. */
const LARGEST_PAGE_ROWS = 1500

/**
 * Decodes the body of a REST klines request: a JSON array of rows
 * `[openMs, "open", "high", "low", "close", "volume", closeMs, "quoteVolume", count, "takerBase", "takerQuote", "0"]`
 * (Binance's API documents, "Kline/Candlestick Data"), read as the rows of an archive: one that contradicts itself is a row, which
 * `findOddRows` tells.
 * @param interval that was asked for: an answer with the bars of another one is refused; default: not compared
 * @returns the rows, strictly ascending by open time; none for `[]`
 * @throws CKVD_REST_BODY for anything else, an error body included; `details` {row (from 0), column (from 1), field, found}
 */
export function decodeRestRows(body: Uint8Array | string, interval?: Interval): KlineColumns {
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body)
  const rows = parseJson(text)
  if (!Array.isArray(rows)) throw restError('an array of klines', text, {})
  // room for what a page has; what claims more has to bring its rows first
  const table = new RowTable(Math.min(rows.length, LARGEST_PAGE_ROWS))
  let previousUs = -1
  for (let row = 0; row < rows.length; row++) {
    const bar = parseRestRow(rows[row], row)
    if (bar[0] <= previousUs) throw restError('klines in ascending order of open time', (rows[row] as unknown[])[0], { row, column: 1 })
    previousUs = bar[0]
    table.push(bar)
  }
  const columns = table.columns()
  if (interval !== undefined) checkInterval(columns, interval)
  return columns
}

/** So many bars must be alike before they are called another interval's: the bar before an outage may close early. */
const FEWEST_BARS = 3

function checkInterval(columns: KlineColumns, interval: Interval): void {
  const [firstUs, lastUs] = [columns.openTime[0], columns.openTime.at(-1)]
  if (firstUs === undefined || lastUs === undefined) return
  const slots = countSlots(slotStartUs(Number(firstUs), interval), Number(lastUs) + 1, interval)
  const found = findOtherInterval({ columns, interval, slots, fewest: FEWEST_BARS })
  if (found === undefined) return
  throw new CkvdError('CKVD_REST_BODY', `Expected ${interval} bars from REST, found ${found}: those of another interval`, {
    details: { expected: interval, found },
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw restError('JSON', text, {}, cause)
  }
}

function parseRestRow(cells: unknown, row: number): Bar {
  if (!Array.isArray(cells) || cells.length !== CSV_COLUMNS) throw restError(`a kline of ${CSV_COLUMNS} values`, cells, { row })
  const at = (index: number): { row: number; column: number; openMs: unknown } => ({ row, column: index + 1, openMs: cells[0] as unknown })
  const decimal = (index: number): number => {
    const cell: unknown = cells[index]
    const value = typeof cell === 'string' && isPlainDecimal(cell) ? Number(cell) : NaN
    if (Number.isFinite(value)) return value
    throw restError('a plain decimal number in a string', cell, at(index))
  }
  const integer = (index: number): number => {
    const cell: unknown = cells[index]
    if (typeof cell === 'number' && Number.isSafeInteger(cell)) return cell
    throw restError('a whole number', cell, at(index))
  }
  const time = (index: number): number => {
    const timeUs = parseTimeUs(String(integer(index)))
    if (timeUs !== undefined) return timeUs
    throw restError('a time in milliseconds or microseconds of the years 2009 to 2099', cells[index], at(index))
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
    integer(8),
    decimal(9),
    decimal(10),
  ]
  decimal(11)
  return bar
}

/** The error, with the field's name, its value, and the row with the time at which it says that it opens. */
function restError(
  expected: string,
  value: unknown,
  place: { row?: number; column?: number; openMs?: unknown },
  cause?: unknown,
): CkvdError {
  const found = describeValue(value)
  const field = place.column === undefined ? undefined : FIELDS[place.column - 1]
  const where: string[] = []
  if (place.row !== undefined) where.push(`row ${place.row}`)
  if (place.column !== undefined) where.push(`column ${place.column}${field === undefined ? '' : ` ${field}`}`)
  const opens = typeof place.openMs === 'number' && place.column !== 1 ? openTimeOf(place.openMs) : undefined
  if (opens !== undefined) where.push(`open_time ${opens}`)
  const { row, column } = place
  return new CkvdError(
    'CKVD_REST_BODY',
    `Expected ${expected} from REST, found ${found}${where.length === 0 ? '' : ` (${where.join(', ')})`}`,
    {
      details: {
        ...(row === undefined ? {} : { row }),
        ...(column === undefined ? {} : { column }),
        ...(field === undefined ? {} : { field }),
        found,
      },
      cause,
    },
  )
}

/** The columns of a row by name: those of a shard, and the twelfth, which nobody uses. */
const FIELDS: readonly string[] = [...KLINE_COLUMNS.map(({ name }) => name), 'ignore']

function openTimeOf(openMs: number): string | undefined {
  const timeUs = Number.isSafeInteger(openMs) ? parseTimeUs(String(openMs)) : undefined
  return timeUs === undefined ? undefined : isoOfUs(timeUs)
}

/** A value from the network in a few characters. What it holds is not walked through: it may be nested deeper than any stack. */
function describeValue(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = typeof value === 'string' ? value : String(value)
  if (text === '') return 'nothing'
  return text.length > FOUND_CHARS ? `${text.slice(0, FOUND_CHARS)}…` : text
}
