import { join } from 'node:path'
import { makeDirectoryPath } from '../../disk/directory-path.ts'
import type { CkvdError } from '../../errors.ts'
import { toCkvdError } from '../../errors.ts'
import { readBans } from '../../lake/catalog/older-bans.ts'
import { lakePaths } from '../../lake/layout.ts'
import type { Market } from '../../model/market.ts'
import type { AccountLane, Hold, LaneUsage, Reservation, RestAccount } from '../../sources/rest/rest-account.ts'
import { holdsOf } from '../../sources/rest/rest-account-lane.ts'
import { MemoryRestAccount } from '../../sources/rest/rest-account-memory.ts'

/** The account's file, in the state directory and where that fails in the lake. */
const FILE = 'rest-account.sqlite'

export interface AccountPlace {
  /** directory of the user's state; null: there is none */
  readonly state: string | null
  /** directory of the lake, which may not exist */
  readonly lake: string
  /** the account's name for what each market is counted under (see rest-lanes.ts) */
  readonly lanes: Readonly<Record<Market, string>>
  /** the system's clock, epoch milliseconds: never one that is fixed for planning */
  readonly systemMs: () => number
  /** told once when the account cannot be where it belongs: what was wrong, and where it is instead (null: in memory) */
  readonly onMisplaced?: ((error: CkvdError, path: string | null) => void) | undefined
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
 * state directory cannot be written the account is in the lake, so that at least its runs share it; where that fails too, in memory.
 */
export class AddressAccount implements RestAccount {
  readonly nowMs: () => number
  readonly #place: AccountPlace
  #account: Promise<RestAccount> | undefined
  /** the same, once it is there: nothing is booked before */
  #opened: RestAccount | undefined

  constructor(place: AccountPlace) {
    this.#place = place
    this.nowMs = place.systemMs
  }

  async reserve(lane: AccountLane, weight: number): Promise<Reservation> {
    return (await this.#open()).reserve(lane, weight)
  }

  async settle(lane: AccountLane, weight: number, minute: number, answered?: { readonly count: number | undefined }): Promise<void> {
    return (await this.#open()).settle(lane, weight, minute, answered)
  }

  async hold(lane: Pick<AccountLane, 'name'>, kind: Hold['kind'], delayMs: number): Promise<number> {
    return (await this.#open()).hold(lane, kind, delayMs)
  }

  isOpen(lane: AccountLane): boolean {
    return this.#opened?.isOpen(lane) === true
  }

  async usage(lane: Pick<AccountLane, 'name'>): Promise<LaneUsage> {
    return (await this.#open()).usage(lane)
  }

  async close(): Promise<void> {
    // one that is being opened is closed when it is there; that it could not be was thrown to who asked
    await Promise.allSettled([this.#account])
    await this.#opened?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #open(): Promise<RestAccount> {
    this.#account ??= this.#find().then((account) => (this.#opened = account))
    return this.#account
  }

  /**
   * Pauses and bans that are recorded in the lake hold here too: in its catalog, where older versions kept them, and in the account that it had
   * while the state directory could not be written.
   */
  async #takeOver(account: RestAccount): Promise<void> {
    const { lake, lanes, systemMs } = this.#place
    const nowMs = systemMs()
    const { readHolds } = await import('../../sources/rest/rest-account-holds.ts')
    const bans = readBans(lakePaths(lake).catalog).flatMap(({ market, untilMs }) =>
      holdsOf({ bannedUntilMs: untilMs, pausedUntilMs: 0 }, nowMs).map((hold) => ({ lane: lanes[market], hold })),
    )
    for (const { lane, hold } of [...bans, ...readHolds(join(lake, FILE), nowMs)]) {
      const known = (await account.usage({ name: lane })).hold
      if (known === null || known.untilMs < hold.untilMs) await account.hold({ name: lane }, hold.kind, hold.untilMs - systemMs())
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
        // SQLite is a binary for each platform: only who asks REST needs it
        const { FileRestAccount } = await import('../../sources/rest/rest-account-file.ts')
        const account = await FileRestAccount.open(path, systemMs)
        if (failure !== undefined) onMisplaced?.(failure, path)
        return account
      } catch (error) {
        failure ??= toCkvdError(error)
        // the account is there, and others use it: one of our own would not know what they have spent, nor of a ban
        if (failure.code === 'CKVD_OPEN_FILES') throw failure
      }
    }
    if (failure !== undefined) onMisplaced?.(failure, null)
    return new MemoryRestAccount(systemMs)
  }
}

/** For this user alone, as the XDG specification wants it. What is wrong with it is told by the file that cannot be opened in it. */
function makeStateDirectory(path: string): void {
  try {
    makeDirectoryPath(path, 0o700)
  } catch {
    // see above
  }
}
