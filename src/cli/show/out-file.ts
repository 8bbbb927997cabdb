import { realpathSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { CkvdError } from '../../errors.ts'
import { reportError } from '../../report/report-file.ts'
import { sweepTempFiles, tempPath } from '../../disk/temp-file.ts'

/** Where rows of any number go, piece by piece. */
export interface Sink {
  write(part: string | Uint8Array): Promise<void>
}

/** Throws CKVD_USAGE when a file (absolute) that a flag names would lie in the lake. */
export function checkOutside(flag: string, path: string, lakeRoot: string): void {
  const inside = relative(realPathOf(resolve(lakeRoot)), realPathOf(path))
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected \`${flag}\` outside of the lake, got ${path}: nothing but verified data and its catalog lies there.`,
  )
}

/** A path without the symbolic links in the part of it that exists. */
function realPathOf(path: string): string {
  const parent = dirname(path)
  if (parent === path) return path
  try {
    return realpathSync(path)
  } catch {
    return join(realPathOf(parent), basename(path)) // not there, or not to be looked at: then opening it fails too
  }
}

/**
 * A file that is there when it is whole: parts go to a file beside it, which takes its name in `commit`. Without `commit` closing it leaves
 * nothing, and a file of that name as it was. What killed commands left beside it is removed first.
 */
export class OutFile implements Sink {
  readonly #path: string
  readonly #temp: string
  readonly #file: FileHandle
  #isOpen = true

  private constructor(path: string, temp: string, file: FileHandle) {
    this.#path = path
    this.#temp = temp
    this.#file = file
  }

  /** Throws CKVD_USAGE when the file would lie in the lake, CKVD_DISK_FULL and CKVD_REPORT_IO when it cannot be created. */
  static async create(path: string, lakeRoot: string): Promise<OutFile> {
    checkOutside('--out', path, lakeRoot)
    const temp = tempPath(path)
    await sweepTempFiles(path)
    try {
      return new OutFile(path, temp, await open(temp, 'wx'))
    } catch (cause) {
      throw reportError(cause, path)
    }
  }

  /** Throws CKVD_DISK_FULL, CKVD_REPORT_IO. */
  async write(part: string | Uint8Array): Promise<void> {
    await this.#guard(() => this.#file.writeFile(part))
  }

  /** Gives the file its name. Throws as `write`. */
  async commit(): Promise<void> {
    await this.#guard(async () => {
      await this.#file.sync()
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
      throw reportError(error, this.#path)
    }
  }
}
