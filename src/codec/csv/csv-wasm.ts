import { memoryError } from '../../errors.ts'
import { copyBytes } from '../../memory/copy-bytes.ts'
import type { Dataset } from '../../dataset/dataset.ts'
import { decodeCsv } from './csv.ts'
import type { DecodedCsv } from './csv.ts'
import type { DecodedTable, TablePlace } from './csv-table.ts'
import { decodeTable } from './csv-table.ts'
import { isScannable, WasmBatch } from './csv-wasm-batch.ts'
import type { WasmExports } from './csv-wasm-table.ts'
import { growTo, PADDING_BYTES, reserveInPlace, WasmTable } from './csv-wasm-table.ts'
import type { RowBatch } from './row-batch.ts'
import { PlainBatch } from './row-batch.ts'
import type { BatchOptions } from './table-scan.ts'
import { collectTable, scanPieces, scanTable } from './table-scan.ts'

/** The part of WebAssembly's API used here: @types/node 20 has none, and the types of the DOM would bring all of a browser's names. */
declare const WebAssembly: {
  validate(binary: Uint8Array): boolean
  readonly Module: new (binary: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

/** The smallest module with a vector in it: a function that gives sixteen zeros. */
const VECTOR_MODULE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123], // what it is, and the type () -> v128
  ...[3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11], // the function: i32.const 0, i8x16.splat
)
/** The inflater reads so far behind its input, and writes so far behind its output, before it sees that a stream is damaged. */
const INFLATE_MARGIN_BYTES = 1024
/** Larger entries (months of 1s bars) go through zlib, and through the scanner in windows: they would hold too much memory. */
const MAX_INFLATED_BYTES = 64 * 1024 * 1024
/** The memory of WebAssembly never shrinks: an instance that a large archive has blown up is not kept. */
const KEPT_BYTES = 64 * 1024 * 1024
/** Rows of a data set are copied out of the module's memory so many at a time, from the processor's caches. */
const COPIED_ROWS = 4096

/**
 * Inflates and decodes as zlib and `decodeCsv` do, in WebAssembly (`workers/assembly`): the same bytes, the same columns bit
 * for bit, and the same errors, since whatever it does not take is left to them. It keeps its memory from call to call, and
 * gives views of it that the next call overwrites: one archive at a time.
 */
export class WasmDecoder {
  readonly #module: object
  #instance: WasmExports | undefined

  /**
   * False where V8 has no WebAssembly (`node --jitless`), or none with vectors: on x64 processors without SSE4.1, as virtual
   * machines of the most careful models have (`qemu64`, `kvm64`).
   */
  static get isSupported(): boolean {
    return 'WebAssembly' in globalThis && WebAssembly.validate(VECTOR_MODULE)
  }

  /** @param binary `decoder.wasm`, which `npm run build` makes of `workers/assembly` */
  constructor(binary: Uint8Array) {
    this.#module = new WebAssembly.Module(binary)
  }

  /**
   * Inflates a raw deflate stream that has exactly `sizeBytes`; undefined where it has not, or is damaged, or too large. What
   * it gives must be checked by its CRC-32: zlib alone says what is wrong with a stream.
   */
  inflate(data: Uint8Array, sizeBytes: number): Uint8Array | undefined {
    return sizeBytes > MAX_INFLATED_BYTES ? undefined : this.#unlessRefused((wasm) => inflateIn(wasm, data, sizeBytes))
  }

  /** See `decodeCsv`. Bytes that `inflate` has just given are scanned where they are. */
  decodeCsv(bytes: Uint8Array): DecodedCsv {
    const decoded = this.#unlessRefused((wasm) => decodeCsv(bytes, (csv, capacity) => new WasmTable(wasm, csv, capacity)))
    this.#leave()
    return decoded ?? decodeCsv(bytes)
  }

  /** See `decodeTable`. The columns are no views of the module's memory. */
  decodeTable(bytes: Uint8Array, dataset: Dataset, place: TablePlace): DecodedTable {
    if (!isScannable(dataset)) return decodeTable(bytes, dataset, place)
    const { batch, csv } = this.#open(dataset, COPIED_ROWS, bytes)
    try {
      return collectTable(csv, dataset, place, batch)
    } finally {
      this.#leave()
    }
  }

  /** See `scanTable`. Bytes that `inflate` has just given are scanned where they are, and are worth nothing afterwards. */
  scanTable(bytes: Uint8Array, options: BatchOptions): number {
    const { batch, csv } = this.#open(options.dataset, options.batchRows, bytes)
    try {
      return scanTable(csv, options, batch)
    } finally {
      this.#leave()
    }
  }

  /** See `scanPieces`. Nothing else may be decoded until it is done. */
  async scanPieces(pieces: AsyncIterable<Uint8Array>, options: BatchOptions): Promise<number> {
    const { batch } = this.#open(options.dataset, options.batchRows, new Uint8Array(0))
    try {
      return await scanPieces(pieces, options, batch)
    } finally {
      this.#leave()
    }
  }

  /**
   * A batch behind a CSV, and the CSV, whose view is worth nothing where it lies in the module's memory and this has moved. Where the scanner does
   * not know the data set, or there is no memory, the batch is one without a scanner.
   */
  #open(dataset: Dataset, rows: number, csv: Uint8Array): { readonly batch: RowBatch; readonly csv: Uint8Array } {
    const { columns } = dataset
    const { buffer, byteOffset, length } = csv
    const isInside = buffer === this.#instance?.memory.buffer
    const batchIn = (wasm: WasmExports): RowBatch =>
      new WasmBatch(wasm, columns, rows, isInside ? byteOffset + length + PADDING_BYTES : wasm.inputOffset())
    const batch = (isScannable(dataset) ? this.#unlessRefused(batchIn) : undefined) ?? new PlainBatch(columns, rows)
    const inside = isInside ? this.#instance?.memory.buffer : undefined
    return { batch, csv: inside === undefined ? csv : new Uint8Array(inside, byteOffset, length) }
  }

  /** Lets go of an instance whose memory has become large. */
  #leave(): void {
    if ((this.#instance?.memory.buffer.byteLength ?? 0) > KEPT_BYTES) this.#instance = undefined
  }

  /** Works in the module's memory; undefined where the system refuses memory, or the 10 GB of addresses that V8 reserves for each (`ulimit -v`). */
  #unlessRefused<T>(work: (wasm: WasmExports) => T): T | undefined {
    try {
      const wasm = (this.#instance ??= new WebAssembly.Instance(this.#module).exports as WasmExports)
      return work(wasm)
    } catch (error) {
      if (memoryError(error) === undefined) throw error
      return undefined
    }
  }
}

function inflateIn(wasm: WasmExports, data: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  const inputAt = wasm.inputOffset()
  const outputAt = (inputAt + data.length + INFLATE_MARGIN_BYTES + 7) & ~7
  growTo(wasm, outputAt + sizeBytes + INFLATE_MARGIN_BYTES)
  reserveInPlace(wasm, outputAt, sizeBytes)
  const memory = new Uint8Array(wasm.memory.buffer)
  copyBytes(memory, inputAt, data)
  if (wasm.inflate(inputAt, data.length, outputAt, sizeBytes) !== sizeBytes) return undefined
  memory.fill(0, outputAt + sizeBytes, outputAt + sizeBytes + PADDING_BYTES)
  return memory.subarray(outputAt, outputAt + sizeBytes)
}
