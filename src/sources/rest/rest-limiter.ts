import Bottleneck from 'bottleneck'
import { MARKET_FACTS } from '../../../config/markets.ts'
import { abortError, CkvdError, isCkvdError } from '../../errors.ts'
import type { RestMarket } from '../../model/market.ts'
import { REST_MARKETS } from '../../model/market.ts'
import type { RequestWatch } from '../http/http-exchange.ts'
import type { AccountLane, Hold, RestAccount } from './rest-account.ts'
import { MemoryRestAccount } from './rest-account-memory.ts'
import { answerClockMs, parseBanText, parseRetryAfter } from '../http/retry-and-ban-times.ts'
import { listenAbort, pause } from '../../waiting.ts'

export interface RestLimiterOptions {
  /** what is known of our address; default: in memory, for this limiter alone */
  readonly account?: RestAccount
  /** the account's name for what each market is counted under (see rest-lanes.ts); default: spot apart, um and cm together */
  readonly lanes?: Readonly<Record<RestMarket, string>>
  /** part of each weight budget that may be used, above 0 and at most 1; default 0.8 */
  readonly share?: number
  /** weight budget of one address in a minute; default: the exchange's (config/markets.ts). Markets of one lane have the smallest of theirs */
  readonly budgets?: Partial<Readonly<Record<RestMarket, number>>>
  /** requests in flight in one lane; default 4 */
  readonly maxConcurrent?: number
  /** waits, or throws as soon as the signal is aborted; default `pause` of waiting.ts */
  readonly sleep?: (delayMs: number, signal: AbortSignal) => Promise<void>
}

/** The part of an answer that the limiter reads; header names in lower case. */
export interface LimitedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

const DEFAULTS = { share: 0.8, maxConcurrent: 4, lanes: { spot: 'spot', um: 'futures', cm: 'futures' } } as const
/** A call is tried again after this many 429 answers; then it fails. */
const MAX_REFUSALS = 3
/** A call does not sit out a pause that is longer than this. */
const MAX_PAUSE_MS = 300_000
/** Binance bans for 2 minutes to 3 days; a 418 that does not say for how long is taken for the shortest. */
const SHORTEST_BAN_MS = 120_000
/** After so many 403 or 451 in a row a market is not asked for a while: a firewall does not change its mind, and asking on is what it looks for. */
const MAX_FORBIDDEN = 3
const FORBIDDEN_MS = 300_000

/** Creates a limiter over an account, which the caller closes. Throws CKVD_CONFIG when an option is out of range. */
export function createRestLimiter(options: RestLimiterOptions = {}): RestLimiter {
  const { share, maxConcurrent, lanes } = { ...DEFAULTS, ...options }
  if (!(share > 0 && share <= 1)) throw wrongOption('share', 'a number above 0 and at most 1', share)
  if (!Number.isInteger(maxConcurrent) || maxConcurrent < 1) throw wrongOption('maxConcurrent', 'a positive integer', maxConcurrent)
  const settings: LaneSettings = {
    account: options.account ?? new MemoryRestAccount(),
    maxConcurrent,
    sleep: options.sleep ?? pause,
  }
  const budgetOf = (market: RestMarket): number => {
    const budget = options.budgets?.[market] ?? MARKET_FACTS[market].rest.budgetPerMinute
    if (!Number.isInteger(budget) || budget < 1) throw wrongOption(`budgets.${market}`, 'a positive integer', budget)
    return budget
  }
  const made = new Map<string, Lane>()
  for (const name of new Set(Object.values(lanes))) {
    const limit = Math.min(...REST_MARKETS.filter((market) => lanes[market] === name).map(budgetOf))
    made.set(name, new Lane({ name, limit, budget: Math.floor(limit * share) }, settings))
  }
  const laneOf = (market: RestMarket): Lane => made.get(lanes[market]) as Lane
  return new RestLimiter({ spot: laneOf('spot'), um: laneOf('um'), cm: laneOf('cm') })
}

function wrongOption(name: string, expected: string, found: number): CkvdError {
  return new CkvdError('CKVD_CONFIG', `Expected \`${name}\` of the REST limiter to be ${expected}, got ${found}.`, {
    details: { name, found },
  })
}

/** Keeps REST requests within the exchange's weight budgets. See `run`. */
export class RestLimiter {
  readonly #lanes: Readonly<Record<RestMarket, Lane>>

  constructor(lanes: Readonly<Record<RestMarket, Lane>>) {
    this.#lanes = lanes
  }

  /**
   * Calls `send` when the market's budget has room for `weight`, and again after a 429 (paused for its Retry-After, or to the end of the
   * minute). `send` must hand over answers 418 and 429 instead of throwing, and throw CKVD_FORBIDDEN for 403 and 451; `bannedMs` in the
   * details of what it throws says that the answer spoke of a ban, and for how long. It must let the watch follow its one request: a pause or
   * a ban that came meanwhile, from whatever process, keeps it from going out.
   *
   * Throws CKVD_BANNED after a 418, at once and without sending, for every call of the lane until the ban ends;
   * CKVD_RATE_LIMITED when 429 does not end, or asks for a pause of more than five minutes, until that has ended; CKVD_FORBIDDEN without sending
   * for five minutes after three of them in a row in this market; CKVD_ABORTED, also while waiting; CKVD_CONFIG when the share is too small for
   * the weight; CKVD_ACCOUNT when the account cannot be read or written; and what `send` throws.
   */
  run<T extends LimitedAnswer>(
    market: RestMarket,
    weight: number,
    signal: AbortSignal,
    send: (watch: RequestWatch) => Promise<T>,
  ): Promise<T> {
    return this.#lanes[market].run(market, weight, signal, send)
  }
}

interface LaneSettings {
  readonly account: RestAccount
  readonly maxConcurrent: number
  readonly sleep: (delayMs: number, signal: AbortSignal) => Promise<void>
}

/** A call on its way: stopped by its caller's signal, or by a ban while it has not been sent. */
interface Ticket {
  readonly market: RestMarket
  readonly stop: AbortController
  /** from the moment in which it goes out until its answer has been read: what stops the lane does not take it away */
  sending: boolean
}

/** A request that was booked, and kept from going out. */
class KeptBack extends Error {}

/**
 * The requests of the markets that are counted together. Bottleneck queues them and bounds how many are under way; its reservoir is not used: it
 * refills on a timer of its own, so two budgets can fall into one minute of the exchange.
 */
class Lane {
  readonly #lane: AccountLane
  readonly #settings: LaneSettings
  readonly #queue: Bottleneck
  readonly #tickets = new Set<Ticket>()
  readonly #forbidden = new Map<RestMarket, { readonly count: number; readonly untilMs: number; readonly error: CkvdError }>()
  /** holds that are on their way into the account */
  readonly #holds = new Set<Promise<unknown>>()
  #onAnswer: (() => void)[] = []

  constructor(lane: AccountLane, settings: LaneSettings) {
    this.#lane = lane
    this.#settings = settings
    this.#queue = new Bottleneck({ maxConcurrent: settings.maxConcurrent })
  }

  async run<T extends LimitedAnswer>(
    market: RestMarket,
    weight: number,
    signal: AbortSignal,
    send: (watch: RequestWatch) => Promise<T>,
  ): Promise<T> {
    if (signal.aborted) throw abortError(signal)
    if (weight > this.#lane.budget) throw this.#tooSmall(market, weight)
    const ticket: Ticket = { market, stop: new AbortController(), sending: false }
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

  async #send<T extends LimitedAnswer>(weight: number, ticket: Ticket, send: (watch: RequestWatch) => Promise<T>): Promise<T> {
    const { market } = ticket
    for (let refusals = 0; ;) {
      const minute = await this.#reserve(weight, ticket)
      const tried = await this.#ask(weight, minute, ticket, send)
      if (tried === 'kept back') continue
      const { answer, heldUntilMs } = tried
      // an answer that speaks of a ban is one, whatever the status with which it refuses
      if (answer.status === 418 || (answer.status !== 200 && this.#banTextMs(answer) !== undefined)) {
        throw await this.#startBan(market, answer)
      }
      if (heldUntilMs === undefined) return answer
      const untilMs = await heldUntilMs
      ticket.sending = false
      if (refusals++ >= MAX_REFUSALS) {
        throw this.#stop(rateLimited(market, `refused one request ${refusals} times (429) and is not asked again`, untilMs), () => true)
      }
    }
  }

  /** One try, whose weight is booked, and settled however it ends. `heldUntilMs`: the exchange refused it for the sake of our address. */
  async #ask<T extends LimitedAnswer>(
    weight: number,
    minute: number,
    ticket: Ticket,
    send: (watch: RequestWatch) => Promise<T>,
  ): Promise<{ readonly answer: T; readonly heldUntilMs: Promise<number> | undefined } | 'kept back'> {
    const { market } = ticket
    const heard: { status?: number; untilMs?: Promise<number>; banned?: Promise<number> } = {}
    const onStatus: RequestWatch['onStatus'] = (status, headers) => {
      const untilMs = heard.untilMs === undefined ? this.#holdFor(status, headers) : undefined
      if (untilMs !== undefined) Object.assign(heard, { status, untilMs })
    }
    let answer: T
    try {
      answer = await send({ onSend: () => this.#letOut(ticket), onStatus })
    } catch (error) {
      const bannedMs = isCkvdError(error) ? error.details['bannedMs'] : undefined
      if (typeof bannedMs === 'number') heard.banned = this.#hold('ban', bannedMs)
      else if (isCkvdError(error, 'CKVD_FORBIDDEN')) this.#countForbidden(market, error)
      // why the request failed is what the caller must know; an account that cannot be written is told by the next request
      await this.#settle(weight, minute, undefined).catch(() => undefined)
      if (error instanceof KeptBack) return 'kept back'
      // an answer that speaks of a ban is one, whatever the status with which it refuses
      if (heard.banned !== undefined) throw this.#stop(banned(market, await heard.banned), () => true)
      // a ban is one, whatever became of the text behind it
      if (heard.status === 418 && heard.untilMs !== undefined) throw this.#stop(banned(market, await heard.untilMs), () => true)
      throw error
    }
    onStatus(answer.status, answer.headers)
    this.#forbidden.delete(market)
    const settled = this.#settle(weight, minute, answer)
    // a refusal is what the caller must know; an account that cannot be written is told by the next request
    await (heard.untilMs === undefined ? settled : settled.catch(() => undefined))
    return { answer, heldUntilMs: heard.untilMs }
  }

  /** The moment before a request goes out: what has come since its booking keeps it here. */
  #letOut(ticket: Ticket): void {
    const isOpen = this.#holds.size === 0 && this.#settings.account.isOpen(this.#lane)
    if (ticket.stop.signal.aborted || !isOpen || this.#refusalOf(ticket.market) !== undefined) throw new KeptBack()
    ticket.sending = true
  }

  /** Waits until the weight may be spent, and books it. Returns the minute in which it counts. */
  async #reserve(weight: number, ticket: Ticket): Promise<number> {
    const { account, sleep } = this.#settings
    const { market, stop } = ticket
    for (;;) {
      await Promise.allSettled(this.#holds)
      if (stop.signal.aborted) throw abortError(stop.signal)
      const refusal = this.#refusalOf(market)
      if (refusal !== undefined) throw forbidden(market, refusal)
      const reservation = await account.reserve(this.#lane, weight)
      switch (reservation.kind) {
        case 'booked':
          if (!stop.signal.aborted) return reservation.minute
          await this.#settle(weight, reservation.minute, undefined)
          break
        case 'wait':
          await sleep(reservation.delayMs, stop.signal)
          break
        case 'blind':
          await this.#waitForAnswer(reservation.delayMs, stop.signal)
          break
        case 'held':
          await this.#sitOut(reservation.hold, ticket)
      }
    }
  }

  async #sitOut({ kind, untilMs }: Hold, { market, stop }: Ticket): Promise<void> {
    if (kind === 'ban') throw this.#stop(banned(market, untilMs), () => true)
    const delayMs = untilMs - this.#settings.account.nowMs()
    if (delayMs > MAX_PAUSE_MS) {
      throw this.#stop(rateLimited(market, `asked for a pause of ${pauseText(delayMs)}`, untilMs), () => true)
    }
    await this.#settings.sleep(Math.max(1, delayMs), stop.signal)
  }

  /** Until a request of ours ends, but no longer than `delayMs`. */
  async #waitForAnswer(delayMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    const stopListening = listenAbort(signal, () => over.abort(abortError(signal)))
    const answered = new Promise<void>((resolve) => this.#onAnswer.push(resolve))
    const late = this.#settings.sleep(delayMs, over.signal)
    // where the answer was first, it still ends: by us
    late.catch(() => undefined)
    try {
      await Promise.race([answered, late])
    } finally {
      stopListening()
      over.abort()
    }
  }

  async #settle(weight: number, minute: number, answer: LimitedAnswer | undefined): Promise<void> {
    const header = answer?.headers['x-mbx-used-weight-1m']
    const count = header !== undefined && /^\d{1,9}$/.test(header) ? Number(header) : undefined
    await this.#settings.account.settle(this.#lane, weight, minute, answer === undefined ? undefined : { count })
    for (const resolve of this.#onAnswer.splice(0)) resolve()
  }

  /**
   * What status and headers say of our address is written down at once: the body may be late, or never come. Returns when that ends, as soon as
   * all who share the account can see it; undefined where they say nothing of it.
   */
  #holdFor(status: number, headers: LimitedAnswer['headers']): Promise<number> | undefined {
    if (status !== 418 && status !== 429) return undefined
    const nowMs = this.#settings.account.nowMs()
    const statedMs = parseRetryAfter(headers['retry-after'], answerClockMs(headers, nowMs))
    if (status === 418) return this.#hold('ban', statedMs ?? SHORTEST_BAN_MS)
    return this.#hold('pause', statedMs ?? (Math.floor(nowMs / 60_000) + 1) * 60_000 - nowMs)
  }

  #hold(kind: Hold['kind'], delayMs: number): Promise<number> {
    const held = this.#settings.account.hold(this.#lane, kind, delayMs)
    this.#holds.add(held)
    // what goes wrong with it is told to who waits for it
    held.finally(() => this.#holds.delete(held)).catch(() => undefined)
    return held
  }

  /** The later of header and text counts. */
  async #startBan(market: RestMarket, answer: LimitedAnswer): Promise<CkvdError> {
    const nowMs = this.#settings.account.nowMs()
    const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], answerClockMs(answer.headers, nowMs))
    const stated = [retryAfterMs, this.#banTextMs(answer)].filter((delayMs) => delayMs !== undefined)
    const untilMs = await this.#hold('ban', stated.length === 0 ? SHORTEST_BAN_MS : Math.max(...stated))
    return this.#stop(banned(market, untilMs), () => true)
  }

  #banTextMs({ body, headers }: LimitedAnswer): number | undefined {
    return parseBanText(body, answerClockMs(headers, this.#settings.account.nowMs()))
  }

  #countForbidden(market: RestMarket, error: CkvdError): void {
    const count = (this.#forbidden.get(market)?.count ?? 0) + 1
    this.#forbidden.set(market, { count, error, untilMs: this.#settings.account.nowMs() + FORBIDDEN_MS })
    if (count >= MAX_FORBIDDEN) this.#stop(forbidden(market, error), (ticket) => ticket.market === market)
  }

  /** Why the market is not asked for now; undefined: it is. */
  #refusalOf(market: RestMarket): CkvdError | undefined {
    const found = this.#forbidden.get(market)
    return found !== undefined && found.count >= MAX_FORBIDDEN && this.#settings.account.nowMs() < found.untilMs ? found.error : undefined
  }

  /** Ends the calls that are not on the wire yet with this error, and returns it. */
  #stop(error: CkvdError, matches: (ticket: Ticket) => boolean): CkvdError {
    for (const ticket of this.#tickets) if (!ticket.sending && matches(ticket)) ticket.stop.abort(error)
    return error
  }

  #tooSmall(market: RestMarket, weight: number): CkvdError {
    const { budget } = this.#lane
    return new CkvdError(
      'CKVD_CONFIG',
      `Expected --rest-share to leave at least weight ${weight} a minute for ${market}, it leaves ${budget}. Raise --rest-share.`,
      { details: { market, weight, budget } },
    )
  }
}

function banned(market: RestMarket, untilMs: number): CkvdError {
  const until = new Date(untilMs).toISOString()
  return new CkvdError(
    'CKVD_BANNED',
    `The ${market} REST API has banned this address until ${until}; nothing is sent to it until then. Run the same command again after that.`,
    { details: { market, until } },
  )
}

function rateLimited(market: RestMarket, what: string, untilMs: number): CkvdError {
  const until = new Date(untilMs).toISOString()
  return new CkvdError(
    'CKVD_RATE_LIMITED',
    `The ${market} REST API ${what}, until ${until}: the weight budget of this address is used up, perhaps by another program. Run the same command again after that, or lower --rest-share.`,
    { details: { market, until } },
  )
}

/** A pause in the unit that fits it: `45 s`, `10 min`, `25 h`. */
function pauseText(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`
}

function forbidden(market: RestMarket, error: CkvdError): CkvdError {
  return new CkvdError(
    'CKVD_FORBIDDEN',
    `The ${market} REST API is not asked for now: it refused this address ${MAX_FORBIDDEN} times in a row. ${error.message}`,
    { details: { ...error.details, market }, cause: error },
  )
}

function stopped(ticket: Ticket): Promise<never> {
  const { signal } = ticket.stop
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(abortError(signal)), { once: true })
  })
}
