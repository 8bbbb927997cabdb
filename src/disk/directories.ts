import { closeSync, fsync, lstatSync, openSync, readlinkSync } from 'node:fs'
import { mkdir, realpath } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { promisify } from 'node:util'
import { CkvdError } from '../errors.ts'
import { systemCode } from '../system-errors.ts'
import type { Whose } from './io-error.ts'
import { ioError } from './io-error.ts'
import { checkIsFile } from './own-file.ts'

const fsyncAsync = promisify(fsync)

/** Directories of one folder of ours, each created and checked once. */
export interface Directories {
  /** Creates a directory and its parents. Throws the folder's `ioCode` when a symbolic link leads it out of the folder. */
  prepare(directory: string): Promise<void>
  /**
   * True where a directory is there; creates nothing. Throws the folder's `ioCode` when a symbolic link leads it, or one above it, out
   * of the folder: to be asked before anything in it is removed.
   */
  locate(directory: string): Promise<boolean>
  /** Makes renames into a directory durable. */
  sync(directory: string): Promise<void>
  /** Looks at a directory and its parents again when it is next prepared. */
  forget(directory: string): void
}

/** `root` must exist and be absolute; every other directory must lie below it. */
export function createDirectories(root: string, whose: Whose): Directories {
  // promises, not flags: 64 files of a new series must not race for its directory
  const prepared = new Map<string, Promise<string>>()

  /** Gives the directory's real path. Going down from the root, no directory is made behind a link before the link is seen. */
  function prepare(directory: string): Promise<string> {
    let promise = prepared.get(directory)
    if (promise === undefined) {
      promise = create(directory)
      prepared.set(directory, promise)
      promise.catch(() => prepared.delete(directory))
    }
    return promise
  }

  async function create(directory: string): Promise<string> {
    try {
      if (directory === root) return await realpath(root)
      const parent = dirname(directory)
      if (parent === directory) throw outside(directory, directory, root, whose)
      await prepare(parent)
      const created = await makeDirectory(directory)
      const real = await realpath(directory)
      if (!isBelow(real, await prepare(root))) throw outside(directory, real, root, whose)
      if (created) await syncDirectory(parent)
      return real
    } catch (error) {
      throw ioError(error, 'create the directory', directory, whose)
    }
  }

  return {
    async prepare(directory) {
      await prepare(directory)
    },
    // looked at each time: what is removed is worth the call
    async locate(directory) {
      try {
        const [real, realRoot] = await Promise.all([realpath(directory), realpath(root)])
        if (real === realRoot ? directory !== root : !isBelow(real, realRoot)) throw outside(directory, real, root, whose)
        return true
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return false
        throw ioError(error, 'find the directory', directory, whose)
      }
    },
    sync: syncDirectory,
    forget(directory) {
      for (let path = directory; prepared.delete(path) && path !== root;) path = dirname(path)
    },
  }
}

function isBelow(real: string, realRoot: string): boolean {
  return real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)
}

function outside(directory: string, real: string, root: string, { name, flag, ioCode }: Whose): CkvdError {
  return new CkvdError(
    ioCode,
    `Expected ${directory} to lie inside ${name} ${root}, but a symbolic link leads it to ${real}. Nothing is written or removed outside ${name}: remove the link. To keep ${name} on another disk, move the whole of it there and name it with ${flag}, or make ${name}'s own directory the link.`,
    { details: { path: directory, real, root } },
  )
}

/**
 * Refuses files that SQLite would write where a symbolic link leads, and pipes, on which it would wait for ever; `paths` need not be there.
 * Throws the folder's `ioCode`.
 */
export function refuseLinks(paths: readonly string[], root: string, whose: Whose): void {
  for (const path of paths) {
    try {
      const found = lstatSync(path, { throwIfNoEntry: false })
      if (found?.isSymbolicLink() === true) throw outside(path, readlinkSync(path), root, whose)
      if (found !== undefined) checkIsFile(found)
    } catch (error) {
      throw ioError(error, 'look at', path, whose)
    }
  }
}

async function makeDirectory(directory: string): Promise<boolean> {
  try {
    await mkdir(directory)
    return true
  } catch (error) {
    // a file of that name, or a dangling link, is found by realpath and by the first write
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Makes the entries of a directory durable. Windows cannot sync directories and needs no such step. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  // opened and closed on the spot: that takes less than being told by Node's thread pool that it is done
  const descriptor = openSync(directory, 'r')
  try {
    await fsyncAsync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
