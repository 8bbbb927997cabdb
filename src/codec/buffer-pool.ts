/** Buffers are made in steps, so that archives and shards of about the same size can take each other's. */
const STEP_BYTES = 16 * 1024
/** A buffer serves for anything down to this part of its size. */
const LARGEST_FACTOR = 4

/**
 * Memory that is used again. Each 64 MB of buffers outside of V8's heap that become garbage cost a collection of the whole
 * heap, in every thread that they pass; a run of thousands of archives would spend a tenth of its time on that.
 */
export class BufferPool {
  readonly #limitBytes: number
  readonly #spare: ArrayBuffer[] = []
  #spareBytes = 0

  /** @param limitBytes what is kept at most while nobody uses it */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Bytes at the start of a buffer that may be larger. They hold whatever was there: write all of them. */
  take(sizeBytes: number): Uint8Array<ArrayBuffer> {
    const found = this.#spare.findIndex(
      ({ byteLength }) => byteLength >= sizeBytes && byteLength <= sizeBytes * LARGEST_FACTOR + STEP_BYTES,
    )
    const [buffer] = found === -1 ? [] : this.#spare.splice(found, 1)
    if (buffer !== undefined) {
      this.#spareBytes -= buffer.byteLength
      return new Uint8Array(buffer, 0, sizeBytes)
    }
    const capacity = Math.max(1, Math.ceil(sizeBytes / STEP_BYTES)) * STEP_BYTES
    // not zeroed, and not from Node's own pool
    return new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer, 0, sizeBytes)
  }

  /** Takes a buffer back; nobody else may hold it. One that was transferred has no bytes and is left out. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength === 0) return
    this.#spare.push(buffer)
    this.#spareBytes += buffer.byteLength
    // the oldest go first: what the run needs now came last
    while (this.#spareBytes > this.#limitBytes) this.#spareBytes -= this.#spare.shift()?.byteLength ?? 0
  }

  /** Hands out up to `count` buffers, the last ones that came. */
  drain(count: number): ArrayBuffer[] {
    const drained = this.#spare.splice(Math.max(0, this.#spare.length - count), count)
    for (const { byteLength } of drained) this.#spareBytes -= byteLength
    return drained
  }
}
