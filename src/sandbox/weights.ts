/** What the exchange says to a request before it looks at it. */
export type Verdict =
  | { readonly kind: 'admitted'; readonly usedWeight: number }
  | { readonly kind: 'limited' | 'banned'; readonly usedWeight: number; readonly retryAfterSeconds: number }

/** The rules by which an address is limited and banned. */
export interface WeightRules {
  readonly budget: number
  /** requests during a 429 until the address is banned */
  readonly banAfter: number
  readonly banSeconds: number
}

/**
 * The weight account of one address in one market, by the wall-clock minute. Above the budget requests are limited (429);
 * going on in that minute leads to a ban (418), which is not made longer by further requests.
 */
export class WeightAccount {
  readonly #rules: WeightRules
  #minute = -1
  #used = 0
  #limitedRequests = 0
  #bannedUntilMs = 0

  constructor(rules: WeightRules) {
    this.#rules = rules
  }

  /** Counts a request of `weight` at `nowMs`. */
  charge(weight: number, nowMs: number): Verdict {
    const used = this.add(weight, nowMs)
    if (nowMs >= this.#bannedUntilMs) {
      if (used <= this.#rules.budget) return { kind: 'admitted', usedWeight: used }
      // the first refusal is the warning
      if (this.#limitedRequests++ < this.#rules.banAfter) {
        return { kind: 'limited', usedWeight: used, retryAfterSeconds: Math.ceil(((this.#minute + 1) * 60_000 - nowMs) / 1000) }
      }
      this.#bannedUntilMs = nowMs + this.#rules.banSeconds * 1000
    }
    return { kind: 'banned', usedWeight: used, retryAfterSeconds: Math.ceil((this.#bannedUntilMs - nowMs) / 1000) }
  }

  /** Adds weight that another client of the same address used; returns the minute's sum. */
  add(weight: number, nowMs: number): number {
    const minute = Math.floor(nowMs / 60_000)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#used = 0
      this.#limitedRequests = 0
    }
    this.#used += weight
    return this.#used
  }
}
