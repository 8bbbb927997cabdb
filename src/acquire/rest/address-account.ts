import { join } from 'node:path'
import { makeDirectoryPath } from '../../disk/directory-path.ts'
import { CkvdError, isCkvdError, toCkvdError } from '../../errors.ts'
import { readBans } from '../../lake/catalog/older-bans.ts'
import { lakePaths } from '../../lake/layout.ts'
import type { RestMarket } from '../../model/market.ts'
import { hasRest } from '../../model/market.ts'
import type { AccountWaiting } from '../../sources/rest/rest-account-file.ts'
import type { AccountLane, Hold, LaneUsage, Reservation, RestAccount } from '../../sources/rest/rest-account.ts'
import { holdsOf } from '../../sources/rest/rest-account-lane.ts'
import { MemoryRestAccount } from '../../sources/rest/rest-account-memory.ts'

/** The account's file, in the state directory and where that fails in the lake. */
const FILE = 'rest-account.sqlite'
/** A ban or a pause that could not be written is written again so often, each time for as long as a locked file is waited for: a minute in all. */
const MORE_TRIES = 3

export interface AccountPlace {
  /** directory of the user's state; null: there is none */
  readonly state: string | null
  /** directory of the lake, which may not exist */
  readonly lake: string
  /** the account's name for what each market is counted under (see rest-lanes.ts) */
  readonly lanes: Readonly<Record<RestMarket, string>>
  /** the system's clock, epoch milliseconds: never one that is fixed for planning */
  readonly systemMs: () => number
  /** told once when the account cannot be where it belongs: what was wrong, and where it is instead (null: in memory) */
  readonly onMisplaced?: ((error: CkvdError, path: string | null) => void) | undefined
  /** for how long a file that another program has locked is waited for; default as FileRestAccount */
  readonly patienceMs?: number | undefined
}

/** What a person is told of an account that is not where it belongs. */
export function misplacedMessage(error: CkvdError, path: string | null): string {
  const where =
    path === null
      ? 'in the memory of this process: other programs do not know of it'
      : `in ${path}: programs with other lakes do not know of it`
  return `${error.message} Until then the account is ${where}.`
}

/**
 * The account of this machine's address. Nothing is opened before the first request: a run that asks REST for nothing needs no home. Where the
 * state directory cannot be written the account is in the lake, so that at least its runs share it; where that fails too, in memory. What the one
 * that cannot be written says of a ban still holds.
 */
export class AddressAccount implements RestAccount {
  readonly nowMs: () => number
  readonly #place: AccountPlace
  #account: Promise<RestAccount> | undefined
  /** the same, once it is there: nothing is booked before */
  #opened: RestAccount | undefined
  /** where it is; null: in memory, or nowhere yet */
  #path: string | null = null
  /** that of the state directory, where it can be read and not written; null: it is another */
  #readable: string | null = null
  /** holds that the account could not be told of, and those of one that can only be read */
  readonly #own: MemoryRestAccount
  /** those that are on their way into it */
  readonly #holding = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()

  constructor(place: AccountPlace) {
    this.#place = place
    this.nowMs = place.systemMs
    this.#own = new MemoryRestAccount(place.systemMs)
  }

  async reserve(lane: AccountLane, weight: number): Promise<Reservation> {
    const account = await this.#open()
    if (this.#readable !== null) await this.#heed(this.#readable)
    const { hold } = await this.#own.usage(lane)
    return hold === null ? account.reserve(lane, weight) : { kind: 'held', hold }
  }

  async settle(lane: AccountLane, weight: number, minute: number, answered?: { readonly count: number | undefined }): Promise<void> {
    return (await this.#open()).settle(lane, weight, minute, answered)
  }

  /** One that cannot be written is kept by this process and by the lake, and is tried again until `close` returns: it never throws. */
  async hold(lane: Pick<AccountLane, 'name'>, kind: Hold['kind'], delayMs: number): Promise<number> {
    const startedMs = this.nowMs()
    try {
      return await this.#follow(this.#write(lane, kind, delayMs))
    } catch (error) {
      const untilMs = await this.#own.hold(lane, kind, delayMs - (this.nowMs() - startedMs))
      await this.#follow(this.#keep(lane, { kind, untilMs }, toCkvdError(error)))
      return untilMs
    }
  }

  isOpen(lane: AccountLane): boolean {
    return this.#opened?.isOpen(lane) === true && this.#own.isOpen(lane)
  }

  async usage(lane: Pick<AccountLane, 'name'>): Promise<LaneUsage> {
    const usage = await (await this.#open()).usage(lane)
    const { hold } = await this.#own.usage(lane)
    return hold === null ? usage : { ...usage, hold }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    // one that is being opened is closed when it is there; that it could not be was thrown to who asked
    await Promise.allSettled([this.#account])
    while (this.#holding.size > 0) await Promise.allSettled(this.#holding)
    await this.#opened?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #open(): Promise<RestAccount> {
    this.#account ??= this.#find().then(
      (account) => (this.#opened = account),
      (error: unknown) => {
        // who asks later may find it free
        if (!this.#closing.signal.aborted) this.#account = undefined
        throw error
      },
    )
    return this.#account
  }

  async #write(lane: Pick<AccountLane, 'name'>, kind: Hold['kind'], delayMs: number): Promise<number> {
    return (await this.#open()).hold(lane, kind, delayMs)
  }

  /** Until it ends `close` waits. */
  #follow<T>(work: Promise<T>): Promise<T> {
    const done = (): void => void this.#holding.delete(work)
    this.#holding.add(work)
    void work.then(done, done)
    return work
  }

  /** Puts a hold that the account could not be told of into that of the lake; what locks the account may go away, so it is told later. */
  async #keep(lane: Pick<AccountLane, 'name'>, hold: Hold, error: CkvdError): Promise<void> {
    const path = await this.#holdInLake(lane, hold)
    void this.#follow(this.#writeLater(lane, hold, error, path))
  }

  async #writeLater(lane: Pick<AccountLane, 'name'>, { kind, untilMs }: Hold, error: CkvdError, path: string | null): Promise<void> {
    let failure = error
    for (let tries = 0; tries < MORE_TRIES && isLocked(failure); tries++) {
      try {
        await this.#write(lane, kind, untilMs - this.nowMs())
        return
      } catch (again) {
        failure = toCkvdError(again)
      }
    }
    const what = `${kind === 'ban' ? 'This address is banned' : 'REST is not to be asked'} until ${new Date(untilMs).toISOString()}, and that is not in it.`
    this.#place.onMisplaced?.(new CkvdError(failure.code, `${failure.message} ${what}`, { details: failure.details, cause: failure }), path)
  }

  /** The lake's own account, if it took the hold. */
  async #holdInLake(lane: Pick<AccountLane, 'name'>, { kind, untilMs }: Hold): Promise<string | null> {
    const path = join(this.#place.lake, FILE)
    if (this.#path === path) return null
    try {
      const account = await this.#openFile(path)
      try {
        await account.hold(lane, kind, untilMs - this.nowMs())
        return path
      } finally {
        await account.close()
      }
    } catch {
      // a lake that does not exist, or where nothing can be written either: this process knows
      return null
    }
  }

  /**
   * Pauses and bans that are recorded in the lake hold here too: in its catalog, where older versions kept them, and in the account that it had
   * while that of the state directory could not be written.
   */
  async #takeOver(account: RestAccount): Promise<void> {
    const { lake, lanes, systemMs } = this.#place
    const nowMs = systemMs()
    const { readHolds } = await import('../../sources/rest/rest-account-holds.ts')
    const bans = readBans(lakePaths(lake).catalog).flatMap(({ market, untilMs }) =>
      hasRest(market) ? holdsOf({ bannedUntilMs: untilMs, pausedUntilMs: 0 }, nowMs).map((hold) => ({ lane: lanes[market], hold })) : [],
    )
    for (const { lane, hold } of [...bans, ...(await readHolds(join(lake, FILE), nowMs, this.#waiting))]) {
      const known = (await account.usage({ name: lane })).hold
      if (known !== null && known.untilMs >= hold.untilMs) continue
      try {
        await account.hold({ name: lane }, hold.kind, hold.untilMs - systemMs())
      } catch (error) {
        if (!isLocked(error)) throw error
        // the lake still has it, for the next one to take it over
        await this.#own.hold({ name: lane }, hold.kind, hold.untilMs - systemMs())
      }
    }
  }

  async #find(): Promise<RestAccount> {
    const account = await this.#openSomewhere()
    try {
      await this.#takeOver(account)
      return account
    } catch (error) {
      await account.close()
      throw error
    }
  }

  async #openSomewhere(): Promise<RestAccount> {
    const { state, lake, systemMs, onMisplaced } = this.#place
    let failure: CkvdError | undefined
    for (const directory of state === null ? [lake] : [state, lake]) {
      const path = join(directory, FILE)
      try {
        // a lake is made by who writes to it, and only then
        if (directory === state) makeStateDirectory(state)
        const account = await this.#openFile(path)
        if (failure !== undefined) onMisplaced?.(failure, path)
        this.#path = path
        return account
      } catch (error) {
        const found = toCkvdError(error)
        // the account is there, and others use it: one of our own would not know what they have spent, nor of a ban
        if (found.code === 'CKVD_OPEN_FILES' || isLocked(found)) throw found
        failure ??= found
        if (directory === state) await this.#heed(path)
      }
    }
    if (failure !== undefined) onMisplaced?.(failure, null)
    return new MemoryRestAccount(systemMs)
  }

  /** Who may not write to an account keeps to what it says. One that cannot be read either, or is none, says nothing. */
  async #heed(path: string): Promise<void> {
    const { systemMs } = this.#place
    try {
      const { readHolds } = await import('../../sources/rest/rest-account-holds.ts')
      const holds = await readHolds(path, systemMs(), this.#waiting)
      for (const { lane, hold } of holds) await this.#own.hold({ name: lane }, hold.kind, hold.untilMs - systemMs())
      this.#readable = path
    } catch (error) {
      // it can be read, and not now
      if (isLocked(error) || isCkvdError(error, 'CKVD_OPEN_FILES')) throw error
    }
  }

  get #waiting(): AccountWaiting {
    return { signal: this.#closing.signal, patienceMs: this.#place.patienceMs }
  }

  async #openFile(path: string): Promise<RestAccount> {
    // SQLite is a binary for each platform: only who asks REST needs it
    const { FileRestAccount } = await import('../../sources/rest/rest-account-file.ts')
    return await FileRestAccount.open(path, this.#place.systemMs, this.#waiting)
  }
}

/** Whether another program keeps the account locked. */
function isLocked(error: unknown): boolean {
  return isCkvdError(error) && error.details['locked'] === true
}

/** For this user alone, as the XDG specification wants it. What is wrong with it is told by the file that cannot be opened in it. */
function makeStateDirectory(path: string): void {
  try {
    makeDirectoryPath(path, 0o700)
  } catch {
    // see above
  }
}
