import type { DatasetColumn } from '../../dataset/dataset.ts'
import type { CellValue, Columns, Values } from '../../model/columns.ts'
import { createValues, sliceColumns } from '../../model/columns.ts'

/** Takes rows of a data set into columns until they are full, gives them, and begins anew in the same memory. */
export interface RowBatch {
  /** rows that it holds at most */
  readonly capacity: number
  /** rows that it holds */
  readonly rows: number
  /** Begins with lines, each of which ends in them. */
  open(lines: Uint8Array): void
  /** Takes rows of the lines from byte `start` on, until it is full, and returns where the first row begins that it did not take. */
  scan(start: number): number
  /** Adds a row, by its values column by column. */
  push(values: readonly CellValue[]): void
  /** The rows as columns: views, which the rows after `clear` overwrite. */
  columns(): Columns
  clear(): void
}

/** The batch without a scanner: it leaves every row to who reads lines exactly. */
export class PlainBatch implements RowBatch {
  rows = 0
  readonly capacity: number
  readonly #values: readonly Values[]
  readonly #columns: Columns

  constructor(columns: readonly DatasetColumn[], capacity: number) {
    this.capacity = capacity
    this.#values = columns.map(({ type }) => createValues(type, capacity))
    this.#columns = Object.fromEntries(columns.map(({ key }, i) => [key, this.#values[i]])) as unknown as Columns
  }

  open(): void {
    // lines are looked at one by one, by others
  }

  scan(start: number): number {
    return start
  }

  push(row: readonly CellValue[]): void {
    this.#values.forEach((values, i) => {
      const value = row[i] as CellValue // a row has as many values
      if (values instanceof BigInt64Array) values[this.rows] = BigInt(value)
      else (values as CellValue[])[this.rows] = value
    })
    this.rows++
  }

  columns(): Columns {
    return sliceColumns(this.#columns, 0, this.rows)
  }

  clear(): void {
    this.rows = 0
  }
}
