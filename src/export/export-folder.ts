import { systemCode } from '../system-errors.ts'
import { stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import type { CkvdError } from '../errors.ts'
import type { AtomicFiles, FileWrite } from '../disk/durable-files.ts'
import { createAtomicFiles } from '../disk/durable-files.ts'
import { createDirectories, refuseLinks } from '../disk/directories.ts'
import { makeDirectoryPath } from '../disk/directory-path.ts'
import type { Whose } from '../disk/io-error.ts'
import { ioError } from '../disk/io-error.ts'
import { joinInside } from '../disk/join-inside.ts'
import type { WriteLock } from '../disk/lock.ts'
import { acquireLock } from '../disk/lock.ts'
import type { Steps } from '../disk/steps.ts'
import { DATA_FOLDER } from './file-period.ts'

/** What only this program uses in an export: its lock and its temporary files. Engines leave out what begins with a dot. */
export const OWN_FOLDER = '.ckvd'

/** How messages speak of an export. */
const EXPORT: Whose = { name: 'the export', flag: '--out', ioCode: 'CKVD_EXPORT_IO', lockedCode: 'CKVD_EXPORT_LOCKED' }

/** A directory that an export is written to; the only place that writes and removes there. Paths are relative, `/` separated. */
export interface ExportFolder {
  /** Writes a file whole or not at all. Throws CKVD_EXPORT_IO, CKVD_DISK_FULL. */
  write(file: FileWrite): Promise<void>
  /**
   * Removes a file, and the folders of partitions that are empty then; one that is gone is no error. Throws CKVD_EXPORT_IO, also where a
   * link leads a folder out of the export.
   */
  remove(path: string): Promise<void>
  /** Size of a file in bytes; undefined when there is none. */
  sizeOf(path: string): Promise<number | undefined>
  /** Gives the lock back; may be called more than once. */
  [Symbol.dispose](): void
}

/**
 * Opens `root` (absolute; created where it is absent) for one run: takes its lock, removes temporary files of killed runs.
 * Throws CKVD_EXPORT_LOCKED, CKVD_EXPORT_IO, CKVD_DISK_FULL.
 * @param steps a seam for crash and fault tests
 */
export async function openExportFolder(root: string, steps?: Steps): Promise<ExportFolder> {
  const own = join(root, OWN_FOLDER)
  try {
    makeDirectoryPath(root)
    // a link in its place would have us lock and sweep elsewhere
    await createDirectories(root, EXPORT).prepare(join(own, 'tmp'))
  } catch (error) {
    throw exportIoError(error, 'create the directory', own)
  }
  const lockFile = join(own, 'lock.sqlite')
  refuseLinks([lockFile, `${lockFile}-journal`], root, EXPORT)
  const lock = acquireLock(lockFile, root, EXPORT)
  try {
    const files = createAtomicFiles({ root, tmp: join(own, 'tmp'), whose: EXPORT }, steps)
    await files.sweepTmp()
    return createFolder(root, files, lock)
  } catch (error) {
    lock.release()
    throw exportIoError(error, 'open', root)
  }
}

function createFolder(root: string, files: AtomicFiles, lock: WriteLock): ExportFolder {
  const close = (): void => lock.release()
  return {
    async write(file) {
      await files.write(file).catch((error: unknown) => {
        throw exportIoError(error, 'write', file.path)
      })
    },
    async remove(path) {
      try {
        await files.remove(path)
        await removeEmpty(files, posix.dirname(path))
      } catch (error) {
        throw exportIoError(error, 'remove', path)
      }
    },
    async sizeOf(path) {
      const target = joinInside(root, path, EXPORT)
      try {
        const found = await stat(target)
        return found.isFile() ? found.size : undefined
      } catch (error) {
        if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined
        throw exportIoError(error, 'read', target)
      }
    },
    [Symbol.dispose]: close,
  }
}

/** Removes a folder of a partition and those above it while they are empty. */
async function removeEmpty(files: AtomicFiles, folder: string): Promise<void> {
  for (let path = folder; path.startsWith(`${DATA_FOLDER}/`); path = posix.dirname(path)) if (!(await files.removeEmpty(path))) return
}

/** An error of the file system as `CKVD_DISK_FULL` or `CKVD_EXPORT_IO`, with advice that fits an export. Other errors stay as they are. */
export function exportIoError(error: unknown, operation: string, path: string): CkvdError {
  return ioError(error, operation, path, EXPORT)
}
