import { closeSync, fsync, openSync } from 'node:fs'
import { mkdir, realpath } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { promisify } from 'node:util'
import { CkvdError } from '../errors.ts'
import { ioError } from './io-error.ts'

const fsyncAsync = promisify(fsync)

/** Directories of one lake, each created and checked once. */
export interface Directories {
  /** Creates a directory of the lake and its parents. Throws `CKVD_LAKE_IO` when a symbolic link leads it out of the lake. */
  prepare(directory: string): Promise<void>
  /** Makes renames into a directory durable. */
  sync(directory: string): Promise<void>
  /** Looks at a directory and its parents again when it is next prepared. */
  forget(directory: string): void
}

/** `root` must exist and be absolute; every other directory must lie below it. */
export function createDirectories(root: string): Directories {
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
      if (parent === directory) throw outside(directory, directory, root)
      await prepare(parent)
      const created = await makeDirectory(directory)
      const real = await realpath(directory)
      const realRoot = await prepare(root)
      if (!real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) throw outside(directory, real, root)
      if (created) await syncDirectory(parent)
      return real
    } catch (error) {
      throw ioError(error, 'create the directory', directory)
    }
  }

  return {
    async prepare(directory) {
      await prepare(directory)
    },
    sync: syncDirectory,
    forget(directory) {
      for (let path = directory; prepared.delete(path) && path !== root;) path = dirname(path)
    },
  }
}

function outside(directory: string, real: string, root: string): CkvdError {
  return new CkvdError(
    'CKVD_LAKE_IO',
    `Expected ${directory} to lie inside the lake ${root}, but a symbolic link leads it to ${real}. Nothing is written outside the lake: remove the link.`,
    { details: { path: directory, real, root } },
  )
}

async function makeDirectory(directory: string): Promise<boolean> {
  try {
    await mkdir(directory)
    return true
  } catch (error) {
    // a file of that name, or a dangling link, is found by realpath and by the first write
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
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
