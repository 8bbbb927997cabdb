import { lstatSync, readlinkSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import Database from 'libsql'
import { isOutOfFiles } from '../../../config/open-files.ts'
import { resultCode } from '../../disk/sqlite.ts'
import { CkvdError, tooManyOpenFiles } from '../../errors.ts'
import type { AccountLane, Hold, LaneUsage, Reservation, RestAccount } from './rest-account.ts'
import type { LaneState } from './rest-account-lane.ts'
import { holdIn, NEW_LANE, reserveIn, settleIn, usageOf } from './rest-account-lane.ts'

/** The version of the file, in `PRAGMA user_version`. */
const VERSION = 1
/** A transaction takes some 50 µs: who finds the file locked asks again soon, and gives up when that has gone on for so long. */
const BUSY_PAUSE_MS = 5
const BUSY_MS = 15_000
/** How often another process's first answer of a minute is looked for. */
const POLL_MS = 40
/** A lane that was not used for so long has no hold any more (MAX_HOLD_MS): sandboxes come and go, each with a port of its own. */
const FORGET_MS = 5 * 86_400_000

/** Columns of a lane, in the order of LaneState's keys below. */
const COLUMNS = [
  'minute',
  'spent',
  'ended',
  'carried',
  'others',
  'others_at_least',
  'count',
  'count_before',
  'answered',
  'first_sent_ms',
  'paused_until_ms',
  'banned_until_ms',
] as const

const SCHEMA = `
CREATE TABLE lanes (
  lane text PRIMARY KEY, updated_ms integer NOT NULL,
  minute integer NOT NULL, spent integer NOT NULL, ended integer NOT NULL, carried integer NOT NULL,
  others integer NOT NULL, others_at_least integer NOT NULL, count integer, count_before integer,
  answered integer NOT NULL, first_sent_ms integer NOT NULL,
  paused_until_ms integer NOT NULL, banned_until_ms integer NOT NULL
) STRICT, WITHOUT ROWID;
PRAGMA user_version = ${VERSION};`

type Row = readonly [number, number, number, number, number, number, number | null, number | null, number, number, number, number]

/** How a file that another program has locked is waited for. */
export interface AccountWaiting {
  /** for how long; default 15 s */
  readonly patienceMs?: number | undefined
  /** ends the waiting of who opens it */
  readonly signal?: AbortSignal
}

interface Statements {
  readonly get: Database.Statement
  readonly put: Database.Statement
}

/**
 * An account in an SQLite file, shared by all that open it: processes, threads, several times in one process. Each call is one transaction, so
 * what two of them book at the same instant is booked twice. In WAL mode, where a transaction needs no fsync: a killed process loses nothing, a
 * power cut at most the last moments; bans and pauses are synced as soon as the others see them. Nothing is left locked by a process that is killed.
 *
 * The file must lie on a disk of this machine: WAL does not work over a network.
 */
export class FileRestAccount implements RestAccount {
  readonly nowMs: () => number
  readonly #path: string
  readonly #database: Database.Database
  readonly #patienceMs: number
  /** undefined once closed: libsql keeps the file open for as long as a statement of it can be reached */
  #statements: Statements | undefined

  private constructor(path: string, database: Database.Database, nowMs: () => number, patienceMs: number) {
    this.nowMs = nowMs
    this.#patienceMs = patienceMs
    this.#path = path
    this.#database = database
    const marks = COLUMNS.map(() => '?').join(', ')
    this.#statements = {
      get: database.prepare(`SELECT ${COLUMNS.join(', ')} FROM lanes WHERE lane = ?`).raw(),
      put: database.prepare(`INSERT OR REPLACE INTO lanes (lane, updated_ms, ${COLUMNS.join(', ')}) VALUES (?, ?, ${marks})`),
    }
  }

  /**
   * Opens the file, or makes it; its directory must be there. One that another program keeps locked is opened all the same: what it says of a ban
   * can be read.
   * @param nowMs the clock, epoch milliseconds: that of all others who use the file, so the system's
   * @throws CkvdError CKVD_ACCOUNT when it cannot be written, is damaged, is of a newer version, or a symbolic link
   */
  static async open(path: string, nowMs: () => number = Date.now, waiting: AccountWaiting = {}): Promise<FileRestAccount> {
    let database: Database.Database | undefined
    try {
      refuseLinks(path)
      const opened = (database = new Database(path, { timeout: 0 }))
      await whenFree(() => opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;'), waiting)
      const isThere = (await whenFree(() => versionOf(opened), waiting)) === VERSION
      const prepare = (): void => {
        if (versionOf(opened) === 0) opened.exec(SCHEMA)
        opened.exec(`DELETE FROM lanes WHERE updated_ms < ${Math.floor(nowMs() - FORGET_MS)};`)
      }
      try {
        // the write proves that there can be one
        await transact(opened, prepare, isThere ? { patienceMs: 0 } : waiting)
      } catch (error) {
        // so does another's
        if (!isThere || !isBusy(error)) throw error
      }
      return new FileRestAccount(path, opened, nowMs, waiting.patienceMs ?? BUSY_MS)
    } catch (cause) {
      database?.close()
      throw accountError('open', path, cause)
    }
  }

  async reserve(lane: AccountLane, weight: number): Promise<Reservation> {
    // most answers are "not yet": they need no lock
    const seen = await this.#read(() => reserveIn(this.#load(lane), lane, weight, this.nowMs()).reservation)
    const reservation = seen.kind === 'booked' ? await this.#change(lane, (before) => this.#reserveNow(before, lane, weight)) : seen
    return reservation.kind === 'blind'
      ? { ...reservation, delayMs: Math.min(reservation.delayMs, POLL_MS * (0.5 + Math.random())) }
      : reservation
  }

  async settle(lane: AccountLane, weight: number, minute: number, answered?: { readonly count: number | undefined }): Promise<void> {
    await this.#change(lane, (before) => ({ state: settleIn(before, lane, weight, minute, answered, this.nowMs()), value: undefined }))
  }

  async hold(lane: Pick<AccountLane, 'name'>, kind: Hold['kind'], delayMs: number): Promise<number> {
    const untilOf = (state: LaneState): number => (kind === 'ban' ? state.bannedUntilMs : state.pausedUntilMs)
    const untilMs = await this.#change(lane, (before) => {
      const state = holdIn(before, kind, delayMs, this.nowMs())
      return { state, value: untilOf(state) }
    })
    // others see a synced write only once the disk has it: they are told first, and the disk then
    return await this.#change(lane, (before) => ({ state: { ...before }, value: Math.max(untilMs, untilOf(before)) }), 'FULL')
  }

  isOpen(lane: AccountLane): boolean {
    try {
      return usageOf(this.#load(lane), this.nowMs()).hold === null
    } catch {
      // locked for a moment, or not to be read any more: who asks again by `reserve` waits for the one and is told the other
      return false
    }
  }

  async usage(lane: Pick<AccountLane, 'name'>): Promise<LaneUsage> {
    return await this.#read(() => usageOf(this.#load(lane), this.nowMs()))
  }

  close(): Promise<void> {
    this.#statements = undefined
    if (this.#database.open) this.#database.close()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #reserveNow(before: LaneState, lane: AccountLane, weight: number): { state: LaneState; value: Reservation } {
    const { state, reservation } = reserveIn(before, lane, weight, this.nowMs())
    return { state, value: reservation }
  }

  #load(lane: Pick<AccountLane, 'name'>): LaneState {
    const row = this.#prepared().get.get([lane.name]) as Row | undefined
    return row === undefined ? NEW_LANE : stateOf(row)
  }

  #prepared(): Statements {
    if (this.#statements === undefined) throw new Error('it is closed')
    return this.#statements
  }

  async #read<T>(work: () => T): Promise<T> {
    try {
      return await whenFree(work, { patienceMs: this.#patienceMs })
    } catch (cause) {
      throw accountError('read', this.#path, cause)
    }
  }

  /** Reads, changes and writes a lane, and nobody in between. */
  async #change<T>(
    lane: Pick<AccountLane, 'name'>,
    change: (before: LaneState) => { readonly state: LaneState; readonly value: T },
    synchronous: 'NORMAL' | 'FULL' = 'NORMAL',
  ): Promise<T> {
    const work = (): T => {
      const before = this.#load(lane)
      const { state, value } = change(before)
      if (state !== before) this.#prepared().put.run([lane.name, Math.floor(this.nowMs()), ...rowOf(state)])
      return value
    }
    try {
      return await transact(this.#database, work, { patienceMs: this.#patienceMs }, synchronous)
    } catch (cause) {
      throw accountError('write', this.#path, cause)
    }
  }
}

function stateOf(row: Row): LaneState {
  const [minute, spent, ended, carried, others, othersAtLeast, count, countBefore, answered, firstSentMs, pausedUntilMs, bannedUntilMs] =
    row
  const state = { minute, spent, ended, carried, others, othersAtLeast, count, countBefore, firstSentMs, pausedUntilMs, bannedUntilMs }
  return { ...state, answered: answered === 0 ? 0 : 1 }
}

function rowOf(state: LaneState): Row {
  const { minute, spent, ended, carried, others, othersAtLeast, count, countBefore } = state
  const { answered, firstSentMs, pausedUntilMs, bannedUntilMs } = state
  const times = [firstSentMs, pausedUntilMs, bannedUntilMs].map(Math.floor) as [number, number, number]
  return [minute, spent, ended, carried, others, othersAtLeast, count, countBefore, answered, ...times]
}

/** One transaction. It holds the thread for as long as it takes, and waits for others without holding it. */
async function transact<T>(
  database: Database.Database,
  work: () => T,
  waiting: AccountWaiting,
  synchronous: 'NORMAL' | 'FULL' = 'NORMAL',
): Promise<T> {
  return await whenFree(() => {
    if (synchronous === 'FULL') database.exec('PRAGMA synchronous = FULL;')
    try {
      database.exec('BEGIN IMMEDIATE')
      try {
        const value = work()
        database.exec('COMMIT')
        return value
      } catch (error) {
        if (database.inTransaction) database.exec('ROLLBACK')
        throw error
      }
    } finally {
      if (synchronous === 'FULL') database.exec('PRAGMA synchronous = NORMAL;')
    }
  }, waiting)
}

/** The version of the file; 0: it is empty. Throws for one that is none of ours, or a newer one. */
function versionOf(database: Database.Database): number {
  // in this order: another process may be making them between
  const [tables] = database.prepare('SELECT count(*) FROM sqlite_master').raw().get([]) as [number]
  const [version] = database.prepare('PRAGMA user_version').raw().get([]) as [number]
  if (version === VERSION || (version === 0 && tables === 0)) return version
  throw new Error(
    version > VERSION ? `a newer ckvd wrote it (version ${version}, this one knows ${VERSION})` : 'it is another SQLite database',
  )
}

/** Does the work, again for as long as another connection has the file locked. SQLite's own waiting would hold the thread. */
export async function whenFree<T>(work: () => T, { patienceMs = BUSY_MS, signal }: AccountWaiting): Promise<T> {
  const startedMs = performance.now()
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || signal?.aborted === true || performance.now() - startedMs >= patienceMs) throw error
    }
    await wait(BUSY_PAUSE_MS * (0.5 + Math.random()))
  }
}

/** SQLITE_BUSY or SQLITE_LOCKED, of any kind. */
function isBusy(error: unknown): boolean {
  return [5, 6].includes((resultCode(error) ?? 0) & 0xff)
}

/**
 * Throws where no file is in the place of the account or of SQLite's files beside it: who only reads would write where a symbolic link leads,
 * too, and wait for ever on a pipe.
 */
export function refuseLinks(path: string): void {
  for (const file of ['', '-wal', '-shm', '-journal'].map((ending) => path + ending)) {
    const found = lstatSync(file, { throwIfNoEntry: false })
    if (found === undefined || found.isFile()) continue
    if (!found.isSymbolicLink()) throw new Error(`something that is no file lies at ${file}: move it away`)
    throw new Error(`a symbolic link leads ${file} to ${readlinkSync(file)}, where nothing is written: remove the link`)
  }
}

/** What cannot be done with the account, and what to do: CKVD_ACCOUNT, or CKVD_OPEN_FILES where that is why. `verb`: *open*, *read*, *write*. */
export function accountError(verb: string, path: string, cause: unknown): CkvdError {
  if (isOutOfFiles()) return tooManyOpenFiles('EMFILE', `${verb} the account of REST weight ${path}`, cause, { path })
  const reason = cause instanceof Error ? cause.message : String(cause)
  const locked = isBusy(cause)
  const advice = locked
    ? 'Another program keeps it locked, and REST is not asked without it: close that program, then run again.'
    : 'Name a directory of a local disk that this user may write to with --state; a damaged file may be removed while nothing runs.'
  const details = locked ? { path, locked } : { path }
  return new CkvdError('CKVD_ACCOUNT', `Cannot ${verb} the account of REST weight ${path}: ${reason}. ${advice}`, { details, cause })
}
