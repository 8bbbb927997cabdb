/**
 * Files that were read whole and had the digest that the catalog records, each in the version that it was then: while a store names it the
 * same version, its bytes are the same, and parts of it may be read without the rest. The oldest are forgotten first.
 */
export class ProvenFiles {
  readonly #states = new Map<string, string>()
  readonly #maxFiles: number

  /** @param maxFiles remembered, at some 400 bytes each */
  constructor(maxFiles: number) {
    this.#maxFiles = maxFiles
  }

  /** True when the file at this place was found to have this digest in this version. */
  has(place: string, version: string | undefined, sha256: string): boolean {
    return version !== undefined && this.#states.get(place) === describeState(version, sha256)
  }

  /** Remembers a digest that was computed of a version; of a file whose version cannot be told it forgets what it knew. */
  add(place: string, version: string | undefined, sha256: string): void {
    this.#states.delete(place)
    if (version === undefined) return
    if (this.#states.size >= this.#maxFiles) {
      for (const oldest of this.#states.keys()) {
        this.#states.delete(oldest)
        break
      }
    }
    this.#states.set(place, describeState(version, sha256))
  }
}

function describeState(version: string, sha256: string): string {
  return `${version} ${sha256}`
}
