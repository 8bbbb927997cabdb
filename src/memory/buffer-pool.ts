/** Buffers are made in steps, so that archives and shards of about the same size can take each other's. */
const STEP_BYTES = 16 * 1024
/** A buffer serves for anything down to this part of its size. */
const LARGEST_FACTOR = 4

/**
 * Memory that threads share, used again and again. Buffers that are moved from thread to thread count as garbage wherever they
 * have been: each 64 MB of them cost a collection of a thread's whole heap, and a run of thousands of archives would spend a
 * sixth of its time on that. Shared memory counts nowhere; so whoever takes some gives it back, or V8 does not hurry to free it.
 * Only its holder touches it: it goes with the message to another thread, and comes back with the answer.
 */
export class BufferPool {
  readonly #limitBytes: number
  /** whole buffers, the one that came last at the end */
  readonly #spare: Uint8Array<SharedArrayBuffer>[] = []
  #spareBytes = 0

  /** @param limitBytes what is kept at most while nobody uses it */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Bytes at the start of a buffer that may be larger. They hold whatever was there: write all of them. */
  take(sizeBytes: number): Uint8Array<SharedArrayBuffer> {
    const whole = this.#takeSpare(sizeBytes)
    if (whole !== undefined) return whole.subarray(0, sizeBytes)
    const capacity = Math.max(1, Math.ceil(sizeBytes / STEP_BYTES)) * STEP_BYTES
    return new Uint8Array(new SharedArrayBuffer(capacity), 0, sizeBytes)
  }

  /** Takes back what `take` gave here or in another thread; nobody else may hold it. Bytes that are not shared are left to V8. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes
    if (!(buffer instanceof SharedArrayBuffer)) return
    this.#spare.push(new Uint8Array(buffer))
    this.#spareBytes += buffer.byteLength
    // the oldest go first: what the run needs now came last
    while (this.#spareBytes > this.#limitBytes) this.#spareBytes -= this.#spare.shift()?.length ?? 0
  }

  /** Hands out what there is for another thread to `give` to its own pool: up to `count` buffers for so many bytes each. */
  takeSpares(sizeBytes: number, count: number): Uint8Array<SharedArrayBuffer>[] {
    const taken: Uint8Array<SharedArrayBuffer>[] = []
    while (taken.length < count) {
      const spare = this.#takeSpare(sizeBytes)
      if (spare === undefined) break
      taken.push(spare)
    }
    return taken
  }

  #takeSpare(sizeBytes: number): Uint8Array<SharedArrayBuffer> | undefined {
    const fits = ({ length }: Uint8Array): boolean => length >= sizeBytes && length <= sizeBytes * LARGEST_FACTOR + STEP_BYTES
    const found = this.#spare.findLastIndex(fits)
    if (found === -1) return undefined
    const [buffer] = this.#spare.splice(found, 1)
    this.#spareBytes -= buffer?.length ?? 0
    return buffer
  }
}
