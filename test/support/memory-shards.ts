import type { FileWrite } from '../../src/disk/durable-files.ts'
import { CkvdError } from '../../src/errors.ts'
import { joinLake } from '../../src/lake/layout.ts'
import { LARGEST_FILE_BYTES, tooLarge } from '../../src/lake/shard-store.ts'
import type { FileFacts, ListedFile, OpenFile, ShardStore } from '../../src/lake/shard-store.ts'

interface Version {
  readonly bytes: Uint8Array
  readonly writtenAt: Date
  readonly number: number
}

/**
 * A store without a disk, which answers as one far away does: later, in pages, and with nothing that looks like a file system. It shows that
 * the suite of stores asks for nothing that only files have.
 */
export class MemoryShards implements ShardStore {
  readonly #versions = new Map<string, Version>()
  #puts = 0
  #isBroken = false

  /** From now on nobody answers. */
  breakDown(): void {
    this.#isBroken = true
  }

  placeOf(path: string): string {
    return `memory:${joinLake('/', path)}`
  }

  async get(path: string, { mostBytes = LARGEST_FILE_BYTES } = {}): Promise<Uint8Array | undefined> {
    const bytes = (await this.#find(path))?.bytes
    if (bytes !== undefined && bytes.length > mostBytes) throw tooLarge(this.placeOf(path), bytes.length, mostBytes)
    return bytes?.slice()
  }

  async open(path: string): Promise<OpenFile | undefined> {
    const found = await this.#find(path)
    if (found === undefined) return undefined
    const { bytes, number } = found
    return {
      place: this.placeOf(path),
      sizeBytes: bytes.length,
      version: () => `version ${number}`,
      read: (at, buffers) => {
        const wanted = buffers.reduce((sum, { length }) => sum + length, 0)
        if (at + wanted > bytes.length) return false
        let from = at
        for (const buffer of buffers) {
          buffer.set(bytes.subarray(from, from + buffer.length))
          from += buffer.length
        }
        return true
      },
      close: () => undefined,
    }
  }

  async stat(path: string): Promise<FileFacts | undefined> {
    const found = await this.#find(path)
    return found === undefined ? undefined : { sizeBytes: found.bytes.length, writtenAt: found.writtenAt }
  }

  async *list(folder: string): AsyncGenerator<ListedFile, void> {
    for (let after = ''; ;) {
      await this.#reach(folder)
      const page = [...this.#versions.keys()].filter((path) => path.startsWith(`${folder}/`) && path > after).sort()
      for (const path of page.slice(0, 1000)) yield { path, isFile: true }
      if (page.length <= 1000) return
      after = page[999] as string
    }
  }

  async put(files: readonly FileWrite[]): Promise<(CkvdError | undefined)[]> {
    for (const { path } of files) await this.#reach(path)
    for (const { path, bytes } of files) this.#versions.set(path, { bytes: bytes.slice(), writtenAt: new Date(), number: ++this.#puts })
    return files.map(() => undefined)
  }

  async remove(path: string): Promise<boolean> {
    await this.#reach(path)
    return this.#versions.delete(path)
  }

  async #find(path: string): Promise<Version | undefined> {
    await this.#reach(path)
    return this.#versions.get(path)
  }

  /** Every call takes its time, and fails where nobody answers. */
  async #reach(path: string): Promise<void> {
    const place = this.placeOf(path)
    await new Promise((resolve) => setImmediate(resolve))
    if (this.#isBroken) throw new CkvdError('CKVD_LAKE_IO', `${place} cannot be reached.`, { details: { path: place } })
  }
}
