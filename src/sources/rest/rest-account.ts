/**
 * The account of an address: what REST has been asked for in the current wall-clock minute, and when it may be asked again. It belongs to the
 * public address, not to a lake or a process: whoever shares the address must share the account. In memory (rest-account-memory.ts) for one
 * process with an exchange of its own, in a file (rest-account-file.ts) for all of a machine. Both pass test/suites/rest-account.ts.
 *
 * All methods may be called by any number of callers at once. What cannot be read or written throws CKVD_ACCOUNT, and no request is sent.
 */
export interface RestAccount extends AsyncDisposable {
  /** The clock that all who share the account go by, epoch milliseconds: it aligns the minutes and ends pauses and bans. */
  nowMs(): number
  /** Asks to send a request: books its weight in the minute in which it counts, or says why not yet. */
  reserve(lane: AccountLane, weight: number): Promise<Reservation>
  /**
   * A request has ended: `answered` with the count that its answer stated, if any (`x-mbx-used-weight-1m`); left out when no answer came.
   * @param minute of the reservation
   */
  settle(lane: AccountLane, weight: number, minute: number, answered?: { readonly count: number | undefined }): Promise<void>
  /** Nobody sends for so long, at most MAX_HOLD_MS; where several were asked for, the latest end counts. Returns that end. */
  hold(lane: Pick<AccountLane, 'name'>, kind: Hold['kind'], delayMs: number): Promise<number>
  /**
   * Whether the lane may be sent to in this very moment, answered without waiting: between a booking and the moment in which its request goes out,
   * another process may have been banned. False also where it cannot be told at the moment; `reserve` then tells why.
   */
  isOpen(lane: AccountLane): boolean
  /** What is known of the current minute. */
  usage(lane: Pick<AccountLane, 'name'>): Promise<LaneUsage>
  /** Lets go of what is open; idempotent. What is booked stays. */
  close(): Promise<void>
}

/** Markets that an exchange counts together. */
export interface AccountLane {
  /** names the lane in the account: what is booked under one name is one budget */
  readonly name: string
  /** weight that the exchange grants an address in a wall-clock minute */
  readonly limit: number
  /** the most of it that we use, together with what others are seen to use; callers may differ */
  readonly budget: number
}

/** A time in which nothing is sent. */
export interface Hold {
  readonly kind: 'pause' | 'ban'
  readonly untilMs: number
}

export type Reservation =
  | { readonly kind: 'booked'; readonly minute: number }
  /** the minute has no room before that */
  | { readonly kind: 'wait'; readonly delayMs: number }
  /**
   * the first request of a minute is on its way, and its answer will tell what others have spent; ask again when one of your own ends, or after
   * `delayMs`, when another process may have had that answer
   */
  | { readonly kind: 'blind'; readonly delayMs: number }
  | { readonly kind: 'held'; readonly hold: Hold }

export interface LaneUsage {
  /** our weight of this minute, that of requests on their way included */
  readonly spent: number
  /** what others behind the address have used in it, as far as answers told */
  readonly others: number
  /** null: requests may be sent */
  readonly hold: Hold | null
}
