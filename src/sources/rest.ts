import { MARKET_FACTS } from '../../config/markets.ts'
import { CkvdError, isCkvdError } from '../errors.ts'
import { findGaps } from '../model/gaps.ts'
import { firstSlotUs, slotStartUs } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import { concatColumns, sliceColumns } from '../model/kline.ts'
import type { Market } from '../model/market.ts'
import type { Series, TimeRange } from '../model/series.ts'
import { seriesLabel } from '../model/series.ts'
import type { HttpClient } from './http.ts'
import { HTTP_DEFAULTS, MAX_RETRY_AFTER_MS } from './http.ts'
import { decodeKlinesAnswer } from './rest-answer.ts'
import { findFirstBarBackwards, findFirstBarForwards } from './rest-first-bar.ts'
import type { RestLimiter } from './rest-limiter.ts'
import type { Page, Span } from './rest-pages.ts'
import { planPages } from './rest-pages.ts'
import type { KlineSource, Stretch } from './source.ts'
import { backoffMs, pause } from './waiting.ts'

export interface RestOptions {
  /** base of each market's REST API, without a final slash */
  readonly urls: Readonly<Record<Market, string>>
  readonly limiter: RestLimiter
  /** clock in epoch milliseconds that tells which bars have closed */
  readonly nowMs: () => number
  /** further tries of a request after network errors and 5xx; default as HTTP_DEFAULTS */
  readonly maxRetries?: number
  /** first pause between tries in milliseconds; doubles each time, with jitter; default as HTTP_DEFAULTS */
  readonly backoffMs?: number
  /** waits, or throws as soon as the signal is aborted; default `pause` of http.ts */
  readonly sleep?: (delayMs: number, signal: AbortSignal) => Promise<void>
}

/** 1,500 rows are some 300 KB. */
const MAX_BODY_BYTES = 4 << 20

/**
 * Klines over Binance's REST API. Facts: "Kline/Candlestick Data" in the API documents of spot, USDⓈ-M and COIN-M
 * futures; limits, weights and directions are in config/markets.ts.
 *
 * Each try of each request goes through the limiter: a retry costs weight like the first try. Errors belong to the
 * call; only a ban reaches the other calls of its market.
 */
export class Rest implements KlineSource {
  readonly name = 'rest'
  readonly #http: HttpClient
  readonly #options: Required<RestOptions>

  constructor(http: HttpClient, options: RestOptions) {
    this.#http = http
    this.#options = { maxRetries: HTTP_DEFAULTS.maxRetries, backoffMs: HTTP_DEFAULTS.backoffMs, sleep: pause, ...options }
  }

  /**
   * Every bar that opens in `range` and has closed, ascending. `absent` ('unlisted') when the exchange does not know the
   * symbol; a range in which no bar can have closed yet is `found`, empty, without a request.
   *
   * Throws CKVD_UNKNOWN_INTERVAL, CKVD_REST_RANGE, CKVD_REST_BODY, CKVD_FORBIDDEN, CKVD_BANNED, CKVD_RATE_LIMITED,
   * CKVD_ABORTED and the CKVD_HTTP_… codes of HttpClient; market, symbol and interval are in details.
   */
  async fetchStretch(series: Series, range: TimeRange, o: { readonly signal: AbortSignal }): Promise<Stretch> {
    const { interval } = series
    const nowUs = this.#options.nowMs() * 1000
    const startUs = Math.max(0, range.startUs)
    // no bar of the slot that holds now: one that an outage cuts may state a close time that has passed
    const endUs = Math.min(range.endUs, slotStartUs(nowUs, interval))
    const span: Span = { startUs: slotStartUs(startUs, interval), endUs: firstSlotUs(endUs, interval) }
    const rows = startUs >= endUs ? concatColumns([]) : await this.#fetchSpan(series, span, o.signal)
    if (rows === null) return { kind: 'absent', reason: 'unlisted' }
    return {
      kind: 'found',
      rows: closedRows(rowsBetween(rows, startUs, endUs), nowUs),
      // of all rows: a bar that opened late and has not closed yet is not missing
      missing: findGaps(rows.openTime, { startUs, endUs }, interval).map((gap) => ({ startUs: gap.startUs, endUs: gap.endUs })),
      source: 'rest',
    }
  }

  /**
   * Open time of the first bar that the exchange has, in microseconds; null when it has none or does not know the
   * symbol. One request; on COIN-M futures a bounded search (see rest-first-bar.ts). Throws as `fetchStretch`.
   */
  async fetchFirstBar(series: Series, o: { readonly signal: AbortSignal }): Promise<number | null> {
    const facts = MARKET_FACTS[series.market].rest
    const ask = (page: Page): Promise<KlineColumns | null> => this.#fetchPage(series, page, o.signal)
    const nowUs = this.#options.nowMs() * 1000
    return facts.nearest === 'start'
      ? findFirstBarForwards(ask, nowUs, series.interval)
      : findFirstBarBackwards(ask, nowUs, series.interval, facts)
  }

  /** The rows of a span, none twice; null when the symbol is unknown. */
  async #fetchSpan(series: Series, span: Span, signal: AbortSignal): Promise<KlineColumns | null> {
    const facts = MARKET_FACTS[series.market].rest
    const plan = planPages(span, series.interval, facts)
    const parts: KlineColumns[] = []
    // pages overlap by a slot, see PagePlan: what lies at or behind the bound has been seen
    let seenUs: number | undefined
    let page: Page | null = plan.first()
    while (page !== null) {
      const rows = await this.#fetchPage(series, page, signal)
      if (rows === null) return null
      const count = rows.openTime.length
      const result = { rows: count, firstUs: Number(rows.openTime[0] ?? 0n), lastUs: Number(rows.openTime[count - 1] ?? 0n) }
      if (count > 0) {
        const forwards = facts.nearest === 'start'
        if (seenUs === undefined) parts.push(rows)
        else parts.push(forwards ? rowsBetween(rows, seenUs + 1, Infinity) : rowsBetween(rows, 0, seenUs))
        seenUs = forwards ? Math.max(seenUs ?? 0, result.lastUs) : Math.min(seenUs ?? Infinity, result.firstUs)
      }
      const next = plan.next(page, result)
      if (next === 'stuck') throw tooDense(series, page)
      page = next
    }
    return concatColumns(facts.nearest === 'start' ? parts : parts.reverse())
  }

  /** One page, with retries; null when the symbol is unknown. */
  async #fetchPage(series: Series, page: Page, signal: AbortSignal): Promise<KlineColumns | null> {
    const { maxRetries, sleep } = this.#options
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          const rows = await this.#fetchPageOnce(series, page, signal)
          return rows === 'unlisted' ? null : rows
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
    } catch (error) {
      throw isCkvdError(error) ? error.with({ market: series.market, symbol: series.symbol, interval: series.interval }) : error
    }
  }

  async #fetchPageOnce(series: Series, page: Page, signal: AbortSignal): Promise<KlineColumns | 'unlisted'> {
    const { market, symbol, interval } = series
    const { intervals, rest } = MARKET_FACTS[market]
    if (!intervals.includes(interval)) {
      const message = `Expected an interval of ${market} (${intervals.join(', ')}), got ${interval} (${seriesLabel(series)}).`
      throw new CkvdError('CKVD_UNKNOWN_INTERVAL', message)
    }
    const query = new URLSearchParams({
      symbol,
      interval,
      startTime: String(page.startUs / 1000),
      endTime: String(page.endUs / 1000),
      limit: String(page.limit),
    })
    const url = `${this.#options.urls[market]}${rest.klinesPath}?${query.toString()}`
    const answer = await this.#options.limiter.run(market, rest.weightOf(page.limit), signal, () =>
      this.#http.fetch(url, { kind: 'rest', signal, maxBytes: MAX_BODY_BYTES, maxRetries: 0, pass: isRefusal }),
    )
    return decodeKlinesAnswer(answer, page, url, interval)
  }
}

/** Statuses whose body or headers we read ourselves. 403 and 451 come from a firewall, 408 is worth a retry. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 403 && status !== 408 && status !== 451
}

function tooDense(series: Series, page: Page): CkvdError {
  return new CkvdError('CKVD_REST_BODY', `Expected at most a few bars in a slot, got a page of ${page.limit} (${seriesLabel(series)}).`, {
    details: { market: series.market, symbol: series.symbol, interval: series.interval },
  })
}

/** The rows that open in [startUs, endUs), as views. */
function rowsBetween(rows: KlineColumns, startUs: number, endUs: number): KlineColumns {
  const times = rows.openTime
  let first = 0
  while (first < times.length && Number(times[first]) < startUs) first++
  let end = times.length
  while (end > first && Number(times[end - 1]) >= endUs) end--
  return sliceColumns(rows, first, end)
}

/** Without the last rows that have not closed: a bar that opens late in its slot closes after it. */
function closedRows(rows: KlineColumns, nowUs: number): KlineColumns {
  let end = rows.openTime.length
  while (end > 0 && Number(rows.closeTime[end - 1]) >= nowUs) end--
  return sliceColumns(rows, 0, end)
}
