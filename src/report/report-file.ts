import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CkvdError } from '../errors.ts'
import { makeDirectoryPath } from '../lake/directory-path.ts'

/**
 * Writes a report whole or not at all: a reader never sees half of it. It is not synced to the disk, since it can be made again.
 * Throws CKVD_REPORT_IO, CKVD_DISK_FULL.
 */
export async function writeReport(path: string, text: string): Promise<void> {
  const temp = `${path}.${randomUUID()}.tmp`
  try {
    makeDirectoryPath(dirname(path))
    await writeFile(temp, text, { flag: 'wx' })
    await rename(temp, path)
  } catch (error) {
    await rm(temp, { force: true }).catch(() => undefined) // what failed first is what counts
    throw reportError(error, path)
  }
}

/** The error of a report that could not be read or written. */
export function reportError(cause: unknown, path: string): CkvdError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
  const full = reason === 'ENOSPC' || reason === 'EDQUOT'
  return new CkvdError(
    full ? 'CKVD_DISK_FULL' : 'CKVD_REPORT_IO',
    `Expected to read and write the report ${path}, got ${reason}. Name another place or make it writable.`,
    {
      details: { path, reason },
      cause,
    },
  )
}
