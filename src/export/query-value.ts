import type { DuckDBValue } from '@duckdb/node-api'
import { isoOfUs } from '../model/utc-day.ts'

/** A cell of a query as JSON can hold it. */
export type PlainValue = null | boolean | number | string | bigint | readonly PlainValue[] | { readonly [key: string]: PlainValue }

const MS_PER_DAY = 86_400_000

/**
 * A value of DuckDB as a plain one: times with a zone as ISO text in UTC with microseconds, times without one likewise without the `Z`,
 * dates as `YYYY-MM-DD`, lists and structs as arrays and objects, decimals and everything else as DuckDB writes them.
 */
export function plainValue(value: DuckDBValue): PlainValue {
  if (value === null || typeof value !== 'object') return value
  const name = value.constructor.name
  if ('micros' in value && name === 'DuckDBTimestampTZValue') return timeText(value.micros, String(value))
  if ('micros' in value && name === 'DuckDBTimestampValue') return timeText(value.micros, String(value)).replace(/Z$/, '')
  if ('days' in value && name === 'DuckDBDateValue') return dateText(value.days, String(value))
  if ('items' in value) return value.items.map(plainValue)
  if (name === 'DuckDBStructValue' && 'entries' in value) {
    const entries = Object.entries(value.entries as Readonly<Record<string, DuckDBValue>>)
    return Object.fromEntries(entries.map(([key, member]) => [key, plainValue(member)]))
  }
  return String(value)
}

/** `infinity` and times beyond the years of ISO text stay as DuckDB writes them. */
function timeText(timeUs: bigint, text: string): string {
  const time = Number(timeUs)
  return Number.isSafeInteger(time) && Math.abs(time) < 8.64e18 ? isoOfUs(time) : text
}

function dateText(days: number, text: string): string {
  const date = new Date(days * MS_PER_DAY)
  return Number.isNaN(date.getTime()) ? text : date.toISOString().slice(0, 10)
}

/** A plain value as text of one cell; nothing for null. */
export function cellText(value: PlainValue): string {
  if (value === null) return ''
  return typeof value === 'object' ? jsonText(value) : String(value)
}

/** JSON in which 64-bit integers keep all digits. */
export function jsonText(value: PlainValue): string {
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${(value as readonly PlainValue[]).map(jsonText).join(',')}]`
  if (value !== null && typeof value === 'object')
    return `{${Object.entries(value as Record<string, PlainValue>)
      .map(([key, member]) => `${JSON.stringify(key)}:${jsonText(member)}`)
      .join(',')}}`
  // infinity and "not a number" have no form in JSON
  return typeof value === 'number' && !Number.isFinite(value) ? 'null' : JSON.stringify(value)
}
