import type Database from 'libsql'
import { CkvdError } from '../errors.ts'
import { lakePaths } from './layout.ts'
import { openDatabase, sqliteError } from './sqlite.ts'

/** The right to write to a lake. */
export interface LakeLock {
  /** Gives the lock back; may be called more than once. */
  release(): void
  [Symbol.dispose](): void
}

/**
 * Takes the write lock of the lake at `root` (which must exist), or throws `CKVD_LAKE_LOCKED` at once.
 *
 * The lock is an exclusive transaction on an empty SQLite file of its own: the operating system drops it when its process
 * ends, however that happens, so there are no stale locks and no PID files, and it works wherever SQLite does. The catalog
 * itself cannot serve: it must commit, and readers must not be shut out. POSIX file locks belong to the process, so nothing
 * else in this program may open `lock.sqlite`: closing it would drop the lock.
 */
export function acquireLock(root: string): LakeLock {
  const path = lakePaths(root).lock
  let database: Database.Database
  try {
    database = openDatabase(path, { timeout: 0 })
  } catch (error) {
    throw sqliteError(error, 'open the lock', path)
  }
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if ((error as { code?: unknown }).code === 'SQLITE_BUSY') {
      throw new CkvdError(
        'CKVD_LAKE_LOCKED',
        `Another run is writing to the lake ${root}. Wait until it has ended, or choose another directory with --lake; reading is possible meanwhile.`,
        { details: { root }, cause: error },
      )
    }
    throw sqliteError(error, 'lock', path)
  }
  const release = (): void => {
    if (database.open) database.close()
  }
  return { release, [Symbol.dispose]: release }
}
