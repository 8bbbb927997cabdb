import type { ErrorCode } from '../errors.ts'
import { CkvdError, crowdedCode, toCkvdError, tooManyOpenFiles } from '../errors.ts'
import { systemCode } from '../system-errors.ts'

/** Whose folder a file lies in: how messages speak of it, and the codes of its errors. */
export interface Whose {
  /** *the lake* */
  readonly name: string
  /** the flag that names another directory */
  readonly flag: string
  readonly ioCode: ErrorCode
  readonly lockedCode: ErrorCode
  /** what works while nothing can be written there; a sentence, or none */
  readonly readOnly?: string
  /** what works while another run writes there; the end of a sentence, or none */
  readonly locked?: string
}

/** What to do about an error of the operating system: `$` is the folder's name, `%` its flag. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space or choose another directory with %, then run again.',
  EDQUOT: 'The disk quota is used up: free some space or choose another directory with %, then run again.',
  EACCES: 'Give this user read and write access there, or choose another directory with %.',
  EPERM: 'Give this user read and write access there, or choose another directory with %.',
  EROFS: 'The file system is read-only: mount it writable, or choose another directory with %.',
  EIO: 'The device reports an error: check the disk, or choose another directory with %.',
  ENOTDIR: 'A file stands where a directory is needed: move it away, then run again.',
  EEXIST: 'A file stands where a directory is needed: move it away, then run again.',
  EISDIR: 'A directory stands where a file is needed: move it away, then run again.',
  ESPIPE: 'A pipe or a device stands where a file is needed: move it away, then run again.',
  ENOTEMPTY: 'A directory stands where a file is needed: move it away, then run again.',
  ENOENT: 'Something removed a part of $ meanwhile: run again.',
  ELOOP: 'Symbolic links there lead in a circle: remove them, then run again.',
  ENAMETOOLONG: 'Choose a directory with a shorter path with %.',
}

/**
 * An error of the file system as `CKVD_DISK_FULL`, `CKVD_OPEN_FILES` or the folder's own code (`CKVD_LAKE_IO`); a `CkvdError` stays what it
 * is, and what has no system code is a bug. `operation` is a verb: *Cannot write /lake/…: …*.
 */
export function ioError(error: unknown, operation: string, path: string, whose: Whose): CkvdError {
  if (error instanceof CkvdError) return error
  const crowded = crowdedCode(error)
  if (crowded !== undefined) return tooManyOpenFiles(crowded, `${operation} ${path}`, error, { operation, path })
  const system = systemCode(error)
  if (system === undefined || !/^E[A-Z0-9]+$/.test(system)) return toCkvdError(error)
  const code: ErrorCode = system === 'ENOSPC' || system === 'EDQUOT' ? 'CKVD_DISK_FULL' : whose.ioCode
  const advice = (ADVICE[system] ?? 'Check this path, or choose another directory with %.')
    .replace('$', () => whose.name)
    .replace('%', () => whose.flag)
  return new CkvdError(code, `Cannot ${operation} ${path} (${system}). ${advice}`, { details: { operation, path, system }, cause: error })
}
