import { gzipSync } from 'node:zlib'
import type { DatasetColumn } from '../../dataset/dataset.ts'
import type { Columns } from '../../model/columns.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import { toDoubles } from '../../memory/int64.ts'

/** Rows that are text at once: a day of `1s` bars is 13 MB of it. */
const BLOCK_ROWS = 8192
const US_PER_MINUTE = 60_000_000
/** `2024-01-01T00:00:` */
const MINUTE_LENGTH = 17

/**
 * Rows of a data set as CSV: a header with the shards' column names, times as ISO text in UTC with microseconds, each number the shortest decimal
 * that reads back to the same float64, never with an exponent.
 */
export function encodeRowsCsv(columns: Columns, described: readonly DatasetColumn[]): Uint8Array {
  const rows = columns.openTime.length
  const parts: Buffer[] = [Buffer.from(`${described.map(({ name }) => name).join(',')}\n`)]
  const cells = described.map(({ key, type }): ((row: number) => string) => {
    const values = columns[key] ?? new Float64Array(rows)
    const numbers = values instanceof Float64Array ? values : toDoubles(values)
    if (type === 'timestamp') {
      const textOf = createTimeText()
      return (row) => textOf(numbers[row] as number)
    }
    return (row) => decimalText(numbers[row] as number) // rows are below the length of every column
  })
  for (let start = 0; start < rows; start += BLOCK_ROWS) {
    let text = ''
    for (let row = start; row < Math.min(rows, start + BLOCK_ROWS); row++) {
      for (let column = 0; column < cells.length; column++) {
        text += (cells[column] as (row: number) => string)(row) + (column < cells.length - 1 ? ',' : '\n')
      }
    }
    parts.push(Buffer.from(text))
  }
  return Buffer.concat(parts)
}

/** `isoOfUs` for times in order: what they have in common, the minute, is made once. */
function createTimeText(): (timeUs: number) => string {
  let minute = NaN
  let prefix = ''
  return (timeUs) => {
    const own = Math.floor(timeUs / US_PER_MINUTE)
    if (own !== minute) {
      minute = own
      prefix = isoOfUs(own * US_PER_MINUTE).slice(0, MINUTE_LENGTH)
    }
    const restUs = timeUs - own * US_PER_MINUTE
    const seconds = Math.floor(restUs / 1_000_000)
    return `${prefix}${String(seconds).padStart(2, '0')}.${String(restUs - seconds * 1_000_000).padStart(6, '0')}Z`
  }
}

/** A line of CSV: a field with a comma, a quote or a line end is quoted; null is nothing. */
export function csvLine(fields: readonly (string | number | boolean | null)[]): string {
  const cells = fields.map((field) => (field === null ? '' : String(field)))
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`
}

/** The shortest decimal that reads back to `value`, without an exponent. */
function decimalText(value: number): string {
  const text = String(value)
  const at = text.indexOf('e')
  if (at < 0) return text
  const exponent = Number(text.slice(at + 1))
  const [whole = '', fraction = ''] = text.slice(0, at).replace('-', '').split('.')
  const digits = whole + fraction
  const point = whole.length + exponent
  const sign = value < 0 ? '-' : ''
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return `${sign}${digits.padEnd(point, '0')}`
}

/** gzip, the same bytes on every platform: the header's time is 0, and its operating system "unknown" (RFC 1952, 2.3.1). */
export function gzip(bytes: Uint8Array): Uint8Array {
  const packed = gzipSync(bytes)
  packed[9] = 255
  return packed
}
