import type { Market } from '../model/market.ts'

/** An archive that could not be used, and the code of its error. */
export interface UnusedArchive {
  /** as the listing has it */
  readonly key: string
  readonly code: string
  /** its bytes failed verification: they lie in quarantine */
  readonly isQuarantined: boolean
}

/** Archives that a note names. */
const SHOWN = 5
/** Archives that are remembered; of so many their number is what counts. */
const MOST = 10_000

/** Archives that could not be used while another source gave their days: nothing is unexplained by them, but a person should know. */
export class UnusedArchives {
  readonly #named = new Map<string, string>()
  #isQuarantined = false

  add(market: Market, { key, code, isQuarantined }: UnusedArchive): void {
    this.#isQuarantined ||= isQuarantined
    if (this.#named.size < MOST) this.#named.set(key, `${market} ${key.slice(key.lastIndexOf('/') + 1)} (${code})`)
  }

  /** What is said of them at the end of a run; undefined: there are none. */
  get note(): string | undefined {
    const names = [...this.#named.values()].sort()
    if (names.length === 0) return undefined
    const what = names.length === 1 ? '1 archive' : `${names.length.toLocaleString('en-US')} archives`
    const more = names.length > SHOWN ? ` and ${(names.length - SHOWN).toLocaleString('en-US')} more` : ''
    const where = this.#isQuarantined
      ? " What failed verification lies in the lake's quarantine/ with its reason, and is fetched again when it is published anew."
      : ''
    return `${what} could not be used; other sources gave the days, which are explained: ${names.slice(0, SHOWN).join(', ')}${more}.${where}`
  }
}
