/** Bytes that are read and thrown away to save a read. */
const BRIDGED_BYTES = 4096

/** One read of a file, into memory here and there. */
export interface Read {
  readonly at: number
  readonly buffers: Uint8Array[]
  readonly sizeBytes: number
}

/** Few reads for the parts that are wanted of a file: parts with little between them are read as one. @param wanted in the order of the file */
export function joinReads(wanted: readonly { readonly at: number; readonly into: Uint8Array }[]): Read[] {
  const reads: { at: number; buffers: Uint8Array[]; sizeBytes: number }[] = []
  for (const { at, into } of wanted) {
    const last = reads.at(-1)
    const between = last === undefined ? Infinity : at - last.at - last.sizeBytes
    if (last === undefined || between > BRIDGED_BYTES || between < 0) {
      reads.push({ at, buffers: [into], sizeBytes: into.length })
      continue
    }
    if (between > 0) last.buffers.push(Buffer.allocUnsafe(between))
    last.buffers.push(into)
    last.sizeBytes += between + into.length
  }
  return reads
}

/** Memory for one file after the other. */
export class FileMemory {
  #memory = Buffer.alloc(0)

  /** Room for the bytes of a file, until the next one is read. */
  take(sizeBytes: number): Buffer {
    if (this.#memory.length < sizeBytes) this.#memory = Buffer.allocUnsafeSlow(sizeBytes)
    return this.#memory.subarray(0, sizeBytes)
  }
}
