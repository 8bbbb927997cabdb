import type { KlineColumns } from '../model/kline.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import type { DecodedCsv, RowTaker } from './csv.ts'
import { decodeCsv } from './csv.ts'
import type { Bar } from './csv-row.ts'
import { MAX_TIME_US, MIN_TIME_US } from './csv-row.ts'

/** The part of WebAssembly's API used here: @types/node 20 has none, and the types of the DOM would bring all of a browser's names. */
declare const WebAssembly: {
  readonly Module: new (binary: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

/** What `workers/assembly/csv-scanner.ts` exports. */
interface Scanner {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  readonly stoppedAt: { readonly value: number }
  inputOffset(): number
  scanRows(start: number, end: number, columns: number, capacity: number, row: number, minTimeUs: bigint, maxTimeUs: bigint): number
}

/** The CSV passes through the scanner's memory in windows, which stay in the processor's second-level cache. */
const WINDOW_BYTES = 256 * 1024
/** Zeros behind a window: the scanner reads words of eight bytes, up to sixteen past the last byte. */
const PADDING_BYTES = 64
/** No row that the scanner takes is as long, so one that begins so close to a window's end may be cut by it. */
const LONGEST_ROW_BYTES = 512
const PAGE_BYTES = 65_536
/** The memory of WebAssembly never shrinks: an instance that a month of 1s bars has blown up is not kept. */
const KEPT_BYTES = 64 * 1024 * 1024

/**
 * Decodes CSVs as `decodeCsv` does, about four times as fast, with the scanner in WebAssembly: the same columns bit for bit,
 * the same errors (the rows that a scanner does not take are read by the same `parseRow`). Not for several threads.
 */
export class WasmCsvDecoder {
  readonly #module: object
  #scanner: Scanner | undefined

  /** @param binary `csv-scanner.wasm`, which `npm run build` makes */
  constructor(binary: Uint8Array) {
    this.#module = new WebAssembly.Module(binary)
  }

  /** @returns columns that are views of the scanner's memory: the next call overwrites them */
  decode(bytes: Uint8Array): DecodedCsv {
    const scanner = (this.#scanner ??= new WebAssembly.Instance(this.#module).exports as Scanner)
    const decoded = decodeCsv(bytes, (csv, capacity) => new WasmTable(scanner, csv, capacity))
    if (scanner.memory.buffer.byteLength > KEPT_BYTES) this.#scanner = undefined
    return decoded
  }
}

/** The columns of one CSV in the scanner's memory: window, then column after column, each of `#capacity` cells. */
class WasmTable implements RowTaker {
  rows = 0
  readonly #scanner: Scanner
  readonly #csv: Uint8Array
  readonly #inputAt: number
  readonly #columnsAt: number
  #capacity: number
  /** the part of the CSV that lies in the window */
  #windowStart = 0
  #windowEnd = 0

  constructor(scanner: Scanner, csv: Uint8Array, capacity: number) {
    this.#scanner = scanner
    this.#csv = csv
    this.#inputAt = scanner.inputOffset()
    this.#columnsAt = this.#inputAt + WINDOW_BYTES + PADDING_BYTES
    this.#capacity = capacity
    this.#reserve()
  }

  scan(start: number): number {
    const { stoppedAt } = this.#scanner
    let at = start
    while (at < this.#csv.length) {
      const mayBeCut = this.#windowEnd < this.#csv.length && this.#windowEnd - at < LONGEST_ROW_BYTES
      if (at >= this.#windowEnd || (mayBeCut && at > this.#windowStart)) this.#load(at)
      if (this.rows === this.#capacity) this.#grow()
      const shift = this.#inputAt - this.#windowStart
      this.rows = this.#scanner.scanRows(
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
    const { buffer } = this.#scanner.memory
    KLINE_COLUMNS.forEach(({ type }, column) => {
      const at = this.#offsetOf(column) + 8 * this.rows
      const value = bar[column] as number // a bar has as many values
      if (type === 'float64') new Float64Array(buffer, at, 1)[0] = value
      else new BigInt64Array(buffer, at, 1)[0] = BigInt(value)
    })
    this.rows++
  }

  columns(): KlineColumns {
    const { buffer } = this.#scanner.memory
    const entries = KLINE_COLUMNS.map(({ key, type }, column) => {
      const Values = type === 'float64' ? Float64Array : BigInt64Array
      return [key, new Values(buffer, this.#offsetOf(column), this.rows)]
    })
    return Object.fromEntries(entries) as KlineColumns
  }

  #offsetOf(column: number): number {
    return this.#columnsAt + 8 * column * this.#capacity
  }

  /** Copies the CSV from `start` on into the window. */
  #load(start: number): void {
    const memory = new Uint8Array(this.#scanner.memory.buffer)
    const part = this.#csv.subarray(start, start + WINDOW_BYTES)
    memory.set(part, this.#inputAt)
    memory.fill(0, this.#inputAt + part.length, this.#inputAt + part.length + PADDING_BYTES)
    this.#windowStart = start
    this.#windowEnd = start + part.length
  }

  /** Makes room for half as many rows again. */
  #grow(): void {
    const oldCapacity = this.#capacity
    this.#capacity = Math.ceil(oldCapacity * 1.5) + 1
    this.#reserve()
    const memory = new Uint8Array(this.#scanner.memory.buffer)
    // from the last column on: each moves into room that the ones after it have left
    for (let column = KLINE_COLUMNS.length - 1; column > 0; column--) {
      const from = this.#columnsAt + 8 * column * oldCapacity
      memory.copyWithin(this.#offsetOf(column), from, from + 8 * this.rows)
    }
  }

  #reserve(): void {
    const { memory } = this.#scanner
    const missingBytes = this.#offsetOf(KLINE_COLUMNS.length) - memory.buffer.byteLength
    if (missingBytes > 0) memory.grow(Math.ceil(missingBytes / PAGE_BYTES))
  }
}
