import { DataType } from 'apache-arrow'
import type { Table, Vector } from 'apache-arrow'
import { CsvBytes } from '../../codec/export/csv-bytes.ts'
import { csvBlocks, csvLine, csvText } from '../../codec/export/csv-text.ts'
import { DISPUTED_KEY } from '../../library/table.ts'
import { toDoubles } from '../../memory/int64.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import type { MissingBars } from '../../read/missing-bars.ts'

/** Names of a table's columns, in order. */
export function namesOf(table: Table): string[] {
  return table.schema.fields.map(({ name }) => name)
}

/** Stretches without bars that a table's metadata tells. */
export function gapsOf(table: Table): MissingBars[] {
  return JSON.parse(table.schema.metadata.get('ckvd.gaps') ?? '[]') as MissingBars[]
}

/** Days of a table's rows that its metadata calls disputed. */
export function disputedOf(table: Table): string[] {
  return JSON.parse(table.schema.metadata.get(DISPUTED_KEY) ?? '[]') as string[]
}

/** What a cell shows. */
type Cell = string | number | boolean

/** Rows as objects; null where there is no value. */
export function mapObjects(table: Table): Record<string, Cell | null>[] {
  const names = namesOf(table)
  return mapRows(table, (cells) => Object.fromEntries(names.map((name, i) => [name, cells[i] === '' ? null : (cells[i] ?? null)])))
}

/** Cells of each row of a table of one record batch: times as ISO text with microseconds, nothing for a null. */
export function mapRows<T>(table: Table, map: (cells: Cell[]) => T): T[] {
  const columns = table.schema.fields.map(({ type }, i) => {
    const vector = table.getChildAt(i)
    return (row: number): Cell => {
      const raw: unknown = vector?.get(row)
      if (raw === null || raw === undefined) return ''
      // Arrow's getter rounds times to milliseconds: the values themselves are microseconds
      if (DataType.isTimestamp(type)) return isoOfUs(Number((vector?.data[0]?.values as BigInt64Array)[row] ?? 0n))
      return typeof raw === 'bigint' ? Number(raw) : (raw as Cell)
    }
  })
  return Array.from({ length: table.numRows }, (_none, row) => map(columns.map((cell) => cell(row))))
}

/** A table of one record batch as CSV, block by block: times as ISO text with microseconds, nothing for a null. */
export function* csvOf(table: Table): Generator<Uint8Array> {
  yield Buffer.from(csvLine(namesOf(table)))
  const out = new CsvBytes()
  const cells = table.schema.fields.map((_field, i) => cellWriter(out, table.getChildAt(i)))
  yield* csvBlocks(out, cells, table.numRows)
}

function cellWriter(out: CsvBytes, vector: Vector | null): (row: number) => void {
  const values: unknown = vector?.data[0]?.values
  const isThere = (row: number): boolean => vector === null || vector.nullCount === 0 || vector.isValid(row)
  const write = (value: number | undefined, row: number): void => {
    if (value !== undefined && isThere(row)) out.number(value)
  }
  if (values instanceof Float64Array) return (row) => write(values[row], row)
  if (values instanceof BigInt64Array) {
    const numbers = toDoubles(values)
    return DataType.isTimestamp(vector?.type)
      ? (row) => {
          if (isThere(row)) out.time(numbers[row] ?? 0)
        }
      : (row) => write(numbers[row], row)
  }
  return (row) => {
    const value: unknown = vector?.get(row)
    if (typeof value === 'number') out.number(value)
    else if (typeof value === 'string') out.text(csvText(value))
    else if (typeof value === 'boolean') out.text(String(value))
  }
}
