import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type Database from 'libsql'
import { isOutOfFiles } from '../../config/open-files.ts'
import { CkvdError, openFilesError, toCkvdError, tooManyOpenFiles } from '../errors.ts'
import { refuseLinks } from './directories.ts'
import type { Whose } from './io-error.ts'

/** SQLite refuses longer paths: it adds up to eight bytes for its journal, and has room for 512. */
const LONGEST_PATH_BYTES = 504

/**
 * Opens a database, named by a path or by SQLite's kind of `file:` URL. SQLite is a binary for each platform, so it is loaded here and not at
 * the top: only who uses a lake needs it.
 * Throws CKVD_SQLITE_MISSING, the folder's `ioCode` for a path that is too long or a symbolic link in the place of the file or of one that SQLite
 * has beside it (it would write where that leads, also to read), and errors of SQLite, for `sqliteError`.
 */
export function openDatabase(path: string, { timeout, whose }: { readonly timeout: number; readonly whose: Whose }): Database.Database {
  const file = path.startsWith('file:') ? fileURLToPath(path.replace(/\?.*$/, '')) : path
  const sizeBytes = Buffer.byteLength(file)
  if (sizeBytes > LONGEST_PATH_BYTES)
    throw new CkvdError(
      whose.ioCode,
      `Cannot open ${file}: SQLite takes paths of at most ${LONGEST_PATH_BYTES} bytes, this one has ${sizeBytes}. Choose a directory with a shorter path with ${whose.flag}.`,
      { details: { path: file, sizeBytes } },
    )
  refuseLinks(
    ['', '-wal', '-shm', '-journal'].map((ending) => file + ending),
    dirname(file),
    whose,
  )
  return new (loadSqlite())(path, { timeout })
}

function loadSqlite(): typeof Database {
  try {
    return createRequire(import.meta.url)('libsql') as typeof Database
  } catch (cause) {
    const crowded = openFilesError(cause)
    if (crowded !== undefined) throw crowded
    const platform = `${process.platform} ${process.arch}`
    throw new CkvdError(
      'CKVD_SQLITE_MISSING',
      `Expected the SQLite of this platform (${platform}), which comes with the package libsql, but it cannot be loaded. Install again on this machine, with optional dependencies (no --omit=optional); README, "Limits", lists the platforms that have one. A bundler must leave libsql out of its bundle.`,
      { details: { platform: process.platform, arch: process.arch }, cause },
    )
  }
}

/** SQLITE_IOERR and SQLITE_CANTOPEN: what SQLite says, too, where no more files may be open */
const MAYBE_CROWDED: ReadonlySet<number> = new Set([10, 14])
/** SQLITE_READONLY_DBMOVED: the file is no longer at its path */
const READONLY_DBMOVED = 1032

/**
 * An error of SQLite as a `CkvdError`: `CKVD_DISK_FULL`, the folder's `ioCode` and `lockedCode`, `CKVD_CATALOG`, `CKVD_OPEN_FILES`, or
 * `CKVD_BUG` where a statement of ours is at fault. `operation` is a verb and its object: *Cannot open the catalog /lake/catalog.sqlite: …*.
 * Primary result codes: https://www.sqlite.org/rescode.html
 */
export function sqliteError(error: unknown, operation: string, path: string, whose: Whose): CkvdError {
  if (error instanceof CkvdError) return error
  const result = resultCode(error)
  if (result === undefined) return toCkvdError(error)
  const options = { details: { path, operation, sqlite: result }, cause: error }
  if (MAYBE_CROWDED.has(result & 0xff) && isOutOfFiles()) return tooManyOpenFiles('EMFILE', `${operation} ${path}`, error, options.details)
  const said = error instanceof Error ? error.message : String(error)
  const reason = said.startsWith('ConnectionFailed') && (result & 0xff) === 14 ? 'it cannot be opened or created' : said
  const found = `Cannot ${operation} ${path}: ${reason}`
  // the low byte is the primary code, the rest refines it
  if (result === READONLY_DBMOVED) {
    return new CkvdError(whose.ioCode, `${found}. Something moved or removed it meanwhile: run again.`, options)
  }
  switch (result & 0xff) {
    case 13: // SQLITE_FULL
      return new CkvdError(
        'CKVD_DISK_FULL',
        `${found}. Free some space or choose another directory with ${whose.flag}, then run again.`,
        options,
      )
    case 3: // SQLITE_PERM
    case 8: // SQLITE_READONLY
    case 10: // SQLITE_IOERR
    case 14: // SQLITE_CANTOPEN
    case 23: // SQLITE_AUTH
      return new CkvdError(
        whose.ioCode,
        [`${found}. Give this user read and write access to ${whose.name}, and check the disk and its quota.`, whose.readOnly ?? []]
          .flat()
          .join(' '),
        options,
      )
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return new CkvdError(whose.lockedCode, `${found}. Another program keeps it locked: close that, then run again.`, options)
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return new CkvdError(
        'CKVD_CATALOG',
        `${found}. Run \`ckvd verify\`: it keeps the damaged file and rebuilds the catalog from the shards.`,
        options,
      )
    case 19: // SQLITE_CONSTRAINT: a row of ours breaks the schema
      return new CkvdError('CKVD_BUG', found, options)
    default:
      return new CkvdError(
        'CKVD_CATALOG',
        `${found}. Run \`ckvd verify\`: if the catalog is damaged, it rebuilds it from the shards.`,
        options,
      )
  }
}

/** SQLite's extended result code of an error, undefined when it is not SQLite's. */
export function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  const raw = (error as { rawCode?: unknown }).rawCode
  if (typeof raw === 'number') return raw
  // libsql reports a failed open as a plain Error: ConnectionFailed("Unable to open connection to local database …: 14")
  const opening = /^ConnectionFailed\(.*: (\d+)"\)$/s.exec(error.message)
  return opening === null ? undefined : Number(opening[1])
}
