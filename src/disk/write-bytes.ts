import { closeSync, constants, open, openSync, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import PQueue from 'p-queue'
import { copyBytes } from '../memory/copy-bytes.ts'

/** The part of WebAssembly's API used here; see csv-wasm.ts. */
declare const WebAssembly: { readonly Memory: new (o: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer } }

const openAsync = promisify(open)
const writeAsync = promisify(write)

/**
 * Up to this size a file is written on the spot: the bytes go to the page cache in some 50 us, less than it costs to send the
 * work to Node's thread pool and to be told of its end, for each of open and write. What takes time is the syncing, which is
 * always done in the pool.
 */
const SMALL_BYTES = 512 * 1024
/**
 * Into the page cache larger files are written in pieces of this size. Linux gives a write pages as large as the write, and those of
 * megabytes are found slowly: a day of 1s bars in one write took 15 ms of the kernel's time, in pieces of 256 KiB or 512 KiB 3 ms.
 */
const PIECE_BYTES = 256 * 1024
/** Past the page cache memory, place in the file and size must be multiples of the disk's blocks, which are of 512 or 4,096 bytes. */
const BLOCK_BYTES = 4096
/** What goes past the page cache is copied first, a part at a time, to memory that starts at a block; as many files do so at once as Node's pool has threads. */
const STAGED_BYTES = 1024 * 1024
const STAGED_FILES = 4
const WASM_PAGE_BYTES = 64 * 1024

/** Writes new files of one file system. */
export class ByteWriter {
  /** whether files may be written past the page cache: known to be false once the file system has refused it, or there is no memory for it */
  #direct = 'O_DIRECT' in constants
  readonly #turns = new PQueue({ concurrency: STAGED_FILES })
  /** memory of files whose turn it is not */
  #staging: Uint8Array[] | undefined

  /**
   * Writes a file that must not be there yet. Throws what the system says.
   * @param onOpen gets the descriptor, for syncing and closing, as soon as there is one
   */
  write(path: string, bytes: Uint8Array, onOpen: (descriptor: number) => void): Promise<void> | void {
    if (bytes.length > SMALL_BYTES) return this.#writeLarge(path, bytes, onOpen)
    const descriptor = openSync(path, 'wx')
    onOpen(descriptor)
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, at)
  }

  async #writeLarge(path: string, bytes: Uint8Array, onOpen: (descriptor: number) => void): Promise<void> {
    const descriptor = await openAsync(path, 'wx')
    onOpen(descriptor)
    const written = this.#direct ? await this.#turns.add(() => this.#writeBlocks(path, bytes)) : 0
    // a disk that is nearly full takes a part, and refuses the rest
    for (let at = written; at < bytes.length;)
      at += (await writeAsync(descriptor, bytes, at, Math.min(PIECE_BYTES, bytes.length - at), at)).bytesWritten
  }

  /**
   * Past the page cache (`O_DIRECT`): nobody reads a shard soon, and pages for it must be found first, which costs the more the fuller
   * memory is, or must come from the host of a virtual machine: of days of 1s bars it took up to a third of a run's processor time. What
   * the file system does not take so, and the last bytes, go the ordinary way. Gives how many bytes, from the first, are in the file.
   */
  async #writeBlocks(path: string, bytes: Uint8Array): Promise<number> {
    const blocks = bytes.length - (bytes.length % BLOCK_BYTES)
    const memory = this.#takeMemory()
    if (memory === undefined) return 0
    let written = 0
    try {
      const descriptor = openSync(path, constants.O_WRONLY | constants.O_DIRECT)
      try {
        while (written < blocks) {
          const part = bytes.subarray(written, Math.min(written + STAGED_BYTES, blocks))
          copyBytes(memory, 0, part)
          written += (await writeAsync(descriptor, memory, 0, part.length, written)).bytesWritten
        }
      } finally {
        closeSync(descriptor)
      }
    } catch {
      // No `O_DIRECT` here, or other blocks than ours: file systems have several codes for that. Where it is more, a full disk or a
      // broken one, the ordinary way meets it as well, when it writes the rest or at the latest when it syncs.
      this.#direct = false
    } finally {
      this.#staging?.push(memory)
    }
    return written
  }

  #takeMemory(): Uint8Array | undefined {
    this.#staging ??= reserve()
    this.#direct &&= this.#staging.length > 0
    return this.#staging.pop()
  }
}

/**
 * Pieces of memory that start where a page of memory starts. An ArrayBuffer starts anywhere; the memory of WebAssembly is mapped on its
 * own. None where WebAssembly is off, or addresses are few (`ulimit -v`): each such memory reserves 10 GB of them.
 */
function reserve(): Uint8Array[] {
  if (!('WebAssembly' in globalThis)) return []
  const pages = (STAGED_BYTES * STAGED_FILES) / WASM_PAGE_BYTES
  try {
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
    return Array.from({ length: STAGED_FILES }, (_, i) => new Uint8Array(buffer, i * STAGED_BYTES, STAGED_BYTES))
  } catch (error) {
    if (error instanceof RangeError) return []
    throw error
  }
}
