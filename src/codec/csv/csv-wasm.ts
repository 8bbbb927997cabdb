import { memoryError } from '../../errors.ts'
import { copyBytes } from '../../memory/copy-bytes.ts'
import { decodeCsv } from './csv.ts'
import type { DecodedCsv } from './csv.ts'
import type { WasmExports } from './csv-wasm-table.ts'
import { growTo, PADDING_BYTES, reserveInPlace, WasmTable } from './csv-wasm-table.ts'

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
    if ((this.#instance?.memory.buffer.byteLength ?? 0) > KEPT_BYTES) this.#instance = undefined
    return decoded ?? decodeCsv(bytes)
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
