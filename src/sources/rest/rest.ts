import { ID_FACTS, MARKET_FACTS } from '../../../config/markets.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { CkvdError, isCkvdError } from '../../errors.ts'
import { idEndpointOf } from '../../dataset/reach.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { Columns } from '../../model/columns.ts'
import { gridOf, countSlots } from '../../model/interval.ts'
import type { KlineColumns } from '../../model/kline.ts'
import type { RestMarket } from '../../model/market.ts'
import type { RestSeries } from '../../model/series.ts'
import type { ExchangeInfo } from './exchange-info.ts'
import { EXCHANGE_INFO, parseExchangeInfo } from './exchange-info.ts'
import type { HttpClient } from '../http/http.ts'
import { HTTP_DEFAULTS, MAX_RETRY_AFTER_MS } from '../http/http.ts'
import type { HttpAnswer } from '../http/http-exchange.ts'
import { decodeKlinesAnswer } from './klines-answer.ts'
import type { FirstBar } from './rest-first-bar.ts'
import { findFirstBar } from './rest-first-bar.ts'
import type { RestLimiter } from './rest-limiter.ts'
import { fetchRates, findFirstRate, fundingFacts, walkRates } from './funding-rates.ts'
import type { IdRows, IdsAsk } from './id-rows.ts'
import { walkIds } from './id-rows.ts'
import type { AskPage, Page } from './rest-pages.ts'
import { limitFor } from './rest-pages.ts'
import type { StretchAsk, StretchRows } from './rest-walk.ts'
import { fetchStatistics, walkStatistics } from './statistics.ts'
import { walkStretch, EXCHANGE_OPENED_US } from './rest-walk.ts'
import { backoffMs, pause } from '../../waiting.ts'

/** What can be asked of REST. */
export interface RestSource {
  /** The bars of a stretch with those on either side; null when the exchange does not know the symbol. */
  fetchStretch(series: RestSeries, ask: StretchAsk, o: { readonly signal: AbortSignal }): Promise<StretchRows<Columns> | null>
  /** The rows of a sequence between two that are held; null when the exchange does not know the symbol. */
  fetchIds(series: RestSeries, ask: IdsAsk, o: { readonly signal: AbortSignal }): Promise<IdRows | null>
  /** The first bar of all; one is known to open at `upToUs` (microseconds) or before. */
  fetchFirstBar(series: RestSeries, upToUs: number | null, o: { readonly signal: AbortSignal }): Promise<FirstBar>
  /** Which symbols trade; asked once, then remembered. */
  fetchExchangeInfo(market: RestMarket, o: { readonly signal: AbortSignal }): Promise<ExchangeInfo>
}

/** A request and what it costs. */
export interface AnswerAsk {
  /** of one try: each is booked */
  readonly weight: number
  /** largest legal body */
  readonly maxBytes: number
  readonly signal: AbortSignal
  /** sent beside those of every request */
  readonly headers?: Readonly<Record<string, string>>
}

export interface RestOptions {
  /** base of each market's REST API, without a final slash */
  readonly urls: Readonly<Record<RestMarket, string>>
  readonly limiter: RestLimiter
  /** clock in epoch milliseconds that tells which bars have closed */
  readonly nowMs: () => number
  /** further tries of a request after network errors and 5xx; default as HTTP_DEFAULTS */
  readonly maxRetries?: number
  /** first pause between tries in milliseconds; doubles each time, with jitter; default as HTTP_DEFAULTS */
  readonly backoffMs?: number
  /** waits, or throws as soon as the signal is aborted; default `pause` of waiting.ts */
  readonly sleep?: (delayMs: number, signal: AbortSignal) => Promise<void>
}

/** 1,500 rows are some 300 KB. */
const MAX_BODY_BYTES = 1 << 20
/**
 * exchangeInfo of spot has some 20 MB in 2026, those of futures 2 MB. A gzip body is there three times while it is unpacked, and the three
 * markets may be asked at once: 288 MiB.
 */
const MAX_EXCHANGE_INFO_BYTES = 32 << 20
/** exchangeInfo is asked again after this long, by a library that lives on. */
const EXCHANGE_INFO_MS = 900_000

/**
 * Klines over Binance's REST API. Facts: "Kline/Candlestick Data" in the API documents of spot, USDⓈ-M and COIN-M
 * futures, and of futures "Mark Price Kline", "Index Price Kline" (whose symbol is called `pair`) and "Premium Index Kline", which have the
 * same parameters, weights and rows; limits, weights and directions are in config/markets.ts.
 *
 * Each try of each request goes through the limiter: a retry costs weight like the first try. Errors belong to the
 * call; only a ban reaches the other calls of its market.
 */
export class Rest implements RestSource {
  readonly #http: HttpClient
  readonly #options: Required<RestOptions>
  readonly #exchange = new Map<RestMarket, { readonly askedMs: number; readonly info: Promise<ExchangeInfo> }>()

  constructor(http: HttpClient, options: RestOptions) {
    this.#http = http
    this.#options = { maxRetries: HTTP_DEFAULTS.maxRetries, backoffMs: HTTP_DEFAULTS.backoffMs, sleep: pause, ...options }
  }

  /**
   * See `walkStretch`; null when the exchange does not know the symbol.
   *
   * Throws CKVD_UNKNOWN_INTERVAL, CKVD_REST_RANGE, CKVD_REST_BODY, CKVD_FORBIDDEN, CKVD_BANNED, CKVD_RATE_LIMITED,
   * CKVD_ABORTED and the CKVD_HTTP_… codes of HttpClient; market, symbol and interval are in details.
   */
  fetchStretch(series: RestSeries, ask: StretchAsk, o: { readonly signal: AbortSignal }): Promise<StretchRows<Columns> | null> {
    const nowUs = (): number => this.#options.nowMs() * 1000
    if (datasetOf(series).rest === 'fundingRate') return walkRates(this.#askRates(series, o.signal), ask, nowUs, fundingFacts(series))
    if (datasetOf(series).rest === 'statistics') return walkStatistics(this.#askStatistics(series, o.signal), series, ask, nowUs)
    const send = (page: Page): Promise<KlineColumns | null> => this.#fetchPage(series, page, o.signal)
    return walkStretch(send, ask, nowUs, gridOf(series), MARKET_FACTS[series.market].rest)
  }

  /** See `walkIds`. Throws CKVD_BUG for a series of which REST tells nothing by ids, and as `fetchStretch`. */
  fetchIds(series: RestSeries, ask: IdsAsk, { signal }: { readonly signal: AbortSignal }): Promise<IdRows | null> {
    const endpoint = idEndpointOf(series)
    if (endpoint === undefined)
      throw new CkvdError('CKVD_BUG', `Expected a series whose rows REST tells by ids, got ${seriesLabel(series)}.`)
    const fetchAnswer = (url: string, ask: Omit<AnswerAsk, 'signal'>): Promise<HttpAnswer> =>
      this.fetchAnswer(series.market, url, { ...ask, signal })
    return placed(series, walkIds(series, ask, ID_FACTS[endpoint], this.#options.urls[series.market], fetchAnswer))
  }

  /** See `findFirstBar`. Throws as `fetchStretch`. */
  fetchFirstBar(series: RestSeries, upToUs: number | null, o: { readonly signal: AbortSignal }): Promise<FirstBar> {
    const { rest } = MARKET_FACTS[series.market]
    const nowUs = this.#options.nowMs() * 1000
    if (datasetOf(series).rest === 'fundingRate') return findFirstRate(this.#askRates(series, o.signal), upToUs, nowUs)
    // it has forgotten it
    if (datasetOf(series).rest === 'statistics') return Promise.resolve('unproved')
    const send = (page: Page): Promise<KlineColumns | null> => this.#fetchPage(series, page, o.signal)
    const months: RestSeries = { ...series, interval: '1M' }
    const latest = { startUs: 0, endUs: nowUs, limit: limitFor(countSlots(EXCHANGE_OPENED_US, nowUs, '1M'), rest), isLatest: true }
    const sendMonths = (page: Page | null): Promise<KlineColumns | null> => this.#fetchPage(months, page ?? latest, o.signal)
    return findFirstBar(send, sendMonths, upToUs, nowUs, gridOf(series), rest)
  }

  /**
   * One request a market, its answer or its failure remembered for a quarter of an hour. Throws CKVD_REST_BODY, CKVD_HTTP_STATUS and as
   * `fetchStretch`.
   */
  fetchExchangeInfo(market: RestMarket, o: { readonly signal: AbortSignal }): Promise<ExchangeInfo> {
    const known = this.#exchange.get(market)
    const nowMs = performance.now()
    if (known !== undefined && nowMs - known.askedMs < EXCHANGE_INFO_MS) return known.info
    const info = this.#fetchExchangeInfo(market, o.signal)
    // who asks next must not get an interrupt that was somebody else's
    info.catch((error: unknown) => {
      if (isCkvdError(error, 'CKVD_ABORTED')) this.#exchange.delete(market)
    })
    this.#exchange.set(market, { askedMs: nowMs, info })
    return info
  }

  /**
   * The answer to a request of any kind, with status 200 or one that refuses it (400 to 499 without 403, 408, 418, 429, 451), after retries.
   * Throws CKVD_FORBIDDEN, CKVD_BANNED, CKVD_RATE_LIMITED, CKVD_ABORTED and the CKVD_HTTP_… codes of HttpClient.
   */
  fetchAnswer(market: RestMarket, url: string, ask: AnswerAsk): Promise<HttpAnswer> {
    return this.#retry(ask.signal, () => this.#fetchAnswerOnce(market, url, ask))
  }

  #fetchAnswerOnce(market: RestMarket, url: string, { weight, maxBytes, signal, headers }: AnswerAsk): Promise<HttpAnswer> {
    return this.#options.limiter.run(market, weight, signal, (watch) =>
      this.#http.fetch(url, {
        ...{ kind: 'rest', signal, maxBytes, maxRetries: 0, pass: isRefusal, watch },
        ...(headers === undefined ? {} : { headers }),
      }),
    )
  }

  async #fetchExchangeInfo(market: RestMarket, signal: AbortSignal): Promise<ExchangeInfo> {
    const { path, weight } = EXCHANGE_INFO[market]
    const url = `${this.#options.urls[market]}${path}`
    const answer = await this.fetchAnswer(market, url, { weight, maxBytes: MAX_EXCHANGE_INFO_BYTES, signal })
    if (answer.status !== 200) {
      throw new CkvdError('CKVD_HTTP_STATUS', `Expected exchangeInfo from ${url}, got status ${answer.status}. Check the REST URL.`, {
        details: { url, status: answer.status },
      })
    }
    return parseExchangeInfo(answer.body, url)
  }

  /** Pages of funding rates, with retries. */
  #askRates(series: RestSeries, signal: AbortSignal): AskPage<Columns> {
    const base = this.#options.urls[series.market]
    return (page) =>
      placed(
        series,
        fetchRates(series, page, base, (url, ask) => this.fetchAnswer(series.market, url, { ...ask, signal })),
      )
  }

  /** Pages of statistics, with retries. */
  #askStatistics(series: RestSeries, signal: AbortSignal): AskPage<Columns> {
    const base = this.#options.urls[series.market]
    const fetchAnswer = (url: string, ask: { readonly weight: number; readonly maxBytes: number }): Promise<HttpAnswer> =>
      this.fetchAnswer(series.market, url, { ...ask, signal })
    return (page) => placed(series, fetchStatistics(series, page, { base, nowUs: this.#options.nowMs() * 1000, fetchAnswer }))
  }

  /** One page, with retries; null when the symbol is unknown. */
  async #fetchPage(series: RestSeries, page: Page, signal: AbortSignal): Promise<KlineColumns | null> {
    const rows = await placed(
      series,
      this.#retry(signal, () => this.#fetchPageOnce(series, page, signal)),
    )
    return rows === 'unlisted' ? null : rows
  }

  /** Tries again after errors that may pass; each try goes through the limiter. */
  async #retry<T>(signal: AbortSignal, fetchOnce: () => Promise<T>): Promise<T> {
    const { maxRetries, sleep } = this.#options
    for (let attempt = 0; ; attempt++) {
      try {
        return await fetchOnce()
      } catch (error) {
        // the limiter has had its own tries with a 429 that does not end
        const passing = isCkvdError(error) && error.retryable && error.code !== 'CKVD_RATE_LIMITED'
        if (!passing || attempt >= maxRetries || signal.aborted) throw error
        const retryAfterMs = error.details['retryAfterMs']
        const pauseMs = Math.max(backoffMs(this.#options.backoffMs, attempt), typeof retryAfterMs === 'number' ? retryAfterMs : 0)
        if (pauseMs > MAX_RETRY_AFTER_MS) throw error
        await sleep(pauseMs, signal)
      }
    }
  }

  async #fetchPageOnce(series: RestSeries, page: Page, signal: AbortSignal): Promise<KlineColumns | 'unlisted'> {
    const { market, symbol, interval } = series
    const { intervals, rest } = MARKET_FACTS[market]
    if (!intervals.includes(interval)) {
      const message = `Expected an interval of ${market} (${intervals.join(', ')}), got ${interval} (${seriesLabel(series)}).`
      throw new CkvdError('CKVD_UNKNOWN_INTERVAL', message)
    }
    const { name, pairs } = datasetOf(series)
    const query = new URLSearchParams({
      [pairs === undefined ? 'symbol' : 'pair']: symbol,
      interval,
      ...(page.isLatest === true ? {} : { startTime: String(page.startUs / 1000), endTime: String(page.endUs / 1000) }),
      limit: String(page.limit),
    })
    const url = `${this.#options.urls[market]}${rest.klinesPath.replace(/\w+$/, name)}?${query.toString()}`
    const answer = await this.#fetchAnswerOnce(market, url, { weight: rest.weightOf(page.limit), maxBytes: MAX_BODY_BYTES, signal })
    return decodeKlinesAnswer(answer, page, url, interval)
  }
}

/** The answer to a question about a series, which an error names. */
async function placed<T>({ market, symbol, interval }: RestSeries, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw isCkvdError(error) ? error.with({ market, symbol, interval }) : error
  }
}

/** Statuses whose body or headers we read ourselves. 403 and 451 come from a firewall, 408 is worth a retry. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 403 && status !== 408 && status !== 451
}
