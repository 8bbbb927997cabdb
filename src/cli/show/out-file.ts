import { realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { CkvdError } from '../../errors.ts'
import { reportError } from '../../report/report-file.ts'
import { WholeFile } from '../../disk/whole-file.ts'

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

/** The file of `--out`, outside of the lake, whole or not there. */
export class OutFile implements Sink {
  readonly #file: WholeFile

  private constructor(file: WholeFile) {
    this.#file = file
  }

  /** Throws CKVD_USAGE when the file would lie in the lake, CKVD_DISK_FULL and CKVD_REPORT_IO when it cannot be created. */
  static async create(path: string, lakeRoot: string): Promise<OutFile> {
    checkOutside('--out', path, lakeRoot)
    return new OutFile(await WholeFile.create(path, reportError))
  }

  /** Throws CKVD_DISK_FULL, CKVD_REPORT_IO. */
  write(part: string | Uint8Array): Promise<void> {
    return this.#file.write(part)
  }

  /** Gives the file its name. Throws as `write`. */
  commit(): Promise<void> {
    return this.#file.commit({ sync: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file[Symbol.asyncDispose]()
  }
}
