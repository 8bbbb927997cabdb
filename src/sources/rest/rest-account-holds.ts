import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import Database from 'libsql'
import { resultCode } from '../../disk/sqlite.ts'
import type { Hold } from './rest-account.ts'
import type { AccountWaiting } from './rest-account-file.ts'
import { accountError, refuseLinks, whenFree } from './rest-account-file.ts'
import { holdsOf } from './rest-account-lane.ts'

/** A time in which a lane is not sent to, by the lane's name. */
export interface LaneHold {
  readonly lane: string
  readonly hold: Hold
}

/**
 * The holds that an account's file has at the time, all lanes. The file is read and left as it is, also where nothing may be written; where there
 * is none, none. Throws CKVD_ACCOUNT where it cannot be read, or a symbolic link is in its place.
 */
export async function readHolds(path: string, nowMs: number, waiting: AccountWaiting = {}): Promise<LaneHold[]> {
  try {
    refuseLinks(path)
    if (!existsSync(path)) return []
    return await whenFree(() => readAs('mode=ro', path, nowMs), { ...waiting, patienceMs: waiting.patienceMs ?? BUSY_MS })
  } catch (cause) {
    // SQLite wants to write beside the file; where it may not, and no log lies there, all is in the file itself
    if (resultCode(cause) !== SQLITE_CANTOPEN || existsSync(`${path}-wal`)) throw accountError('read', path, cause)
  }
  try {
    return readAs('immutable=1', path, nowMs)
  } catch (cause) {
    throw accountError('read', path, cause)
  }
}

function readAs(how: string, path: string, nowMs: number): LaneHold[] {
  const database = new Database(`${pathToFileURL(path).href}?${how}`, { timeout: 0 })
  try {
    const rows = database.prepare('SELECT lane, banned_until_ms, paused_until_ms FROM lanes').raw().all([]) as [string, number, number][]
    return rows.flatMap(([lane, bannedUntilMs, pausedUntilMs]) =>
      holdsOf({ bannedUntilMs, pausedUntilMs }, nowMs).map((hold) => ({ lane, hold })),
    )
  } finally {
    database.close()
  }
}

const SQLITE_CANTOPEN = 14
/** A transaction of another process takes some 50 µs. */
const BUSY_MS = 5000
