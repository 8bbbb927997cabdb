import type { BigIntStats } from 'node:fs'

/** Writes to a file less than this apart may leave it with the same times: what was written so lately is looked at again. */
const SETTLED_MS = 2000

/**
 * Files that were read whole and had the digest that the catalog records, each as it was then: while size, times and place of a file stay,
 * its bytes do, and parts of it may be read without the rest. The oldest are forgotten first.
 */
export class ProvenFiles {
  readonly #states = new Map<string, string>()
  readonly #maxFiles: number

  /** @param maxFiles remembered, at some 400 bytes each */
  constructor(maxFiles: number) {
    this.#maxFiles = maxFiles
  }

  /** True when the file in this state was found to have this digest. */
  has(path: string, stats: BigIntStats, sha256: string): boolean {
    return this.#states.get(path) === describeState(stats, sha256)
  }

  /** Remembers a digest that was computed after `stats` was taken. */
  add(path: string, stats: BigIntStats, sha256: string): void {
    this.#states.delete(path)
    if (Date.now() - Number(stats.ctimeMs) < SETTLED_MS) return
    if (this.#states.size >= this.#maxFiles) {
      for (const oldest of this.#states.keys()) {
        this.#states.delete(oldest)
        break
      }
    }
    this.#states.set(path, describeState(stats, sha256))
  }
}

function describeState({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats, sha256: string): string {
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs} ${sha256}`
}
