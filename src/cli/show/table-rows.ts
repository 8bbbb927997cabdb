import type { Table } from 'apache-arrow'
import { DISPUTED_KEY } from '../../library/table.ts'
import { isoOfUs } from '../../model/utc-day.ts'

/** Names of a table's columns, in order. */
export function namesOf(table: Table): string[] {
  return table.schema.fields.map(({ name }) => name)
}

/** Stretches without bars that a table's metadata tells. */
export function gapsOf(table: Table): { start: number; end: number; bars: number; evidence: string }[] {
  return JSON.parse(table.schema.metadata.get('ckvd.gaps') ?? '[]') as { start: number; end: number; bars: number; evidence: string }[]
}

/** Days of a table's rows that its metadata calls disputed. */
export function disputedOf(table: Table): string[] {
  return JSON.parse(table.schema.metadata.get(DISPUTED_KEY) ?? '[]') as string[]
}

/** Rows as objects; null where there is no value. */
export function mapObjects(table: Table): Record<string, string | number | null>[] {
  const names = namesOf(table)
  return mapRows(table, (cells) => Object.fromEntries(names.map((name, i) => [name, cells[i] === '' ? null : (cells[i] ?? null)])))
}

/** Cells of each row of a table of one record batch: times as ISO text with microseconds, nothing for a null. */
export function mapRows<T>(table: Table, map: (cells: (string | number)[]) => T): T[] {
  const columns = table.schema.fields.map(({ name }, i) => {
    const vector = table.getChildAt(i)
    const isTime = name.endsWith('_time')
    return (row: number): string | number => {
      const raw: unknown = vector?.get(row)
      if (raw === null || raw === undefined) return ''
      // Arrow's getter rounds times to milliseconds: the values themselves are microseconds
      if (isTime) return isoOfUs(Number((vector?.data[0]?.values as BigInt64Array)[row] ?? 0n))
      return typeof raw === 'bigint' ? Number(raw) : (raw as string | number)
    }
  })
  return Array.from({ length: table.numRows }, (_none, row) => map(columns.map((cell) => cell(row))))
}
