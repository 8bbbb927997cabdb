import { createReadStream } from 'node:fs'
import { appendFile, rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { SeriesPlan } from '../acquire/plan.ts'

const BUFFERED_PLANS = 16

/**
 * Plans on disk, one line of JSON a series: a universe of any size is planned, shown and compared with the free disk
 * before its first download, and never held in memory.
 */
export class PlanSpool {
  readonly #path: string
  #lines: string[] = []
  #written: Promise<void> = Promise.resolve()
  #count = 0

  /** @param path of a file that does not exist yet, in a directory that is swept */
  constructor(path: string) {
    this.#path = path
  }

  async add(plan: SeriesPlan): Promise<void> {
    this.#count++
    this.#lines.push(`${JSON.stringify(plan)}\n`)
    if (this.#lines.length >= BUFFERED_PLANS) await this.#flush()
  }

  #flush(): Promise<void> {
    const text = this.#lines.splice(0).join('')
    this.#written = this.#written.then(() => (text === '' ? undefined : appendFile(this.#path, text)))
    return this.#written
  }

  /** The plans, in the order in which they were added. */
  async *read(): AsyncGenerator<SeriesPlan> {
    await this.#flush()
    if (this.#count === 0) return
    const lines = createInterface({ input: createReadStream(this.#path), crlfDelay: Infinity })
    for await (const line of lines) yield JSON.parse(line) as SeriesPlan
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true })
  }
}
