/** The part of WebAssembly's API used here; see csv-wasm.ts. */
declare const WebAssembly: {
  readonly Memory: new (o: { initial: number; maximum: number; shared: true }) => { readonly buffer: SharedArrayBuffer }
}

const WASM_PAGE_BYTES = 64 * 1024
/** a day of 1m bars takes 128 KiB */
const SMALL_SLOT = { sizeBytes: 256 * 1024, count: 512 }
/** a day of 1s bars takes 7.3 MiB */
const LARGE_SLOT = { sizeBytes: 8 * 1024 * 1024, count: 24 }
const LARGE_START = SMALL_SLOT.sizeBytes * SMALL_SLOT.count
/** No other shared memory is as large: by this a region is known in the thread that gets a piece of it. */
export const REGION_BYTES = LARGE_START + LARGE_SLOT.sizeBytes * LARGE_SLOT.count
/** A slot is for bytes that fill this part of it: it has no more memory than it has ever been written, but it is one of few. */
const SMALLEST_PART = 4

/**
 * Shared memory whose pieces start where a page of memory starts: files whose bytes lie so can be written past the page cache
 * (`AtomicFiles`). A SharedArrayBuffer starts anywhere; the memory of WebAssembly is mapped on its own. Each such memory reserves
 * 10 GB of addresses, so there is one a thread, cut into slots, which take no memory before they are written.
 */
export class PageMemory {
  /** undefined before the first slot, null where there is none: WebAssembly is off, or addresses are few (`ulimit -v`) */
  #region: SharedArrayBuffer | null | undefined
  #smallUsed = 0
  #largeUsed = 0

  /** A slot that nobody has had yet, for so many bytes; undefined where none is left, or none has about that size. */
  take(sizeBytes: number): Uint8Array<SharedArrayBuffer> | undefined {
    const isSmall = sizeBytes <= SMALL_SLOT.sizeBytes
    const slot = isSmall ? SMALL_SLOT : LARGE_SLOT
    const used = isSmall ? this.#smallUsed : this.#largeUsed
    if (sizeBytes > slot.sizeBytes || sizeBytes * SMALLEST_PART < slot.sizeBytes || used === slot.count) return undefined
    if (this.#region === undefined) this.#region = reserve()
    if (this.#region === null) return undefined
    if (isSmall) this.#smallUsed++
    else this.#largeUsed++
    return new Uint8Array(this.#region, (isSmall ? 0 : LARGE_START) + used * slot.sizeBytes, slot.sizeBytes)
  }
}

/** The whole slot that bytes lie in, whichever thread's it is; undefined for memory of another kind. */
export function slotOf({ buffer, byteOffset }: Uint8Array): Uint8Array<SharedArrayBuffer> | undefined {
  if (!(buffer instanceof SharedArrayBuffer) || buffer.byteLength !== REGION_BYTES) return undefined
  const { sizeBytes } = byteOffset < LARGE_START ? SMALL_SLOT : LARGE_SLOT
  return new Uint8Array(buffer, byteOffset - (byteOffset % sizeBytes), sizeBytes)
}

function reserve(): SharedArrayBuffer | null {
  if (!('WebAssembly' in globalThis)) return null
  const pages = REGION_BYTES / WASM_PAGE_BYTES
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}
