import { randomUUID } from 'node:crypto'
import { closeSync, fdatasync, openSync, renameSync, writeFileSync } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { CkvdError } from '../errors.ts'
import { isCkvdError } from '../errors.ts'
import type { Directories } from './directories.ts'
import { createDirectories } from './directories.ts'
import { ioError } from './io-error.ts'
import type { LakePaths } from './layout.ts'
import { joinLake } from './layout.ts'
import type { Steps } from './steps.ts'
import { runStep } from './steps.ts'

/** A file to write: its path relative to the lake, `/` separated, and its whole content. */
export interface FileWrite {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Writes files of one lake whole or not at all. */
export interface AtomicFiles {
  /** Writes one file; when it returns, the file is on disk under its final name. Throws `CKVD_DISK_FULL`, `CKVD_LAKE_IO`. */
  write(file: FileWrite): Promise<void>
  /**
   * Writes a group of files with distinct paths; each step is done for the whole group before the next one, since syncing
   * in parallel costs a fraction of syncing in turn. Gives one entry a file: undefined when it is on disk under its final
   * name, else why not. A full disk fails the whole group before anything is renamed. A file that has an error after its
   * rename (a directory that cannot be synced) may be there nevertheless, whole.
   */
  writeGroup(files: readonly FileWrite[]): Promise<(CkvdError | undefined)[]>
  /** Removes what killed runs left in `tmp/`; gives how many files. Only for the holder of the write lock. */
  sweepTmp(): Promise<number>
}

/** Names of our temporary files. A user may point the lake at a folder that has a `tmp/` of its own: nothing else is swept. */
const TEMP_NAME = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

const fdatasyncAsync = promisify(fdatasync)

interface Pending {
  readonly target: string
  readonly temp: string
  readonly bytes: Uint8Array
  /** open from its first byte to the end of its sync */
  file: OpenFile | undefined
  error: CkvdError | undefined
}

/** `steps` is a seam for crash and fault tests. */
export function createAtomicFiles(paths: LakePaths, steps?: Steps): AtomicFiles {
  const directories = createDirectories(paths.root)

  async function writeGroup(files: readonly FileWrite[]): Promise<(CkvdError | undefined)[]> {
    await directories.prepare(paths.tmp)
    const pending = files.map(({ path, bytes }): Pending => {
      const temp = join(paths.tmp, `${randomUUID()}.tmp`)
      return { target: joinLake(paths.root, path), temp, bytes, file: undefined, error: undefined }
    })
    const alive = (): Pending[] => pending.filter((entry) => entry.error === undefined)
    const forAll = (entries: readonly Pending[], step: (entry: Pending) => Promise<void>): Promise<unknown> =>
      Promise.all(entries.map((entry) => settle(entry, step)))
    try {
      // All are written before the first one is synced: while a sync makes the file system commit its journal, the creation
      // of a file waits for the disk.
      await forAll(pending, (entry) => writeTemp(entry, directories, steps))
      await forAll(alive(), (entry) => syncTemp(entry, steps))
      const full = pending.find((entry) => isCkvdError(entry.error, 'CKVD_DISK_FULL'))
      if (full !== undefined) for (const entry of alive()) entry.error = full.error

      await forAll(alive(), (entry) => renameTemp(entry, directories, steps))
      const folders = new Set(alive().map((entry) => dirname(entry.target)))
      await Promise.all(
        [...folders].map(async (folder) => {
          const inside = alive().filter((entry) => dirname(entry.target) === folder)
          try {
            await runStep(steps, 'sync-dir', folder, () => directories.sync(folder))
          } catch (error) {
            for (const entry of inside) entry.error = ioError(error, 'sync the directory', folder)
          }
        }),
      )
      return pending.map((entry) => entry.error)
    } finally {
      // After a rename there is nothing left to remove. What cannot be removed now is swept by the next run.
      const failed = pending.filter((entry) => entry.error !== undefined)
      await Promise.allSettled(
        failed.map(async (entry) => {
          await closeTemp(entry)
          await rm(entry.temp, { force: true })
        }),
      )
    }
  }

  return {
    writeGroup,
    async write(file) {
      const [error] = await writeGroup([file])
      if (error !== undefined) throw error
    },
    async sweepTmp() {
      const names = await readdir(paths.tmp).catch((error: unknown) => {
        throw ioError(error, 'list', paths.tmp)
      })
      const leftovers = names.filter((name) => TEMP_NAME.test(name))
      for (const name of leftovers) {
        const path = join(paths.tmp, name)
        await rm(path, { force: true }).catch((error: unknown) => {
          throw ioError(error, 'remove', path)
        })
      }
      return leftovers.length
    },
  }
}

/** Runs a step of one file and keeps its error with the file, so that the others of its group go on. */
async function settle(entry: Pending, step: (entry: Pending) => Promise<void>): Promise<void> {
  try {
    await step(entry)
  } catch (error) {
    entry.error = ioError(error, 'write', entry.target)
  }
}

async function writeTemp(entry: Pending, directories: Directories, steps: Steps | undefined): Promise<void> {
  await directories.prepare(dirname(entry.target))
  await runStep(steps, 'write', entry.target, async () => {
    entry.file = entry.bytes.length <= SMALL_BYTES ? openSmall(entry.temp) : await openLarge(entry.temp)
    await entry.file.write(entry.bytes)
  })
}

async function syncTemp(entry: Pending, steps: Steps | undefined): Promise<void> {
  // the size is part of what fdatasync makes durable: a later read needs it
  await runStep(steps, 'sync', entry.target, () => entry.file?.datasync())
  await closeTemp(entry)
}

async function closeTemp(entry: Pending): Promise<void> {
  const { file } = entry
  entry.file = undefined
  await file?.close()
}

async function renameTemp(entry: Pending, directories: Directories, steps: Steps | undefined): Promise<void> {
  try {
    await runStep(steps, 'rename', entry.target, () => renameSync(entry.temp, entry.target))
  } catch (error) {
    // the directory may have been removed behind our back: look again before the next file goes there
    directories.forget(dirname(entry.target))
    throw error
  }
}

/**
 * Up to this size a file is written on the spot: the bytes go to the page cache in some 50 us, less than it costs to send the
 * work to Node's thread pool and to be told of its end, for each of open, write, close and rename. What takes time is the
 * syncing, which is always done in the pool.
 */
const SMALL_BYTES = 512 * 1024

/** A new file, by either of Node's ways. */
interface OpenFile {
  write(bytes: Uint8Array): Promise<void> | void
  datasync(): Promise<void>
  close(): Promise<void> | void
}

function openSmall(path: string): OpenFile {
  const descriptor = openSync(path, 'wx')
  return {
    write: (bytes) => writeFileSync(descriptor, bytes),
    datasync: () => fdatasyncAsync(descriptor),
    close: () => closeSync(descriptor),
  }
}

async function openLarge(path: string): Promise<OpenFile> {
  const file = await open(path, 'wx')
  return { write: (bytes) => file.writeFile(bytes), datasync: () => file.datasync(), close: () => file.close() }
}
