import type { KlineColumns } from '../../model/kline.ts'
import { KLINE_COLUMNS } from '../../model/kline.ts'
import { MIN_ROW_BYTES } from './csv.ts'
import type { RowTaker } from './csv.ts'
import type { Bar } from './csv-row.ts'
import { MAX_TIME_US, MIN_TIME_US } from './csv-row.ts'

/** What the module of `workers/assembly` exports; it says what the functions do. */
export interface WasmExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  readonly stoppedAt: { readonly value: number }
  readonly tableStoppedAt: { readonly value: number }
  inputOffset(): number
  inflate(input: number, inputBytes: number, output: number, outputBytes: number): number
  scanRows(start: number, end: number, columns: number, capacity: number, row: number, minTimeUs: bigint, maxTimeUs: bigint): number
  scanTable(
    ...of: [...lines: [number, number], ...columns: [number, number], ...rows: [number, number], ...times: [bigint, bigint]]
  ): number
}

/** Zeros behind a CSV: the scanner reads a row as far as it may go before it looks whether it is one, up to 255 bytes past the last byte. */
export const PADDING_BYTES = 256
/** A CSV from elsewhere passes through the scanner's memory in windows, which stay in the processor's second-level cache. */
const WINDOW_BYTES = 256 * 1024
/** No row that the scanner takes is as long, so one that begins so close to a window's end may be cut by it. */
const LONGEST_ROW_BYTES = 512
const PAGE_BYTES = 65_536
const CELL_BYTES = 8

/** Makes the memory at least so large. It may move: views of before are worth nothing afterwards. */
export function growTo({ memory }: WasmExports, sizeBytes: number): void {
  const missingBytes = sizeBytes - memory.buffer.byteLength
  if (missingBytes > 0) memory.grow(Math.ceil(missingBytes / PAGE_BYTES))
}

/** Makes room for all rows that a CSV in the memory can have, so that nothing moves while it is scanned. Untouched pages cost nothing. */
export function reserveInPlace(wasm: WasmExports, csvAt: number, csvBytes: number): void {
  growTo(wasm, columnsBehind(csvAt, csvBytes) + CELL_BYTES * KLINE_COLUMNS.length * mostRows(csvBytes))
}

function columnsBehind(csvAt: number, csvBytes: number): number {
  return (csvAt + csvBytes + PADDING_BYTES + CELL_BYTES - 1) & ~(CELL_BYTES - 1)
}

function mostRows(csvBytes: number): number {
  return Math.ceil(csvBytes / MIN_ROW_BYTES) + 1
}

/** The columns of one CSV in the module's memory: the CSV or a window of it, then column after column of `#capacity` cells. */
export class WasmTable implements RowTaker {
  rows = 0
  readonly #wasm: WasmExports
  readonly #csv: Uint8Array
  readonly #inputAt: number
  readonly #columnsAt: number
  #capacity: number
  /** the part of the CSV that lies at `#inputAt` */
  #windowStart = 0
  #windowEnd = 0

  /** @param capacity a guess of the rows */
  constructor(wasm: WasmExports, csv: Uint8Array, capacity: number) {
    this.#wasm = wasm
    this.#csv = csv
    if (csv.buffer === wasm.memory.buffer) {
      this.#inputAt = csv.byteOffset
      this.#windowEnd = csv.length
      this.#columnsAt = columnsBehind(csv.byteOffset, csv.length)
      this.#capacity = mostRows(csv.length)
    } else {
      this.#inputAt = wasm.inputOffset()
      this.#columnsAt = columnsBehind(this.#inputAt, WINDOW_BYTES)
      this.#capacity = capacity
    }
    this.#reserve()
  }

  scan(start: number): number {
    const { stoppedAt } = this.#wasm
    let at = start
    while (at < this.#csv.length) {
      const mayBeCut = this.#windowEnd < this.#csv.length && this.#windowEnd - at < LONGEST_ROW_BYTES
      if (at >= this.#windowEnd || (mayBeCut && at > this.#windowStart)) this.#load(at)
      if (this.rows === this.#capacity) this.#grow()
      const shift = this.#inputAt - this.#windowStart
      this.rows = this.#wasm.scanRows(
        at + shift,
        this.#windowEnd + shift,
        this.#columnsAt,
        this.#capacity,
        this.rows,
        BigInt(MIN_TIME_US),
        BigInt(MAX_TIME_US),
      )
      const stop = stoppedAt.value - shift
      if (stop === at) return at
      at = stop
    }
    return at
  }

  push(bar: Bar): void {
    if (this.rows === this.#capacity) this.#grow()
    const { buffer } = this.#wasm.memory
    KLINE_COLUMNS.forEach(({ type }, column) => {
      const at = this.#offsetOf(column) + CELL_BYTES * this.rows
      const value = bar[column] as number // a bar has as many values
      if (type === 'float64') new Float64Array(buffer, at, 1)[0] = value
      else new BigInt64Array(buffer, at, 1)[0] = BigInt(value)
    })
    this.rows++
  }

  columns(): KlineColumns {
    const { buffer } = this.#wasm.memory
    const entries = KLINE_COLUMNS.map(({ key, type }, column) => {
      const Values = type === 'float64' ? Float64Array : BigInt64Array
      return [key, new Values(buffer, this.#offsetOf(column), this.rows)]
    })
    return Object.fromEntries(entries) as KlineColumns
  }

  #offsetOf(column: number): number {
    return this.#columnsAt + CELL_BYTES * column * this.#capacity
  }

  /** Copies the CSV from `start` on into the window. */
  #load(start: number): void {
    const memory = new Uint8Array(this.#wasm.memory.buffer)
    const part = this.#csv.subarray(start, start + WINDOW_BYTES)
    memory.set(part, this.#inputAt)
    memory.fill(0, this.#inputAt + part.length, this.#inputAt + part.length + PADDING_BYTES)
    this.#windowStart = start
    this.#windowEnd = start + part.length
  }

  /** Makes room for half as many rows again; never in place, where there is room for all. */
  #grow(): void {
    const oldCapacity = this.#capacity
    this.#capacity = Math.ceil(oldCapacity * 1.5) + 1
    this.#reserve()
    const memory = new Uint8Array(this.#wasm.memory.buffer)
    // from the last column on: each moves into room that the ones after it have left
    for (let column = KLINE_COLUMNS.length - 1; column > 0; column--) {
      const from = this.#columnsAt + CELL_BYTES * column * oldCapacity
      memory.copyWithin(this.#offsetOf(column), from, from + CELL_BYTES * this.rows)
    }
  }

  #reserve(): void {
    growTo(this.#wasm, this.#offsetOf(KLINE_COLUMNS.length))
  }
}
