import type { FileHandle } from 'node:fs/promises'
import { open, rm } from 'node:fs/promises'
import type { SeriesPlan } from '../acquire/plan/plan.ts'
import { ioError } from '../disk/io-error.ts'
import { LAKE } from '../lake/layout.ts'

/**
 * Plans on disk, as JSON: a universe of any size is planned, shown and compared with the free disk before its first download,
 * and never held in memory. Some 350 bytes an archive.
 */
export class PlanSpool {
  readonly #path: string
  readonly #places: { readonly offset: number; readonly length: number }[] = []
  #file: Promise<FileHandle> | undefined
  #end = 0

  /** @param path of a file that does not exist yet, in a directory that is swept */
  constructor(path: string) {
    this.#path = path
  }

  /** Throws CKVD_DISK_FULL, CKVD_LAKE_IO. */
  async add(plan: SeriesPlan): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(plan))
    const place = { offset: this.#end, length: bytes.length }
    this.#end += bytes.length
    this.#places.push(place)
    try {
      this.#file ??= open(this.#path, 'wx+')
      const file = await this.#file
      // a disk that is nearly full takes a part, and refuses the rest
      for (let done = 0; done < bytes.length;)
        done += (await file.write(bytes, done, bytes.length - done, place.offset + done)).bytesWritten
    } catch (error) {
      throw ioError(error, 'write the plan to', this.#path, LAKE)
    }
  }

  /** The plans, one at a time. Throws CKVD_LAKE_IO. */
  async *read(): AsyncGenerator<SeriesPlan> {
    for (const place of this.#places) yield JSON.parse((await this.#readAt(place)).toString()) as SeriesPlan
  }

  async #readAt({ offset, length }: { readonly offset: number; readonly length: number }): Promise<Buffer> {
    const bytes = Buffer.alloc(length)
    try {
      const file = await this.#file
      for (let done = 0; file !== undefined && done < length;) {
        const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
        if (bytesRead === 0) throw Object.assign(new Error('the plan is shorter than it was written'), { code: 'EIO' })
        done += bytesRead
      }
      return bytes
    } catch (error) {
      throw ioError(error, 'read the plan from', this.#path, LAKE)
    }
  }

  /** Never throws: what cannot be removed now is swept by the next run. */
  async remove(): Promise<void> {
    const file = await this.#file?.catch(() => undefined)
    await Promise.allSettled([file?.close(), rm(this.#path, { force: true })])
  }
}
