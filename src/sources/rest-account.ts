const MINUTE_MS = 60_000
/** A minute's weight is released in this many equal parts. */
const PARTS = 6
const PART_MS = MINUTE_MS / PARTS

/**
 * The weight of one market in the current wall-clock minute, ours and that of everyone else behind our address.
 * Pure bookkeeping: the caller brings the time and does the waiting.
 *
 * Why weight is released in parts instead of at once: what others will still spend in this minute is unknown. After
 * each part we have seen what they spent so far, and step back in time; a burst of the whole share at the turn of the
 * minute would leave a steady neighbour to run into the exchange's limit, and both of us into a ban.
 */
export class WeightAccount {
  /** most weight that we, together with others, let the minute have */
  readonly budget: number
  readonly #limit: number
  #minute = -1
  /** our weight of this minute, in flight or ended */
  #spent = 0
  /** the part of it whose requests have ended, so that the exchange has surely counted it */
  #ended = 0
  #others = 0
  /** last count that the exchange stated in this minute, and in the one before */
  #count: number | undefined
  #countBefore: number | undefined
  #answered = false

  /**
   * @param limit the exchange's weight budget of one address in a minute
   * @param share the part of it that may be used, above 0 and at most 1
   */
  constructor(limit: number, share: number) {
    this.#limit = limit
    this.budget = Math.floor(limit * share)
  }

  /** Milliseconds from `nowMs` until `weight` may be spent, as far as is known now; 0: at once. */
  delayMs(weight: number, nowMs: number): number {
    this.#turn(nowMs)
    const used = this.#spent + this.#others + weight
    const parts = Math.ceil((used * PARTS) / this.budget)
    const releasedMs = parts > PARTS ? MINUTE_MS : (parts - 1) * PART_MS
    return Math.max(0, this.#minute * MINUTE_MS + releasedMs - nowMs)
  }

  /**
   * True until the exchange has answered in this minute: what others have spent is unknown, so requests go one by one.
   */
  isBlind(nowMs: number): boolean {
    this.#turn(nowMs)
    return !this.#answered
  }

  /** Books the weight of a request that is about to be sent; returns its minute, for `settle`. */
  spend(weight: number, nowMs: number): number {
    this.#turn(nowMs)
    this.#spent += weight
    return this.#minute
  }

  /**
   * A request has ended: undefined when without an answer, else with the count that its answer stated, if any
   * (`x-mbx-used-weight-1m`). What the count holds beyond our own ended requests is taken for the weight of others.
   * Requests of ours in flight may be in it too; that errs to the safe side.
   */
  settle(weight: number, minute: number, nowMs: number, answer: { readonly count: number | undefined } | undefined): void {
    this.#turn(nowMs)
    if (minute !== this.#minute) return
    this.#ended += weight
    if (answer === undefined) return
    if (answer.count !== undefined) {
      const others = Math.max(0, answer.count - this.#ended)
      if (others > 0 && this.#isOfMinuteBefore(answer.count, nowMs)) return
      this.#count = answer.count
      this.#others = others
    }
    this.#answered = true
  }

  /** Our weight in the minute of `nowMs`, and that of others as far as answers told. */
  usage(nowMs: number): { spent: number; others: number } {
    this.#turn(nowMs)
    return { spent: this.#spent, others: this.#others }
  }

  /**
   * Clocks differ: shortly after our minute has turned the exchange's may not have, and its count goes on from where it
   * was. Taken at its word, a whole minute would be lost each time.
   */
  #isOfMinuteBefore(count: number, nowMs: number): boolean {
    const before = this.#countBefore
    if (before === undefined || nowMs - this.#minute * MINUTE_MS >= PART_MS) return false
    return count >= before && count <= before + this.#spent + this.#limit / PARTS
  }

  #turn(nowMs: number): void {
    const minute = Math.floor(nowMs / MINUTE_MS)
    // a clock that is set back by moments must not give the same minute a second budget
    if (minute === this.#minute || minute === this.#minute - 1) return
    this.#countBefore = minute === this.#minute + 1 ? this.#count : undefined
    this.#count = undefined
    this.#minute = minute
    this.#spent = 0
    this.#ended = 0
    this.#others = 0
    this.#answered = false
  }
}
