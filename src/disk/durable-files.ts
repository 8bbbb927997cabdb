import { closeSync, fdatasync, renameSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { CkvdError } from '../errors.ts'
import { isCkvdError } from '../errors.ts'
import { systemCode } from '../system-errors.ts'
import { CROWDED_PAUSES_MS, isCrowded } from './crowded.ts'
import type { Directories } from './directories.ts'
import { createDirectories } from './directories.ts'
import type { Whose } from './io-error.ts'
import { ioError } from './io-error.ts'
import { joinInside } from './join-inside.ts'
import type { Steps } from './steps.ts'
import { runStep } from './steps.ts'
import { newTempName, sweepTempFolder } from './temp-files.ts'
import { ByteWriter } from './write-bytes.ts'

/** A folder whose files are written whole or not at all: absolute paths, `tmp` on the same volume, so that a rename is atomic. */
export interface DurableFolder {
  readonly root: string
  readonly tmp: string
  readonly whose: Whose
}

/** A file to write: its path relative to the folder, `/` separated, and its whole content. */
export interface FileWrite {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Writes files of one folder whole or not at all. Its errors are `CKVD_DISK_FULL` and the folder's own `ioCode`. */
export interface AtomicFiles {
  /** Writes one file; when it returns, the file is on disk under its final name. */
  write(file: FileWrite): Promise<void>
  /**
   * Writes a group of files with distinct paths; each step is done for the whole group before the next one, since syncing
   * in parallel costs a fraction of syncing in turn. Gives one entry a file: undefined when it is on disk under its final
   * name, else why not. A full disk fails the whole group before anything is renamed. A file that has an error after its
   * rename (a directory that cannot be synced) may be there nevertheless, whole.
   */
  writeGroup(files: readonly FileWrite[]): Promise<(CkvdError | undefined)[]>
  /**
   * Removes a file, a link instead of it too, but never what a link leads to; false where there is none. Throws when a
   * symbolic link leads its directory out of the folder.
   */
  remove(path: string): Promise<boolean>
  /** Removes a directory that is empty; false where it is not, or is not there. Throws as `remove`. */
  removeEmpty(path: string): Promise<boolean>
  /** Removes what killed runs left in `tmp/`; gives how many files. Only for the holder of the write lock. Throws as `remove`. */
  sweepTmp(): Promise<number>
}

const fdatasyncAsync = promisify(fdatasync)

/** `steps` is a seam for crash and fault tests. */
export function createAtomicFiles(folder: DurableFolder, steps?: Steps): AtomicFiles {
  const { root, tmp, whose } = folder
  const directories = createDirectories(root, whose)
  const writer = new ByteWriter()

  /** Writes a group once, and again with fewer at once where too many files are open: connections and threads have some, too, and give them back. */
  async function writeGroup(files: readonly FileWrite[]): Promise<(CkvdError | undefined)[]> {
    const errors = await writeCrowded(files)
    let atOnce = files.length
    for (const pauseMs of CROWDED_PAUSES_MS) {
      const crowded = files.flatMap((_, i) => (isCrowded(errors[i]) ? [i] : []))
      if (crowded.length === 0) break
      await pause(pauseMs)
      atOnce = Math.ceil(atOnce / 2)
      for (let at = 0; at < crowded.length; at += atOnce) {
        const part = crowded.slice(at, at + atOnce)
        const again = await writeCrowded(part.map((i) => files[i] as FileWrite))
        for (const [n, i] of part.entries()) errors[i] = again[n]
      }
    }
    return errors
  }

  /** As `writeOnce`: where the lake's own folders could not be opened for want of files, each file has that error. */
  async function writeCrowded(files: readonly FileWrite[]): Promise<(CkvdError | undefined)[]> {
    try {
      return await writeOnce(files)
    } catch (error) {
      if (isCkvdError(error) && isCrowded(error)) return files.map(() => error)
      throw error
    }
  }

  async function writeOnce(files: readonly FileWrite[]): Promise<(CkvdError | undefined)[]> {
    await directories.prepare(tmp)
    const pending = files.map(({ path, bytes }) => new PendingFile(joinInside(root, path, whose), join(tmp, newTempName()), bytes, whose))
    const folders = groupByFolder(pending)
    try {
      await Promise.all([...folders].map(([folder, inside]) => prepareFolder(folder, inside, directories)))
      // All are written before the first one is synced: while a sync makes the file system commit its journal, the creation
      // of a file waits for the disk.
      await forEach(pending, (file) => runStep(steps, 'write', file.target, () => file.write(writer)))
      await forEach(pending, (file) => runStep(steps, 'sync', file.target, () => file.sync()))
      const full = pending.find(({ error }) => isCkvdError(error, 'CKVD_DISK_FULL'))
      if (full !== undefined) for (const file of pending) file.error ??= full.error

      await forEach(pending, (file) => runStep(steps, 'rename', file.target, () => renameSync(file.temp, file.target)))
      await Promise.all([...folders].map(([folder, inside]) => syncFolder(folder, inside, directories, steps)))
      return pending.map(({ error }) => error)
    } finally {
      const failed = pending.filter(({ error }) => error !== undefined)
      await Promise.allSettled(failed.map((file) => discard(file, directories)))
    }
  }

  return {
    writeGroup,
    async write(file) {
      const [error] = await writeGroup([file])
      if (error !== undefined) throw error
    },
    async remove(path) {
      const target = joinInside(root, path, whose)
      if (!(await directories.locate(dirname(target)))) return false
      return await removeWith(rm, target, whose, 'ENOENT')
    },
    async removeEmpty(path) {
      const target = joinInside(root, path, whose)
      if (!(await directories.locate(target))) return false
      directories.forget(target)
      return await removeWith(rmdir, target, whose, 'ENOENT', 'ENOTEMPTY', 'EEXIST')
    },
    async sweepTmp() {
      return (await directories.locate(tmp)) ? await sweepTempFolder(tmp, whose) : 0
    },
  }
}

/** Removes what lies at a path; false after one of the system errors that say that there is nothing to remove. */
async function removeWith(action: (path: string) => Promise<void>, path: string, whose: Whose, ...nothing: string[]): Promise<boolean> {
  try {
    await action(path)
    return true
  } catch (error) {
    if (nothing.includes(systemCode(error) ?? '')) return false
    throw ioError(error, 'remove', path, whose)
  }
}

/** A file on its way to its final name, with the error that stopped it. */
class PendingFile {
  readonly target: string
  readonly folder: string
  readonly temp: string
  error: CkvdError | undefined
  readonly #bytes: Uint8Array
  readonly #whose: Whose
  /** from its first byte to the end of its sync */
  #descriptor: number | undefined

  constructor(target: string, temp: string, bytes: Uint8Array, whose: Whose) {
    this.target = target
    this.folder = dirname(target)
    this.temp = temp
    this.#bytes = bytes
    this.#whose = whose
  }

  fail(error: unknown, operation = 'write', path = this.target): void {
    this.error = ioError(error, operation, path, this.#whose)
  }

  /** Writes all bytes under the temporary name. */
  write(writer: ByteWriter): Promise<void> | void {
    return writer.write(this.temp, this.#bytes, (descriptor) => void (this.#descriptor = descriptor))
  }

  /** Makes the bytes durable. */
  async sync(): Promise<void> {
    // the size is part of what fdatasync makes durable: a later read needs it
    if (this.#descriptor !== undefined) await fdatasyncAsync(this.#descriptor)
    this.close()
  }

  close(): void {
    const descriptor = this.#descriptor
    this.#descriptor = undefined
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function groupByFolder(files: readonly PendingFile[]): Map<string, PendingFile[]> {
  const folders = new Map<string, PendingFile[]>()
  for (const file of files) {
    const inside = folders.get(file.folder)
    if (inside === undefined) folders.set(file.folder, [file])
    else inside.push(file)
  }
  return folders
}

/** Does a step of each file that has no error yet, all at once; an error stays with its file, so that the others go on. */
async function forEach(files: readonly PendingFile[], step: (file: PendingFile) => Promise<void> | void): Promise<void> {
  const running: Promise<void>[] = []
  for (const file of files) {
    if (file.error !== undefined) continue
    try {
      const promise = step(file)
      if (promise !== undefined) running.push(promise.catch((error: unknown) => file.fail(error)))
    } catch (error) {
      file.fail(error)
    }
  }
  await Promise.all(running)
}

async function prepareFolder(folder: string, inside: readonly PendingFile[], directories: Directories): Promise<void> {
  try {
    await directories.prepare(folder)
  } catch (error) {
    for (const file of inside) file.fail(error)
  }
}

async function syncFolder(
  folder: string,
  inside: readonly PendingFile[],
  directories: Directories,
  steps: Steps | undefined,
): Promise<void> {
  const renamed = inside.filter(({ error }) => error === undefined)
  if (renamed.length === 0) return
  try {
    await runStep(steps, 'sync-dir', folder, () => directories.sync(folder))
  } catch (error) {
    for (const file of renamed) file.fail(error, 'sync the directory', folder)
  }
}

/** After a rename there is nothing left to remove. What cannot be removed now is swept by the next run. */
async function discard(file: PendingFile, directories: Directories): Promise<void> {
  // it may have been removed behind our back: it is looked at again before the next file goes there
  directories.forget(file.folder)
  file.close()
  await rm(file.temp, { force: true })
}
