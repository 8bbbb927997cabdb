import type { CkvdError } from '../errors.ts'
import { isCkvdError } from '../errors.ts'
import type { RestMarket } from '../model/market.ts'
import type { Columns } from '../model/columns.ts'
import type { RestSeries } from '../model/series.ts'
import type { ExchangeInfo } from '../sources/rest/exchange-info.ts'
import type { IdRows, IdsAsk } from '../sources/rest/id-rows.ts'
import type { FirstBar } from '../sources/rest/rest-first-bar.ts'
import type { StretchAsk, StretchRows } from '../sources/rest/rest-walk.ts'
import type { RestSource } from '../sources/rest/rest.ts'

/** Failures of REST that a caller can act on by waiting: they are thrown themselves, not only as missing bars. */
const TELLING = ['CKVD_BANNED', 'CKVD_RATE_LIMITED', 'CKVD_FORBIDDEN'] as const

/** REST, remembering why it failed: a missing bar is then told with its cause. */
export class RestWitness implements RestSource {
  readonly #rest: RestSource
  #failure: CkvdError | null = null

  constructor(rest: RestSource) {
    this.#rest = rest
  }

  /** The first failure that tells what to do, else the last one; null: none. */
  get failure(): CkvdError | null {
    return this.#failure
  }

  fetchStretch(series: RestSeries, ask: StretchAsk, o: { readonly signal: AbortSignal }): Promise<StretchRows<Columns> | null> {
    return this.#watch(this.#rest.fetchStretch(series, ask, o))
  }

  fetchIds(series: RestSeries, ask: IdsAsk, o: { readonly signal: AbortSignal }): Promise<IdRows | null> {
    return this.#watch(this.#rest.fetchIds(series, ask, o))
  }

  fetchFirstBar(series: RestSeries, upToUs: number | null, o: { readonly signal: AbortSignal }): Promise<FirstBar> {
    return this.#watch(this.#rest.fetchFirstBar(series, upToUs, o))
  }

  fetchExchangeInfo(market: RestMarket, o: { readonly signal: AbortSignal }): Promise<ExchangeInfo> {
    return this.#watch(this.#rest.fetchExchangeInfo(market, o))
  }

  async #watch<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (isCkvdError(error) && error.code !== 'CKVD_ABORTED' && !isTelling(this.#failure)) this.#failure = error
      throw error
    }
  }
}

/** True for a failure of REST that says until when, or why, nothing is to be had. */
export function isTelling(error: CkvdError | null): error is CkvdError {
  return error !== null && isCkvdError(error, ...TELLING)
}
