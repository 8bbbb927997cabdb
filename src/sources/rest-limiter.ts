import Bottleneck from 'bottleneck'
import { MARKET_FACTS } from '../../config/markets.ts'
import { abortError, CkvdError } from '../errors.ts'
import type { Market } from '../model/market.ts'
import { MARKETS } from '../model/market.ts'
import { WeightAccount } from './rest-account.ts'
import { listenAbort, pause } from './waiting.ts'

/** Remembers bans across runs. The caller keeps it, in the lake's catalog; `createBanStore` keeps it in memory. */
export interface BanStore {
  /** The latest ban of a market, ended or not. */
  get(market: Market): { readonly untilMs: number; readonly reason: string } | undefined
  put(market: Market, untilMs: number, reason: string): void
}

export interface RestLimiterOptions {
  /** part of each market's weight budget that may be used, above 0 and at most 1; default 0.8 */
  readonly share?: number
  /** weight budget of one address in a minute; default: the exchange's (config/markets.ts) */
  readonly budgets?: Partial<Readonly<Record<Market, number>>>
  /** requests in flight in one market; default 4 */
  readonly maxConcurrent?: number
  /** clock in epoch milliseconds that aligns the minutes; it must run. Default: the system's */
  readonly nowMs?: () => number
  /** waits, or throws as soon as the signal is aborted; default `pause` of http.ts */
  readonly sleep?: (delayMs: number, signal: AbortSignal) => Promise<void>
  /** default: in memory, for this limiter alone */
  readonly bans?: BanStore
}

/** The part of an answer that the limiter reads; header names in lower case. */
export interface LimitedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** Weight of the current wall-clock minute. */
export interface RestUsage {
  readonly usedThisMinute: number
  /** what others behind the same address have used in it, as far as answers told */
  readonly usedByOthers: number
  readonly budget: number
}

const DEFAULTS = { share: 0.8, maxConcurrent: 4 } as const
/** A call is tried again after this many 429 answers; then it fails. */
const MAX_REFUSALS = 3
/** A call does not sit out a pause that is longer than this. */
const MAX_PAUSE_MS = 300_000
/** Binance bans for 2 minutes to 3 days; a 418 without Retry-After is taken for the shortest. */
const SHORTEST_BAN_MS = 120_000

/** Bans in memory: forgotten when the process ends. */
export function createBanStore(): BanStore {
  const bans = new Map<Market, { untilMs: number; reason: string }>()
  return { get: (market) => bans.get(market), put: (market, untilMs, reason) => void bans.set(market, { untilMs, reason }) }
}

/**
 * Creates a limiter: one lane a market, so that a ban of one never stops another. Throws CKVD_CONFIG when an option is
 * out of range.
 */
export function createRestLimiter(options: RestLimiterOptions = {}): RestLimiter {
  const { share, maxConcurrent } = { ...DEFAULTS, ...options }
  if (!(share > 0 && share <= 1)) throw wrongOption('share', 'a number above 0 and at most 1', share)
  if (!Number.isInteger(maxConcurrent) || maxConcurrent < 1) throw wrongOption('maxConcurrent', 'a positive integer', maxConcurrent)
  const settings: LaneSettings = {
    share,
    maxConcurrent,
    nowMs: options.nowMs ?? Date.now,
    sleep: options.sleep ?? pause,
    bans: options.bans ?? createBanStore(),
  }
  const lane = (market: Market): Lane => {
    const budget = options.budgets?.[market] ?? MARKET_FACTS[market].rest.budgetPerMinute
    if (!Number.isInteger(budget) || budget < 1) throw wrongOption(`budgets.${market}`, 'a positive integer', budget)
    return new Lane(market, budget, settings)
  }
  return new RestLimiter({ spot: lane('spot'), um: lane('um'), cm: lane('cm') })
}

function wrongOption(name: string, expected: string, found: number): CkvdError {
  return new CkvdError('CKVD_CONFIG', `Expected \`${name}\` of the REST limiter to be ${expected}, got ${found}.`, {
    details: { name, found },
  })
}

/** Keeps REST requests within the exchange's weight budgets. See `run`. */
export class RestLimiter {
  readonly #lanes: Readonly<Record<Market, Lane>>

  constructor(lanes: Readonly<Record<Market, Lane>>) {
    this.#lanes = lanes
  }

  /**
   * Calls `send` when the market's budget has room for `weight`, and again after a 429 (paused for its Retry-After, or
   * to the end of the minute). `send` must hand over answers 418 and 429 instead of throwing.
   *
   * Throws CKVD_BANNED after a 418, at once and without sending, for every call of the market until the ban ends;
   * CKVD_RATE_LIMITED when 429 does not end; CKVD_ABORTED, also while waiting; CKVD_CONFIG when the share is too small
   * for the weight; and what `send` throws.
   */
  run<T extends LimitedAnswer>(market: Market, weight: number, signal: AbortSignal, send: () => Promise<T>): Promise<T> {
    return this.#lanes[market].run(weight, signal, send)
  }

  /** Weight that was spent in the current minute. */
  usage(market: Market): RestUsage {
    return this.#lanes[market].usage()
  }

  /** Markets whose ban has not ended, with its end in epoch milliseconds. */
  bans(): { market: Market; untilMs: number; reason: string }[] {
    return MARKETS.flatMap((market) => {
      const ban = this.#lanes[market].currentBan()
      return ban === undefined ? [] : [{ market, ...ban }]
    })
  }
}

interface LaneSettings {
  readonly share: number
  readonly maxConcurrent: number
  readonly nowMs: () => number
  readonly sleep: (delayMs: number, signal: AbortSignal) => Promise<void>
  readonly bans: BanStore
}

/** A call on its way: stopped by its caller's signal, or by a ban while it has not been sent. */
interface Ticket {
  readonly stop: AbortController
  sending: boolean
}

/**
 * The requests of one market. Bottleneck queues them and bounds how many are under way; its reservoir is not used: it
 * refills on a timer of its own, so two budgets can fall into one minute of the exchange.
 */
class Lane {
  readonly #market: Market
  readonly #settings: LaneSettings
  readonly #queue: Bottleneck
  readonly #account: WeightAccount
  readonly #tickets = new Set<Ticket>()
  #pausedUntilMs = 0
  #inFlight = 0
  #onAnswer: (() => void)[] = []

  constructor(market: Market, budget: number, settings: LaneSettings) {
    this.#market = market
    this.#settings = settings
    this.#account = new WeightAccount(budget, settings.share)
    this.#queue = new Bottleneck({ maxConcurrent: settings.maxConcurrent })
  }

  async run<T extends LimitedAnswer>(weight: number, signal: AbortSignal, send: () => Promise<T>): Promise<T> {
    if (signal.aborted) throw abortError(signal)
    if (weight > this.#account.budget) throw this.#tooSmall(weight)
    this.#checkBan()
    const ticket: Ticket = { stop: new AbortController(), sending: false }
    const stopListening = listenAbort(signal, () => ticket.stop.abort(abortError(signal)))
    this.#tickets.add(ticket)
    try {
      // Bottleneck cannot take a job out of its queue: a stopped call is rejected at once, its job ends when it comes up
      return await Promise.race([stopped(ticket), this.#queue.schedule(() => this.#send(weight, ticket, send))])
    } finally {
      this.#tickets.delete(ticket)
      stopListening()
    }
  }

  async #send<T extends LimitedAnswer>(weight: number, ticket: Ticket, send: () => Promise<T>): Promise<T> {
    for (let refusals = 0; ; refusals++) {
      const minute = await this.#reserve(weight, ticket.stop.signal)
      ticket.sending = true
      let answer: T | undefined
      try {
        answer = await send()
      } finally {
        ticket.sending = false
        this.#settle(weight, minute, answer)
      }
      if (answer.status === 418) throw this.#startBan(answer)
      if (answer.status !== 429) return answer
      this.#startPause(answer)
      if (refusals >= MAX_REFUSALS) throw this.#rateLimited(`answered 429 to ${refusals + 1} tries of one request`)
    }
  }

  /** Waits until the weight may be spent, and books it. Returns the minute in which it counts. */
  async #reserve(weight: number, signal: AbortSignal): Promise<number> {
    for (;;) {
      if (signal.aborted) throw abortError(signal)
      this.#checkBan()
      const nowMs = this.#settings.nowMs()
      const pausedMs = this.#pausedUntilMs - nowMs
      if (pausedMs > MAX_PAUSE_MS) throw this.#rateLimited(`asks for a pause of ${Math.ceil(pausedMs / 1000)} s`)
      const delayMs = Math.max(pausedMs, this.#account.delayMs(weight, nowMs))
      if (delayMs > 0) {
        await this.#settings.sleep(delayMs, signal)
      } else if (this.#inFlight > 0 && this.#account.isBlind(nowMs)) {
        await new Promise<void>((resolve) => this.#onAnswer.push(resolve))
      } else {
        this.#inFlight++
        return this.#account.spend(weight, nowMs)
      }
    }
  }

  #settle(weight: number, minute: number, answer: LimitedAnswer | undefined): void {
    this.#inFlight--
    const nowMs = this.#settings.nowMs()
    const header = answer?.headers['x-mbx-used-weight-1m']
    const count = header !== undefined && /^\d+$/.test(header) ? Number(header) : undefined
    this.#account.settle(weight, minute, nowMs, answer === undefined ? undefined : { count })
    for (const resolve of this.#onAnswer.splice(0)) resolve()
  }

  #startPause(answer: LimitedAnswer): void {
    const nowMs = this.#settings.nowMs()
    const minuteEndMs = (Math.floor(nowMs / 60_000) + 1) * 60_000
    const untilMs = nowMs + (retryAfterMs(answer, nowMs) ?? minuteEndMs - nowMs)
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs)
  }

  #startBan(answer: LimitedAnswer): CkvdError {
    const nowMs = this.#settings.nowMs()
    const untilMs = nowMs + (retryAfterMs(answer, nowMs) ?? SHORTEST_BAN_MS)
    this.#settings.bans.put(this.#market, untilMs, 'REST answered 418')
    const error = this.#banned(untilMs)
    for (const ticket of this.#tickets) if (!ticket.sending) ticket.stop.abort(error)
    return error
  }

  currentBan(): { untilMs: number; reason: string } | undefined {
    const ban = this.#settings.bans.get(this.#market)
    return ban !== undefined && ban.untilMs > this.#settings.nowMs() ? ban : undefined
  }

  #checkBan(): void {
    const ban = this.currentBan()
    if (ban !== undefined) throw this.#banned(ban.untilMs)
  }

  #banned(untilMs: number): CkvdError {
    const until = new Date(untilMs).toISOString()
    return new CkvdError(
      'CKVD_BANNED',
      `The ${this.#market} REST API has banned this address until ${until}; nothing is sent to it before. Run the same command again then.`,
      { details: { market: this.#market, until } },
    )
  }

  #rateLimited(what: string): CkvdError {
    return new CkvdError(
      'CKVD_RATE_LIMITED',
      `The ${this.#market} REST API ${what}: the weight budget of this address is used up, perhaps by another program. Lower --rest-share or run again later.`,
      { details: { market: this.#market, until: new Date(this.#pausedUntilMs).toISOString() } },
    )
  }

  #tooSmall(weight: number): CkvdError {
    const { budget } = this.#account
    return new CkvdError(
      'CKVD_CONFIG',
      `Expected --rest-share to leave at least weight ${weight} a minute for ${this.#market}, it leaves ${budget}. Raise --rest-share.`,
      { details: { market: this.#market, weight, budget } },
    )
  }

  usage(): RestUsage {
    const { spent, others } = this.#account.usage(this.#settings.nowMs())
    return { usedThisMinute: spent, usedByOthers: others, budget: this.#account.budget }
  }
}

function stopped(ticket: Ticket): Promise<never> {
  const { signal } = ticket.stop
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(abortError(signal)), { once: true })
  })
}

/** Retry-After in milliseconds, at least a second: seconds, or an HTTP date. Undefined when there is none to read. */
function retryAfterMs(answer: LimitedAnswer, nowMs: number): number | undefined {
  const text = answer.headers['retry-after']
  if (text === undefined) return undefined
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs
  return Number.isNaN(delayMs) ? undefined : Math.max(1000, delayMs)
}
