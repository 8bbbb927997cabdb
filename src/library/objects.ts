import type { RecordBatch, Table } from 'apache-arrow'
import { DataType, makeVector, TimeUnit } from 'apache-arrow'
import { CkvdError } from '../errors.ts'
import { isoOfUs } from '../model/utc-day.ts'

/** A row as plain values, which `JSON.stringify` takes: times are ISO text, whole numbers beyond 2^53 text. */
export type PlainRow = Readonly<Record<string, PlainValue>>

/** What a cell becomes; of lists and structs the same, member by member. */
export type PlainValue = string | number | boolean | null | readonly PlainValue[] | { readonly [name: string]: PlainValue }

/** Units of a timestamp a microsecond; a nanosecond is less than one. */
const US_OF: Readonly<Record<TimeUnit, number>> = {
  [TimeUnit.SECOND]: 1e6,
  [TimeUnit.MILLISECOND]: 1e3,
  [TimeUnit.MICROSECOND]: 1,
  [TimeUnit.NANOSECOND]: 1e-3,
}

/** What `getColumns` gives, as far as rows need it. */
export interface NamedColumns {
  /** values by the column's name, all of one length; times in microseconds */
  readonly columns: Readonly<Record<string, BigInt64Array | Float64Array>>
}

/** See `toObjects` in `index.ts`. */
export function plainRows(given: Table | NamedColumns): PlainRow[] {
  const isObject = typeof given === 'object' && (given as unknown) !== null
  if (isObject && 'columns' in given) return columnRows(given)
  if (isObject && 'batches' in given) return given.batches.flatMap(batchRows)
  throw new CkvdError('CKVD_USAGE', 'Expected an Arrow Table, as `getData` gives it, or what `getColumns` gives, got neither.')
}

function columnRows({ columns }: NamedColumns): PlainRow[] {
  const entries = Object.entries(columns)
  const length = Math.max(0, ...entries.map(([, values]) => values.length))
  const cell = (name: string, value: bigint | number | undefined): PlainValue =>
    typeof value === 'bigint' && name.endsWith('_time') ? isoOfUs(Number(value)) : plainOf(value)
  return Array.from({ length }, (_none, row) => Object.fromEntries(entries.map(([name, values]) => [name, cell(name, values[row])])))
}

function batchRows(batch: RecordBatch): PlainRow[] {
  const columns = batch.schema.fields.map(({ name, type }, i): [string, (row: number) => PlainValue] => {
    const data = batch.data.children[i]
    if (data === undefined) return [name, () => null]
    const vector = makeVector(data)
    if (!DataType.isTimestamp(type)) return [name, (row) => plainOf(vector.get(row))]
    // Arrow's own getter rounds times to milliseconds
    const values = data.values as BigInt64Array
    return [name, (row) => (vector.isValid(row) ? timeOf(values[row] ?? 0n, type.unit) : null)]
  })
  return Array.from({ length: batch.numRows }, (_none, row) => Object.fromEntries(columns.map(([name, cell]) => [name, cell(row)])))
}

function timeOf(value: bigint, unit: TimeUnit): string {
  return isoOfUs(Math.floor(Number(value) * US_OF[unit]))
}

function plainOf(value: unknown): PlainValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (value instanceof Date) return value.toISOString()
  if (Symbol.iterator in Object(value) && !('toJSON' in Object(value))) return Array.from(value as Iterable<unknown>, plainOf)
  const inner: unknown = 'toJSON' in Object(value) ? (value as { toJSON(): unknown }).toJSON() : value
  if (Array.isArray(inner)) return inner.map(plainOf)
  return Object.fromEntries(Object.entries(inner as object).map(([name, member]) => [name, plainOf(member)]))
}
