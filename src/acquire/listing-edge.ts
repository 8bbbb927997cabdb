import { archiveStem } from '../dataset/names.ts'
import { isFailure } from '../errors.ts'
import type { Market, RestMarket } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { addDays, dayOfUs } from '../model/utc-day.ts'
import type { ExchangeInfo } from '../sources/rest/exchange-info.ts'
import type { HttpClient } from '../sources/http/http.ts'
import type { Listing } from '../sources/vision/listing.ts'
import { objectUrl } from '../sources/vision/vision-url.ts'

/** Archives are usually published the next day: a market whose newest listed archive is older than this many days may have a listing that is behind. */
const FRESH_DAYS = 3
/** Symbols that trade for ever, as far as one can tell; else any one is asked for. */
const USUAL: Readonly<Record<RestMarket, string>> = { spot: 'BTCUSDT', um: 'BTCUSDT', cm: 'BTCUSD_PERP' }

/**
 * Whether the listing of a market is behind its archives: an audit has seen it months late while the archives of the day before were
 * served. Where no series of the market is listed within three days, neither those of the run nor one symbol that trades, one CHECKSUM of
 * yesterday is asked for, of that symbol.
 */
export class ListingEdge {
  readonly #http: HttpClient
  readonly #listing: Listing
  readonly #visionUrl: string
  readonly #nowUs: () => number
  readonly #onBehind: (note: string) => void
  readonly #newest = new Map<Market, UtcDay>()
  #whole: Promise<unknown> = Promise.resolve()
  readonly #answers = new Map<RestMarket, Promise<boolean>>()

  /** @param onBehind is told once a market */
  constructor(http: HttpClient, listing: Listing, visionUrl: string, nowUs: () => number, onBehind: (note: string) => void) {
    this.#http = http
    this.#listing = listing
    this.#visionUrl = visionUrl
    this.#nowUs = nowUs
    this.#onBehind = onBehind
  }

  /** What the listing has is told by `saw` until this resolves; no answer is given before. */
  waitFor(planning: Promise<unknown>): void {
    this.#whole = planning
  }

  /** The listing has an archive of this day. */
  saw(market: Market, day: UtcDay): void {
    const known = this.#newest.get(market)
    if (known === undefined || known < day) this.#newest.set(market, day)
  }

  /**
   * True when yesterday's archive of a symbol that trades is there though nothing so new is listed. Throws where that could not be asked:
   * errors of the network, CKVD_ABORTED.
   */
  isBehind(market: RestMarket, info: ExchangeInfo, signal: AbortSignal): Promise<boolean> {
    const answer = this.#answers.get(market) ?? this.#ask(market, info, signal)
    this.#answers.set(market, answer)
    return answer
  }

  async #ask(market: RestMarket, info: ExchangeInfo, signal: AbortSignal): Promise<boolean> {
    await this.#whole
    const today = dayOfUs(this.#nowUs())
    const newest = this.#newest.get(market)
    if (newest !== undefined && newest >= addDays(today, -FRESH_DAYS)) return false
    const symbol = info.trading.has(USUAL[market]) ? USUAL[market] : [...info.trading][0]
    if (symbol === undefined) return false
    const yesterday = addDays(today, -1)
    const series = { market, symbol, interval: '1d' as const }
    // a run of dead series alone sees no new archive in a listing that is not behind
    if (await this.#isFresh(series, addDays(today, -FRESH_DAYS), signal)) return false
    const key = `${archiveStem(series, 'daily')}${yesterday}.zip.CHECKSUM`
    const { status } = await this.#http.fetch(objectUrl(this.#visionUrl, key), { kind: 'checksum', signal, maxBytes: 512 })
    if (status !== 200) return false
    this.#onBehind(
      `The listing of ${market} is behind: its newest archive here is of ${newest ?? 'no day'}, but ${symbol}'s of ${yesterday} is there. No series of ${market} is taken for ended.`,
    )
    return true
  }

  /** True when the listing has an archive of the series of that day or later; false also where it could not be asked. */
  async #isFresh(series: Series, from: UtcDay, signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#listing.fetchArchivesPage(series, 'daily', { from, maxKeys: 4, signal })).archives.length > 0
    } catch (error) {
      if (!isFailure(error)) throw error
      return false
    }
  }
}
