import { systemCode } from '../system-errors.ts'
import type { FileHandle } from 'node:fs/promises'
import { open, rename, rm, stat } from 'node:fs/promises'
import { sweepTempFiles, tempPath } from './temp-files.ts'

/** The error of a file that could not be written, as its owner tells it. */
export type TellFileError = (cause: unknown, path: string) => Error

/** What a process has open, whatever lies behind it: a name for it, no place for a file. */
const OPEN_FILE = /^\/(?:dev\/(?:std(?:in|out|err)$|fd\/)|proc\/[^/]+\/fd\/)/

/**
 * A file that is there when it is whole: parts go to a file beside it, which takes its name in `commit`. Without `commit` closing it leaves
 * nothing, and a file of that name as it was. What killed commands left beside it is removed first. A device, a pipe or what a process has open
 * (`/dev/stdout`) is written to as it comes: it is no file that another could take the place of.
 */
export class WholeFile implements AsyncDisposable {
  readonly #path: string
  /** null: written to as it comes */
  readonly #temp: string | null
  readonly #file: FileHandle
  readonly #tell: TellFileError
  #isOpen = true

  private constructor(path: string, temp: string | null, file: FileHandle, tell: TellFileError) {
    this.#path = path
    this.#temp = temp
    this.#file = file
    this.#tell = tell
  }

  /** Its directory must be there. Throws, as `write` and `commit` do, what `tell` makes of the system's error. */
  static async create(path: string, tell: TellFileError): Promise<WholeFile> {
    try {
      if (await isStream(path)) return new WholeFile(path, null, await open(path, 'a'), tell)
      const temp = tempPath(path)
      await sweepTempFiles(path)
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
      if (sync && this.#temp !== null) await this.#file.sync()
      this.#isOpen = false
      await this.#file.close()
      if (this.#temp !== null) await rename(this.#temp, this.#path)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOpen) await this.#file.close()
    if (this.#temp !== null) await rm(this.#temp, { force: true })
  }

  async #guard(action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      throw this.#tell(error, this.#path)
    }
  }
}

async function isStream(path: string): Promise<boolean> {
  if (OPEN_FILE.test(path)) return true
  try {
    const found = await stat(path)
    return !found.isFile() && !found.isDirectory()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}
