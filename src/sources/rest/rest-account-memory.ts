import type { AccountLane, Hold, LaneUsage, Reservation, RestAccount } from './rest-account.ts'
import type { LaneState } from './rest-account-lane.ts'
import { holdIn, NEW_LANE, reserveIn, settleIn, usageOf } from './rest-account-lane.ts'

/** An account that one process keeps for itself: forgotten when it ends. */
export class MemoryRestAccount implements RestAccount {
  readonly nowMs: () => number
  readonly #lanes = new Map<string, LaneState>()

  /** @param nowMs the clock of the exchange's minutes, epoch milliseconds; it must run */
  constructor(nowMs: () => number = Date.now) {
    this.nowMs = nowMs
  }

  reserve(lane: AccountLane, weight: number): Promise<Reservation> {
    const { state, reservation } = reserveIn(this.#stateOf(lane), lane, weight, this.nowMs())
    this.#lanes.set(lane.name, state)
    return Promise.resolve(reservation)
  }

  settle(lane: AccountLane, weight: number, minute: number, answered?: { readonly count: number | undefined }): Promise<void> {
    this.#lanes.set(lane.name, settleIn(this.#stateOf(lane), lane, weight, minute, answered, this.nowMs()))
    return Promise.resolve()
  }

  hold(lane: Pick<AccountLane, 'name'>, kind: Hold['kind'], delayMs: number): Promise<number> {
    const state = holdIn(this.#stateOf(lane), kind, delayMs, this.nowMs())
    this.#lanes.set(lane.name, state)
    return Promise.resolve(kind === 'ban' ? state.bannedUntilMs : state.pausedUntilMs)
  }

  isOpen(lane: AccountLane): boolean {
    return usageOf(this.#stateOf(lane), this.nowMs()).hold === null
  }

  usage(lane: Pick<AccountLane, 'name'>): Promise<LaneUsage> {
    return Promise.resolve(usageOf(this.#stateOf(lane), this.nowMs()))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #stateOf(lane: Pick<AccountLane, 'name'>): LaneState {
    return this.#lanes.get(lane.name) ?? NEW_LANE
  }
}
