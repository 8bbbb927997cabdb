import type { FileHandle } from 'node:fs/promises'
import { open, rm } from 'node:fs/promises'
import type { SeriesPlan } from '../acquire/plan/series-plan.ts'
import { ioError } from '../disk/io-error.ts'
import { LAKE } from '../lake/layout.ts'

/**
 * Plans on disk, as JSON, between the planner and the lanes: a universe of any size is planned as fast as its listing comes, however slow
 * the downloads are, and never held in memory. Some 350 bytes an archive.
 */
export class PlanSpool {
  readonly #path: string
  readonly #places: { readonly offset: number; readonly length: number }[] = []
  #file: Promise<FileHandle> | undefined
  #length = 0
  #isWhole = false
  /** wakes the reader when there is something new */
  #wake: (() => void) | undefined

  /** @param path of a file that does not exist yet, in a directory that is swept */
  constructor(path: string) {
    this.#path = path
  }

  /** Throws CKVD_DISK_FULL, CKVD_LAKE_IO. */
  async add(plan: SeriesPlan): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(plan))
    const place = { offset: this.#length, length: bytes.length }
    this.#length += bytes.length
    try {
      this.#file ??= open(this.#path, 'wx+')
      const file = await this.#file
      // a disk that is nearly full takes a part, and refuses the rest
      for (let done = 0; done < bytes.length;)
        done += (await file.write(bytes, done, bytes.length - done, place.offset + done)).bytesWritten
    } catch (error) {
      throw ioError(error, 'write the plan to', this.#path, LAKE)
    }
    this.#places.push(place)
    this.#wake?.()
  }

  /** No plan comes any more. */
  end(): void {
    this.#isWhole = true
    this.#wake?.()
  }

  /** The plans, one at a time, as they come, until `end`. Throws CKVD_LAKE_IO. */
  async *read(): AsyncGenerator<SeriesPlan> {
    for (let next = 0; ; next++) {
      while (next === this.#places.length && !this.#isWhole) await new Promise<void>((resolve) => (this.#wake = resolve))
      const place = this.#places[next]
      if (place === undefined) return
      yield JSON.parse((await this.#readAt(place)).toString()) as SeriesPlan
    }
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
