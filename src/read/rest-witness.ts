import type { CkvdError } from '../errors.ts'
import { isCkvdError } from '../errors.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { Rest } from '../sources/rest.ts'
import type { KlineSource, Stretch } from '../sources/source.ts'

/** Failures of REST that a caller can act on by waiting: they are thrown themselves, not only as missing bars. */
const TELLING = ['CKVD_BANNED', 'CKVD_RATE_LIMITED', 'CKVD_FORBIDDEN'] as const

/** REST, remembering why it failed: a missing bar is then told with its cause. */
export class RestWitness implements KlineSource {
  readonly name = 'rest'
  readonly #rest: Rest
  #failure: CkvdError | null = null

  constructor(rest: Rest) {
    this.#rest = rest
  }

  /** The first failure that tells what to do, else the last one; null: none. */
  get failure(): CkvdError | null {
    return this.#failure
  }

  fetchStretch(series: Series, range: TimeRange, o: { readonly signal: AbortSignal }): Promise<Stretch> {
    return this.#watch(this.#rest.fetchStretch(series, range, o))
  }

  fetchFirstBar(series: Series, o: { readonly signal: AbortSignal }): Promise<number | null> {
    return this.#watch(this.#rest.fetchFirstBar(series, o))
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
