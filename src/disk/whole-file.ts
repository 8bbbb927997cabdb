import type { FileHandle } from 'node:fs/promises'
import { open, rename, rm } from 'node:fs/promises'
import { sweepTempFiles, tempPath } from './temp-files.ts'

/** The error of a file that could not be written, as its owner tells it. */
export type TellFileError = (cause: unknown, path: string) => Error

/**
 * A file that is there when it is whole: parts go to a file beside it, which takes its name in `commit`. Without `commit` closing it leaves
 * nothing, and a file of that name as it was. What killed commands left beside it is removed first.
 */
export class WholeFile implements AsyncDisposable {
  readonly #path: string
  readonly #temp: string
  readonly #file: FileHandle
  readonly #tell: TellFileError
  #isOpen = true

  private constructor(path: string, temp: string, file: FileHandle, tell: TellFileError) {
    this.#path = path
    this.#temp = temp
    this.#file = file
    this.#tell = tell
  }

  /** Its directory must be there. Throws, as `write` and `commit` do, what `tell` makes of the system's error. */
  static async create(path: string, tell: TellFileError): Promise<WholeFile> {
    const temp = tempPath(path)
    await sweepTempFiles(path)
    try {
      return new WholeFile(path, temp, await open(temp, 'wx'), tell)
    } catch (cause) {
      throw tell(cause, path)
    }
  }

  async write(part: string | Uint8Array): Promise<void> {
    await this.#guard(() => this.#file.writeFile(part))
  }

  /** Gives the file its name. `sync`: what it holds is on the disk before; without it a file that can be made again is quicker. */
  async commit({ sync }: { readonly sync: boolean }): Promise<void> {
    await this.#guard(async () => {
      if (sync) await this.#file.sync()
      this.#isOpen = false
      await this.#file.close()
      await rename(this.#temp, this.#path)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOpen) await this.#file.close()
    await rm(this.#temp, { force: true })
  }

  async #guard(action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      throw this.#tell(error, this.#path)
    }
  }
}
