import { CkvdError, isCkvdError } from '../errors.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { Rest } from '../sources/rest.ts'
import type { KlineSource, Stretch } from '../sources/source.ts'

/** Calls in a row that fail for want of a network before REST is taken for unreachable. */
const MAX_FAILURES = 4

/** REST of one run: remembers a ban, and stops asking when REST is unreachable, since each failing call takes all its retries. */
export class RestGate implements KlineSource {
  readonly name = 'rest'
  readonly #rest: Rest
  #failures = 0
  #banned: CkvdError | null = null

  constructor(rest: Rest) {
    this.#rest = rest
  }

  /** The ban because of which bars could not be asked for in this run; null: none. */
  get banned(): CkvdError | null {
    return this.#banned
  }

  /** As `Rest.fetchStretch`; CKVD_UNREACHABLE without a request after several network failures in a row. */
  fetchStretch(series: Series, range: TimeRange, o: { readonly signal: AbortSignal }): Promise<Stretch> {
    return this.#pass(() => this.#rest.fetchStretch(series, range, o))
  }

  /** As `Rest.fetchFirstBar`; CKVD_UNREACHABLE without a request after several network failures in a row. */
  fetchFirstBar(series: Series, o: { readonly signal: AbortSignal }): Promise<number | null> {
    return this.#pass(() => this.#rest.fetchFirstBar(series, o))
  }

  async #pass<T>(call: () => Promise<T>): Promise<T> {
    if (this.#failures >= MAX_FAILURES) {
      throw new CkvdError(
        'CKVD_UNREACHABLE',
        `REST is not asked any more in this run: ${this.#failures} requests in a row failed for want of a network.`,
      )
    }
    try {
      const value = await call()
      this.#failures = 0
      return value
    } catch (error) {
      if (isCkvdError(error, 'CKVD_HTTP_NETWORK', 'CKVD_HTTP_TIMEOUT', 'CKVD_FORBIDDEN')) this.#failures++
      if (isCkvdError(error, 'CKVD_BANNED')) this.#banned ??= error
      throw error
    }
  }
}
