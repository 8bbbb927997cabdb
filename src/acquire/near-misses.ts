import { symbolFolder } from '../dataset/names.ts'
import { datasetOf } from '../dataset/registry.ts'
import { CkvdError, isFailure } from '../errors.ts'
import type { Market } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import { findNearMisses } from '../question/near-miss.ts'
import type { Listing } from '../sources/vision/listing.ts'

/** What was probably meant: a sentence, and the symbols that it names. */
export interface Advice {
  readonly text: string
  readonly suggestions: readonly string[]
}

/** Finds out what was probably meant by symbols that nobody knows. Each market's names are read once. */
export class NearMisses {
  readonly #listing: Listing
  readonly #names = new Map<string, Promise<readonly string[]>>()

  constructor(listing: Listing) {
    this.#listing = listing
  }

  /** The error of an unknown symbol with what was probably meant; any other as it is. */
  async advise(error: CkvdError, series: Series, signal: AbortSignal): Promise<CkvdError> {
    const advice = error.code === 'CKVD_UNKNOWN_SYMBOL' ? await this.find(series, signal) : undefined
    if (advice === undefined) return error
    const { text, suggestions } = advice
    return new CkvdError(error.code, `${error.message} ${text}`, { details: { ...error.details, suggestions }, cause: error })
  }

  /** What was probably meant by a symbol that nobody knows; undefined where nothing is near, or the listing does not answer. */
  find(series: Series, signal: AbortSignal): Promise<Advice | undefined> {
    return this.#find(series, signal).catch((thrown: unknown) => {
      if (isFailure(thrown)) return undefined
      throw thrown
    })
  }

  async #find(series: Series, signal: AbortSignal): Promise<Advice | undefined> {
    const near = findNearMisses(series.symbol, await this.#namesOf(series, signal))
    if (near.includes(series.symbol)) return undefined // it is the interval that is not there
    if (near.length > 0) return { text: `Did you mean ${near.join(' or ')}?`, suggestions: near }
    for (const market of datasetOf(series).markets.filter((other) => other !== series.market)) {
      const folders = await this.#listing.fetchFolders(symbolFolder({ ...series, market }, 'daily'), signal)
      if (folders.length > 0) return { text: `It is listed in ${market}: --market ${market}.`, suggestions: [series.symbol] }
    }
    return undefined
  }

  #namesOf(series: { readonly dataset?: string | undefined; readonly market: Market; readonly symbol: string }, signal: AbortSignal) {
    const prefix = symbolFolder(series, 'daily').slice(0, -series.symbol.length - 1)
    const names = this.#names.get(prefix) ?? this.#listing.fetchFolders(prefix, signal)
    this.#names.set(prefix, names)
    return names
  }
}
