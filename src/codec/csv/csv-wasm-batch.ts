import type { Dataset, DatasetColumn } from '../../dataset/dataset.ts'
import type { CellValue, Columns, ColumnType } from '../../model/columns.ts'
import { MAX_TIME_US, MIN_TIME_US } from './csv-row.ts'
import type { WasmExports } from './csv-wasm-table.ts'
import { growTo, PADDING_BYTES } from './csv-wasm-table.ts'
import type { RowBatch } from './row-batch.ts'
import { WINDOW_BYTES } from './table-scan.ts'

/** What `workers/assembly/table-scanner.ts` calls the types of columns. */
const KINDS: Readonly<Partial<Record<ColumnType, number>>> = { timestamp: 0, float64: 1, int64: 2, bool: 3 }
const TEXT_TIME = 4
/** A description of a column: two doubles and four words, of which the last is the scanner's own. */
const DESCRIPTION_BYTES = 32
const MIN_TIME = BigInt(MIN_TIME_US)
const MAX_TIME = BigInt(MAX_TIME_US)

/** True for a data set whose rows the scanner knows: each cell is a value of its column, and is stored as it is written. */
export function isScannable({ csv, columns, symbolAt, endLabels }: Dataset): boolean {
  const isPlain = columns.every(({ nullable, hour, type }) => nullable !== true && hour === undefined && KINDS[type] !== undefined)
  return csv === 'columns' && isPlain && symbolAt === undefined && endLabels === undefined
}

/** A column in the module's memory. */
interface Place {
  readonly key: string
  readonly type: ColumnType
  readonly cellsAt: number
}

/**
 * A batch in the module's memory: a window of lines, the descriptions of the columns, then column after column. Lines that lie in that memory
 * are scanned where they are. The memory must stay as it is while the batch is in use.
 */
export class WasmBatch implements RowBatch {
  rows = 0
  readonly capacity: number
  readonly #wasm: WasmExports
  readonly #windowAt: number
  readonly #describedAt: number
  readonly #places: readonly Place[]
  /** where the lines begin in the memory, and end */
  #linesAt = 0
  #linesEnd = 0

  /** @param at first byte of the memory that it may use, the ones behind it included */
  constructor(wasm: WasmExports, columns: readonly DatasetColumn[], capacity: number, at: number) {
    this.#wasm = wasm
    this.capacity = capacity
    this.#windowAt = aligned(at)
    this.#describedAt = aligned(this.#windowAt + WINDOW_BYTES + PADDING_BYTES)
    let end = this.#describedAt + DESCRIPTION_BYTES * columns.length
    this.#places = columns.map(({ key, type }) => {
      const cellsAt = end
      end = aligned(end + cellBytes(type) * capacity)
      return { key, type, cellsAt }
    })
    growTo(wasm, end)
    const memory = new DataView(wasm.memory.buffer)
    columns.forEach(({ type, isText, least, most }, i) => {
      const description = this.#describedAt + DESCRIPTION_BYTES * i
      memory.setFloat64(description, least ?? -Infinity, true)
      memory.setFloat64(description + 8, most ?? Infinity, true)
      memory.setUint32(description + 16, this.#places[i]?.cellsAt ?? 0, true)
      memory.setUint32(description + 20, isText === true ? TEXT_TIME : (KINDS[type] ?? NaN), true)
      memory.setUint32(description + 24, Math.log2(cellBytes(type)), true)
    })
  }

  open(lines: Uint8Array): void {
    const { buffer } = this.#wasm.memory
    const isThere = lines.buffer === buffer
    if (!isThere) new Uint8Array(buffer).set(lines, this.#windowAt)
    this.#linesAt = isThere ? lines.byteOffset : this.#windowAt
    this.#linesEnd = this.#linesAt + lines.length
  }

  scan(start: number): number {
    const from = this.#linesAt + start
    const { rows, capacity } = this
    this.rows = this.#wasm.scanTable(from, this.#linesEnd, this.#describedAt, this.#places.length, rows, capacity, MIN_TIME, MAX_TIME)
    return this.#wasm.tableStoppedAt.value - this.#linesAt
  }

  push(values: readonly CellValue[]): void {
    const memory = new DataView(this.#wasm.memory.buffer)
    this.#places.forEach(({ type, cellsAt }, i) => {
      const value = values[i] as number // a row has as many values, of a data set without texts
      const at = cellsAt + cellBytes(type) * this.rows
      if (type === 'bool') memory.setUint8(at, value)
      else if (type === 'float64') memory.setFloat64(at, value, true)
      else memory.setBigInt64(at, BigInt(value), true)
    })
    this.rows++
  }

  columns(): Columns {
    const { buffer } = this.#wasm.memory
    const entries = this.#places.map(({ key, type, cellsAt }) => {
      const Values = type === 'float64' ? Float64Array : type === 'bool' ? Uint8Array : BigInt64Array
      return [key, new Values(buffer, cellsAt, this.rows)]
    })
    return Object.fromEntries(entries) as Columns
  }

  clear(): void {
    this.rows = 0
  }
}

function cellBytes(type: ColumnType): number {
  return type === 'bool' ? 1 : 8
}

/** Up to the next multiple of eight. */
function aligned(at: number): number {
  return Math.ceil(at / 8) * 8
}
