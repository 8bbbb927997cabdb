import { CkvdError, isCkvdError } from '../../errors.ts'
import type { RestMarket } from '../../model/market.ts'
import type { Columns } from '../../model/columns.ts'
import type { RestSeries } from '../../model/series.ts'
import type { ExchangeInfo } from '../../sources/rest/exchange-info.ts'
import type { IdRows, IdsAsk } from '../../sources/rest/id-rows.ts'
import type { FirstBar } from '../../sources/rest/rest-first-bar.ts'
import type { StretchAsk, StretchRows } from '../../sources/rest/rest-walk.ts'
import type { RestSource } from '../../sources/rest/rest.ts'

/** Calls in a row that fail for want of a network before a market's REST is taken for unreachable. */
const MAX_FAILURES = 4

/** Errors of a REST that is not to be had from here. */
const NO_ANSWER = ['CKVD_FORBIDDEN', 'CKVD_HTTP_NETWORK', 'CKVD_HTTP_TIMEOUT', 'CKVD_HTTP_BUSY'] as const

/**
 * REST of one run: remembers why the run will have to stop, and stops asking a market when its REST is unreachable, since each failing call
 * takes all its retries, or has said that the address asks too much.
 */
export class RestGate implements RestSource {
  readonly #rest: RestSource
  readonly #failures = new Map<RestMarket, number>()
  readonly #limited = new Map<RestMarket, CkvdError>()
  /** markets that have answered, and why those that have not did not */
  readonly #answered = new Set<RestMarket>()
  readonly #silent = new Map<RestMarket, CkvdError>()
  #stopped: CkvdError | null = null

  constructor(rest: RestSource) {
    this.#rest = rest
  }

  /** The ban or rate limit because of which bars could not be asked for in this run, or what kept the account from being used; null: none. */
  get stopped(): CkvdError | null {
    return this.#stopped
  }

  /** Why REST of a market gave nothing in this run; markets that answered once are not among them. */
  get silent(): ReadonlyMap<RestMarket, CkvdError> {
    return new Map([...this.#silent].filter(([market]) => !this.#answered.has(market)))
  }

  /** As `Rest.fetchStretch`; without a request CKVD_UNREACHABLE after several network failures in a row, CKVD_RATE_LIMITED and CKVD_ACCOUNT after one. */
  fetchStretch(series: RestSeries, ask: StretchAsk, o: { readonly signal: AbortSignal }): Promise<StretchRows<Columns> | null> {
    return this.#pass(series.market, () => this.#rest.fetchStretch(series, ask, o))
  }

  /** As `Rest.fetchIds`; otherwise as `fetchStretch`. */
  fetchIds(series: RestSeries, ask: IdsAsk, o: { readonly signal: AbortSignal }): Promise<IdRows | null> {
    return this.#pass(series.market, () => this.#rest.fetchIds(series, ask, o))
  }

  /** As `Rest.fetchFirstBar`; otherwise as `fetchStretch`. */
  fetchFirstBar(series: RestSeries, upToUs: number | null, o: { readonly signal: AbortSignal }): Promise<FirstBar> {
    return this.#pass(series.market, () => this.#rest.fetchFirstBar(series, upToUs, o))
  }

  /** As `Rest.fetchExchangeInfo`; otherwise as `fetchStretch`. */
  fetchExchangeInfo(market: RestMarket, o: { readonly signal: AbortSignal }): Promise<ExchangeInfo> {
    return this.#pass(market, () => this.#rest.fetchExchangeInfo(market, o))
  }

  async #pass<T>(market: RestMarket, call: () => Promise<T>): Promise<T> {
    const limited = this.#limited.get(market)
    if (limited !== undefined) throw limited
    const failures = this.#failures.get(market) ?? 0
    if (failures >= MAX_FAILURES) {
      throw new CkvdError(
        'CKVD_UNREACHABLE',
        `REST of ${market} is not asked any more in this run: ${failures} requests in a row failed for want of a network. Check the network, then run the same command again.`,
      )
    }
    try {
      const value = await call()
      this.#failures.delete(market)
      this.#answered.add(market)
      return value
    } catch (error) {
      if (isCkvdError(error, 'CKVD_HTTP_NETWORK', 'CKVD_HTTP_TIMEOUT')) this.#failures.set(market, (this.#failures.get(market) ?? 0) + 1)
      if (isCkvdError(error, ...NO_ANSWER) && !this.#silent.has(market)) this.#silent.set(market, error)
      // an account that another program keeps locked is waited for by each call
      if (isCkvdError(error, 'CKVD_RATE_LIMITED', 'CKVD_ACCOUNT')) this.#limited.set(market, error)
      if (isCkvdError(error, 'CKVD_BANNED', 'CKVD_RATE_LIMITED', 'CKVD_ACCOUNT')) this.#stopped ??= error
      throw error
    }
  }
}
