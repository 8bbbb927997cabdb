import type { DatasetColumn } from '../../dataset/dataset.ts'
import type { Columns, Values } from '../../model/columns.ts'
import { columnOf, createValues, putValues, sliceColumns } from '../../model/columns.ts'

/** Rows that come in batches as one set of columns, which grows. */
export class RowColumns {
  rows = 0
  readonly #described: readonly DatasetColumn[]
  #capacity: number
  #columns: Columns

  /** @param capacity a guess of the rows */
  constructor(described: readonly DatasetColumn[], capacity: number) {
    this.#described = described
    this.#capacity = capacity
    this.#columns = this.#create()
  }

  /** Copies the rows of a batch. */
  add(batch: Columns): void {
    const rows = this.rows + batch.openTime.length
    if (rows > this.#capacity) this.#grow(Math.max(rows, Math.ceil(this.#capacity * 1.5)))
    this.#put(batch, this.rows)
    this.rows = rows
  }

  /** The rows so far: views of the memory in which others may follow. */
  columns(): Columns {
    return sliceColumns(this.#columns, 0, this.rows)
  }

  /** Begins anew, in the same memory. */
  clear(): void {
    this.rows = 0
  }

  #grow(capacity: number): void {
    const before = this.columns()
    this.#capacity = capacity
    this.#columns = this.#create()
    this.#put(before, 0)
  }

  #put(source: Columns, at: number): void {
    for (const { key } of this.#described) putValues(columnOf(this.#columns, key), columnOf(source, key), at)
  }

  #create(): Columns {
    const entries = this.#described.map(({ key, type }): [string, Values] => [key, createValues(type, this.#capacity)])
    return Object.fromEntries(entries) as unknown as Columns
  }
}
