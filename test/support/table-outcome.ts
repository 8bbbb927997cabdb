import type { DecodedTable } from '../../src/codec/csv/csv-table.ts'
import type { Columns, Values } from '../../src/model/columns.ts'

/** Everything that can be told of the decoding of a table: its columns as bytes, so that zeros of either sign are told apart, or its error. */
export function outcomeOf(decode: () => DecodedTable): unknown {
  try {
    const { columns, rows } = decode()
    return { rows, bits: bytesOf(columns) }
  } catch (error) {
    return errorOf(error)
  }
}

/** Columns as text of their bytes. */
export function bytesOf(columns: Columns): Record<string, string> {
  const told = (values: Values): string =>
    'buffer' in values
      ? `${values.constructor.name} ${Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex')}`
      : JSON.stringify(values)
  return Object.fromEntries(Object.entries<Values>(columns).map(([key, values]) => [key, told(values)]))
}

/** What a user is told of an error. */
export function errorOf(error: unknown): unknown {
  const { code, message, details } = error as { code: unknown; message: unknown; details: unknown }
  return { code, message, details }
}
