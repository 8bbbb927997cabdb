import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type Database from 'libsql'
import { CkvdError } from '../errors.ts'
import type { Whose } from './io-error.ts'
import { openDatabase, sqliteError } from './sqlite.ts'

/** The right to write to a folder. */
export interface WriteLock {
  /** Gives the lock back; may be called more than once. */
  release(): void
  [Symbol.dispose](): void
}

/**
 * Takes the write lock of the folder `root`, whose lock file is `path` (its directory must exist), or throws the folder's `lockedCode` at once.
 *
 * The lock is an exclusive transaction on an empty SQLite file of its own: the operating system drops it when its process
 * ends, however that happens, so there are no stale locks and no PID files, and it works wherever SQLite does. A lake's catalog
 * itself cannot serve: it must commit, and readers must not be shut out. POSIX file locks belong to the process, so nothing
 * else in this program may open that file: closing it would drop the lock.
 */
export function acquireLock(path: string, root: string, whose: Whose): WriteLock {
  let database: Database.Database
  try {
    database = openDatabase(path, { timeout: 0, whose })
  } catch (error) {
    throw sqliteError(error, 'open the lock', path, whose)
  }
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw lockError(error, path, root, whose)
  }
  return releasing(database)
}

/**
 * Keeps writers out for as long as a reader needs the folder to stand still, where it can only be read and so the lock not be taken; throws the
 * folder's `lockedCode` at once while another run writes. A folder without a lock file has no writers.
 */
export function keepWritersOut(path: string, root: string, whose: Whose): WriteLock | undefined {
  if (!existsSync(path)) return undefined
  let database: Database.Database | undefined
  try {
    database = openDatabase(`${pathToFileURL(path).href}?mode=ro`, { timeout: 0, whose })
    // reading takes the shared lock, which no exclusive one goes beside; `exec` leaves no statement behind, which would outlive the release
    database.exec('BEGIN; SELECT count(*) FROM sqlite_master;')
  } catch (error) {
    database?.close()
    throw lockError(error, path, root, whose)
  }
  return releasing(database)
}

function releasing(database: Database.Database): WriteLock {
  const release = (): void => {
    if (database.open) database.close()
  }
  return { release, [Symbol.dispose]: release }
}

function lockError(error: unknown, path: string, root: string, whose: Whose): CkvdError {
  if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') return sqliteError(error, 'lock', path, whose)
  return new CkvdError(
    whose.lockedCode,
    `Another run is writing to ${whose.name} ${root}. Wait until it has ended, or choose another directory with ${whose.flag}${whose.locked ?? ''}.`,
    { details: { root }, cause: error },
  )
}
