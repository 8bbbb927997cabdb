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
  readonly #spare: SharedArrayBuffer[] = []
  #spareBytes = 0

  /** @param limitBytes what is kept at most while nobody uses it */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Bytes at the start of a buffer that may be larger. They hold whatever was there: write all of them. */
  take(sizeBytes: number): Uint8Array<SharedArrayBuffer> {
    const found = this.#spare.findLastIndex(
      ({ byteLength }) => byteLength >= sizeBytes && byteLength <= sizeBytes * LARGEST_FACTOR + STEP_BYTES,
    )
    const [buffer] = found === -1 ? [] : this.#spare.splice(found, 1)
    if (buffer !== undefined) {
      this.#spareBytes -= buffer.byteLength
      return new Uint8Array(buffer, 0, sizeBytes)
    }
    const capacity = Math.max(1, Math.ceil(sizeBytes / STEP_BYTES)) * STEP_BYTES
    return new Uint8Array(new SharedArrayBuffer(capacity), 0, sizeBytes)
  }

  /** Takes a buffer back; nobody else may hold it. One that is not shared is left to V8. */
  give(buffer: ArrayBufferLike): void {
    if (!(buffer instanceof SharedArrayBuffer)) return
    this.#spare.push(buffer)
    this.#spareBytes += buffer.byteLength
    // the oldest go first: what the run needs now came last
    while (this.#spareBytes > this.#limitBytes) this.#spareBytes -= this.#spare.shift()?.byteLength ?? 0
  }

  /** Hands out up to `count` buffers, the last ones that came. */
  drain(count: number): SharedArrayBuffer[] {
    const drained = this.#spare.splice(Math.max(0, this.#spare.length - count), count)
    for (const { byteLength } of drained) this.#spareBytes -= byteLength
    return drained
  }
}
