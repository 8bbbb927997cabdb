import type { AccountLane, Hold, LaneUsage, Reservation } from './rest-account.ts'
import { MAX_HOLD_MS } from '../../../config/markets.ts'

const MINUTE_MS = 60_000
/** A minute's weight is released in this many equal parts. */
const PARTS = 6
const PART_MS = MINUTE_MS / PARTS
/** By so much may a clock be set back without a hold being taken for one that was written by a wrong clock. */
const CLOCK_SLACK_MS = 3_600_000
/** The first request of a minute is waited for no longer than this: its process may have been killed. */
const FIRST_MS = 15_000

/**
 * What an account remembers of a lane. All numbers are whole; times are epoch milliseconds, minutes count from the epoch. Pure bookkeeping: the
 * functions below take the state and the time, and return a new state; who keeps it sees to it that nothing comes between.
 *
 * Why weight is released in parts instead of at once: what others will still spend in this minute is unknown. After each part we have seen what
 * they spent so far, and step back in time; a burst of the whole share at the turn of the minute would leave a steady neighbour to run into the
 * exchange's limit, and both of us into a ban.
 */
export interface LaneState {
  readonly minute: number
  /** our weight of this minute, on its way or ended */
  readonly spent: number
  /** the part of it whose requests have ended, so that the exchange has surely counted it */
  readonly ended: number
  /** weight that was on its way when the minute turned: the exchange may count it in either minute */
  readonly carried: number
  /** what others have used, by the last answer, and what they have used at least, by all of them */
  readonly others: number
  readonly othersAtLeast: number
  /** last count that the exchange stated in this minute, and in the one before; null: none */
  readonly count: number | null
  readonly countBefore: number | null
  /** 1 once the exchange has answered in this minute; until then what others have spent is unknown, so requests go one by one */
  readonly answered: 0 | 1
  /** when the last of those was sent */
  readonly firstSentMs: number
  readonly pausedUntilMs: number
  readonly bannedUntilMs: number
}

export const NEW_LANE: LaneState = {
  minute: -1,
  spent: 0,
  ended: 0,
  carried: 0,
  others: 0,
  othersAtLeast: 0,
  count: null,
  countBefore: null,
  answered: 0,
  firstSentMs: 0,
  pausedUntilMs: 0,
  bannedUntilMs: 0,
}

/** As `RestAccount.reserve`. The state changes only where weight was booked. */
export function reserveIn(
  before: LaneState,
  { budget }: AccountLane,
  weight: number,
  nowMs: number,
): { readonly state: LaneState; readonly reservation: Reservation } {
  const state = turn(before, nowMs)
  const hold = holdOf(state, nowMs)
  if (hold !== null) return { state: before, reservation: { kind: 'held', hold } }
  const used = state.spent + state.carried + state.others + weight
  const parts = Math.ceil((used * PARTS) / budget)
  const releasedMs = state.minute * MINUTE_MS + (parts > PARTS ? MINUTE_MS : (parts - 1) * PART_MS)
  if (releasedMs > nowMs) return { state: before, reservation: { kind: 'wait', delayMs: releasedMs - nowMs } }
  const waitedMs = nowMs - state.firstSentMs
  if (state.answered === 0 && state.spent > state.ended && waitedMs < FIRST_MS) {
    return { state: before, reservation: { kind: 'blind', delayMs: Math.max(1, FIRST_MS - waitedMs) } }
  }
  const firstSentMs = state.answered === 0 ? nowMs : state.firstSentMs
  return { state: { ...state, spent: state.spent + weight, firstSentMs }, reservation: { kind: 'booked', minute: state.minute } }
}

/**
 * As `RestAccount.settle`. What a count holds beyond our own ended requests is taken for the weight of others: requests of ours on their way may
 * be in it too, which errs to the safe side. An answer that comes late, after many of ours have ended, would err to the other side: so what
 * the count holds beyond all that we have spent is never forgotten within the minute.
 */
export function settleIn(
  before: LaneState,
  lane: AccountLane,
  weight: number,
  minute: number,
  answered: { readonly count: number | undefined } | undefined,
  nowMs: number,
): LaneState {
  const state = turn(before, nowMs)
  if (minute !== state.minute) return state
  const ended = state.ended + weight
  if (answered === undefined) return { ...state, ended }
  const { count } = answered
  if (count === undefined) return { ...state, ended, answered: 1 }
  const others = Math.max(0, count - ended - state.carried)
  if (others > 0 && isOfMinuteBefore(state, lane.limit, count, nowMs)) return { ...state, ended }
  const othersAtLeast = Math.max(state.othersAtLeast, count - state.spent - state.carried)
  return { ...state, ended, answered: 1, count, othersAtLeast, others: Math.max(others, othersAtLeast) }
}

/** As `RestAccount.hold`. */
export function holdIn(before: LaneState, kind: Hold['kind'], delayMs: number, nowMs: number): LaneState {
  const state = turn(before, nowMs)
  const untilMs = nowMs + Math.min(Math.max(0, Math.ceil(delayMs)), MAX_HOLD_MS)
  // one that a wrong clock wrote would hide this one
  const later = (knownMs: number): number => (canLast(knownMs, nowMs) ? Math.max(knownMs, untilMs) : untilMs)
  return kind === 'ban' ? { ...state, bannedUntilMs: later(state.bannedUntilMs) } : { ...state, pausedUntilMs: later(state.pausedUntilMs) }
}

/** As `RestAccount.usage`. */
export function usageOf(before: LaneState, nowMs: number): LaneUsage {
  const state = turn(before, nowMs)
  return { spent: state.spent, others: state.others, hold: holdOf(state, nowMs) }
}

/** The hold that a lane has; null: none. A ban is told before a pause. */
function holdOf(state: LaneState, nowMs: number): Hold | null {
  return holdsOf(state, nowMs)[0] ?? null
}

/** The holds that last, a ban before a pause. One that was written when the clock was far ahead must not last for ever. */
export function holdsOf({ bannedUntilMs, pausedUntilMs }: Pick<LaneState, 'bannedUntilMs' | 'pausedUntilMs'>, nowMs: number): Hold[] {
  const holds: Hold[] = [
    { kind: 'ban', untilMs: bannedUntilMs },
    { kind: 'pause', untilMs: pausedUntilMs },
  ]
  return holds.filter(({ untilMs }) => untilMs > nowMs && canLast(untilMs, nowMs))
}

/** Whether a hold can end so late. */
function canLast(untilMs: number, nowMs: number): boolean {
  return untilMs <= nowMs + MAX_HOLD_MS + CLOCK_SLACK_MS
}

/**
 * Clocks differ: shortly after our minute has turned the exchange's may not have, and its count goes on from where it
 * was. Taken at its word, a whole minute would be lost each time.
 */
function isOfMinuteBefore(state: LaneState, limit: number, count: number, nowMs: number): boolean {
  const before = state.countBefore
  if (before === null || nowMs - state.minute * MINUTE_MS >= PART_MS) return false
  return count >= before && count <= before + state.spent + state.carried + limit / PARTS
}

function turn(state: LaneState, nowMs: number): LaneState {
  const minute = Math.floor(nowMs / MINUTE_MS)
  // a clock that is set back by moments must not give the same minute a second budget
  if (minute === state.minute || minute === state.minute - 1) return state
  const follows = minute === state.minute + 1
  return {
    ...NEW_LANE,
    minute,
    carried: follows ? state.spent - state.ended : 0,
    countBefore: follows ? state.count : null,
    pausedUntilMs: state.pausedUntilMs,
    bannedUntilMs: state.bannedUntilMs,
  }
}
