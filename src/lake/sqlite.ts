import { CkvdError, toCkvdError } from '../errors.ts'

/** SQLITE_READONLY_DBMOVED: the file is no longer at its path */
const READONLY_DBMOVED = 1032

/**
 * An error of SQLite as a `CkvdError`: `CKVD_DISK_FULL`, `CKVD_LAKE_IO`, `CKVD_LAKE_LOCKED`, `CKVD_CATALOG`, or
 * `CKVD_BUG` where a statement of
 * ours is at fault. `operation` is a verb and its object: *Cannot open the catalog /lake/catalog.sqlite: …*.
 * Primary result codes: https://www.sqlite.org/rescode.html
 */
export function sqliteError(error: unknown, operation: string, path: string): CkvdError {
  if (error instanceof CkvdError) return error
  const result = resultCode(error)
  if (result === undefined) return toCkvdError(error)
  const options = { details: { path, operation, sqlite: result }, cause: error }
  const found = `Cannot ${operation} ${path}: ${error instanceof Error ? error.message : String(error)}`
  // the low byte is the primary code, the rest refines it
  if (result === READONLY_DBMOVED) {
    return new CkvdError('CKVD_LAKE_IO', `${found}. Something moved or removed it meanwhile: run again.`, options)
  }
  switch (result & 0xff) {
    case 13: // SQLITE_FULL
      return new CkvdError('CKVD_DISK_FULL', `${found}. Free some space or choose another directory with --lake, then run again.`, options)
    case 3: // SQLITE_PERM
    case 8: // SQLITE_READONLY
    case 10: // SQLITE_IOERR
    case 14: // SQLITE_CANTOPEN
    case 23: // SQLITE_AUTH
      return new CkvdError(
        'CKVD_LAKE_IO',
        `${found}. Give this user read and write access to the lake, and check the disk and its quota.`,
        options,
      )
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return new CkvdError('CKVD_LAKE_LOCKED', `${found}. Another program keeps it locked: close that, then run again.`, options)
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
