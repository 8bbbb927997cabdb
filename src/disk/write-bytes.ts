import { closeSync, constants, open, openSync, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { slotOf } from '../memory/page-memory.ts'

const openAsync = promisify(open)
const writeAsync = promisify(write)

/**
 * Up to this size a file is written on the spot: the bytes go to the page cache in some 50 us, less than it costs to send the
 * work to Node's thread pool and to be told of its end, for each of open and write. What takes time is the syncing, which is
 * always done in the pool.
 */
const SMALL_BYTES = 512 * 1024
/**
 * Larger files are written in pieces of this size. Linux gives a write pages as large as the write, and those of megabytes are
 * found slowly: a day of 1s bars in one write took 15 ms of the kernel's time, in pieces of 256 KiB or 512 KiB 3 ms.
 */
const PIECE_BYTES = 256 * 1024
/** Past the page cache memory, place in the file and size must be multiples of the disk's blocks, which are of 512 or 4,096 bytes. */
const BLOCK_BYTES = 4096

/** Writes new files of one file system. */
export class ByteWriter {
  /** whether files may be written past the page cache: known to be false once the file system has refused it */
  #direct = 'O_DIRECT' in constants

  /**
   * Writes a file that must not be there yet. Throws what the system says.
   * @param onOpen gets the descriptor, for syncing and closing, as soon as there is one
   */
  write(path: string, bytes: Uint8Array, onOpen: (descriptor: number) => void): Promise<void> | void {
    if (this.#direct && slotOf(bytes) !== undefined) return this.#writeDirect(path, bytes, onOpen)
    if (bytes.length > SMALL_BYTES) return writeLarge(path, bytes, onOpen)
    const descriptor = openSync(path, 'wx')
    onOpen(descriptor)
    writeRest(descriptor, bytes, 0)
  }

  /**
   * Past the page cache (`O_DIRECT`), from page memory: nobody reads a shard soon, and pages for it must be found first, which
   * costs the more the fuller memory is. Of days of 1s bars it took up to a third of a run's processor time. What the file
   * system does not take so, and the last bytes, go the ordinary way.
   */
  async #writeDirect(path: string, bytes: Uint8Array, onOpen: (descriptor: number) => void): Promise<void> {
    const descriptor = openSync(path, 'wx')
    onOpen(descriptor)
    const written = await this.#writeBlocks(path, bytes)
    if (bytes.length - written > SMALL_BYTES) await writePieces(descriptor, bytes, written)
    else writeRest(descriptor, bytes, written)
  }

  /** Gives how many bytes, from the first, are in the file. */
  async #writeBlocks(path: string, bytes: Uint8Array): Promise<number> {
    const blocks = bytes.length - (bytes.length % BLOCK_BYTES)
    let written = 0
    try {
      const descriptor = openSync(path, constants.O_WRONLY | constants.O_DIRECT)
      try {
        while (written < blocks) written += (await writeAsync(descriptor, bytes, written, blocks - written, written)).bytesWritten
      } finally {
        closeSync(descriptor)
      }
    } catch {
      // No `O_DIRECT` here, or other blocks than ours: file systems have several codes for that. Where it is more, a full disk or a
      // broken one, the ordinary way meets it as well, when it writes the rest or at the latest when it syncs.
      this.#direct = false
    }
    return written
  }
}

async function writeLarge(path: string, bytes: Uint8Array, onOpen: (descriptor: number) => void): Promise<void> {
  const descriptor = await openAsync(path, 'wx')
  onOpen(descriptor)
  await writePieces(descriptor, bytes, 0)
}

// a disk that is nearly full takes a part, and refuses the rest

async function writePieces(descriptor: number, bytes: Uint8Array, from: number): Promise<void> {
  for (let at = from; at < bytes.length;)
    at += (await writeAsync(descriptor, bytes, at, Math.min(PIECE_BYTES, bytes.length - at), at)).bytesWritten
}

function writeRest(descriptor: number, bytes: Uint8Array, from: number): void {
  for (let at = from; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, at)
}
