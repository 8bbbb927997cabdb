import { dirname } from 'node:path'
import { CkvdError, openFilesError } from '../errors.ts'
import { describeSystemError, systemCode } from '../system-errors.ts'
import { makeDirectoryPath } from '../disk/directory-path.ts'
import { WholeFile } from '../disk/whole-file.ts'

/**
 * Writes a report whole or not at all: a reader never sees half of it, and what killed commands left beside it goes. It is not synced to the disk, since it can be made again.
 * Throws CKVD_REPORT_IO, CKVD_DISK_FULL.
 */
export async function writeReport(path: string, text: string): Promise<void> {
  try {
    makeDirectoryPath(dirname(path))
  } catch (error) {
    throw reportError(error, path)
  }
  await using file = await WholeFile.create(path, reportError)
  await file.write(text)
  await file.commit({ sync: false })
}

/** The error of a file of results that could not be read or written: CKVD_REPORT_IO, CKVD_DISK_FULL, CKVD_OPEN_FILES. */
export function reportError(cause: unknown, path: string): CkvdError {
  const crowded = openFilesError(cause)
  if (crowded !== undefined) return crowded
  const reason = systemCode(cause) ?? String(cause)
  const full = reason === 'ENOSPC' || reason === 'EDQUOT'
  return new CkvdError(
    full ? 'CKVD_DISK_FULL' : 'CKVD_REPORT_IO',
    `Cannot read or write ${path}: ${describeSystemError(cause)}. Name another place, or make this one writable.`,
    {
      details: { path, reason },
      cause,
    },
  )
}
