import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { MARKET_FACTS } from '../../config/markets.ts'
import type { RestMarket } from '../model/market.ts'
import { REST_MARKETS } from '../model/market.ts'
import type { Answer } from './answer.ts'
import { banText, createAnswer, sendAnswer, spoilAnswer } from './answer.ts'
import { ArchiveFolderExchange } from './archive-folder.ts'
import type { Exchange } from './bucket.ts'
import { createExchangeInfo, EXCHANGE_INFO_WEIGHT, withStandIn } from './exchange-info.ts'
import type { AnswerFault, FaultRule } from './faults.ts'
import { AnswerFaults, checkFaultsForFiles, parseFaultRules } from './faults.ts'
import { createListingPage, createNoSuchKey, createS3Error } from './listing.ts'
import type { SandboxOptions, SandboxSettings } from './options.ts'
import { resolveSandboxOptions } from './options.ts'
import {
  createRatesPage,
  createStatisticsPage,
  isOfStatistics,
  isRefusal,
  parseKlinesQuery,
  parseRatesQuery,
  parseStatisticsQuery,
  pricesAt,
  refuse,
  rowsAskedFor,
  spoilQuery,
} from './rest.ts'
import { asksFine, parseTicksQuery, ticksAt, tooOld } from './rest-ticks.ts'
import { listen } from './server.ts'
import { SyntheticExchange } from './synthetic/synthetic-exchange.ts'
import { WeightAccount } from './weights.ts'

/** A request that the sandbox got. */
export interface RequestRecord {
  /** what was asked for */
  readonly kind: 'listing' | 'archive' | 'checksum' | 'rest' | 'other'
  /** of HTTP */
  readonly method: string
  /** decoded, with its query: `/vision/data/spot/…`, `/listing?prefix=…`, `/um/fapi/v1/klines?symbol=…` */
  readonly path: string
  /** 0 where no status was sent: the connection was reset, or stalled before the headers */
  readonly status: number
  /** by the exchange's clock */
  readonly atMs: number
  /** of REST requests */
  readonly market?: RestMarket
  /** of REST requests: the weight that it cost */
  readonly weight?: number
}

/** The addresses of a sandbox, without final slashes: what the five URL settings are set to. */
export interface SandboxUrls {
  /** archives */
  readonly vision: string
  /** S3 listing */
  readonly listing: string
  /** REST of spot */
  readonly spotRest: string
  /** REST of USDⓈ-M futures */
  readonly umRest: string
  /** REST of COIN-M futures */
  readonly cmRest: string
}

/** A running sandbox exchange. */
export interface Sandbox extends AsyncDisposable {
  /** what to give to a client's `sources`, or to the five URL settings */
  readonly urls: SandboxUrls
  /** all requests so far, in the order of their answers; the list grows while the sandbox runs */
  readonly requests: readonly RequestRecord[]
  /** Empties `requests`. */
  clearRequests(): void
  /** Replaces all fault rules; counters start anew. `CKVD_CONFIG` when a rule is wrong; then the old ones stay. */
  setFaults(rules: readonly FaultRule[]): void
  /** Plays another client behind the same address, which uses `weight` in the current minute. */
  addWeight(market: RestMarket, weight: number): void
  /** Ends the server and all its connections; may be called again. */
  close(): Promise<void>
}

/**
 * Starts a stand-in for Binance on 127.0.0.1: archive listing, archives, REST klines. Give its `urls` to the program
 * under test. `CKVD_CONFIG` for a wrong option, a wrong fault rule, a folder without archives or a port in use.
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const settings = resolveSandboxOptions(options)
  const state = new SandboxState(settings, settings.archive === undefined ? undefined : await ArchiveFolderExchange.open(settings.archive))
  const listener = await listen(settings.port, (request, response) => state.answer(request, response))
  const { origin } = listener
  return {
    urls: {
      vision: `${origin}/vision`,
      listing: `${origin}/listing`,
      spotRest: `${origin}/spot`,
      umRest: `${origin}/um`,
      cmRest: `${origin}/cm`,
    },
    requests: state.requests,
    clearRequests: () => {
      state.requests.length = 0
    },
    setFaults: (rules) => state.setFaults(parseFaultRules(rules)),
    addWeight: (market, weight) => state.addWeight(market, weight),
    close: () => listener.close(),
    [Symbol.asyncDispose]: () => listener.close(),
  }
}

/** What an answer needs to know of its request. */
interface Route {
  readonly kind: RequestRecord['kind']
  readonly market?: RestMarket
  readonly weight?: number
  /** the right answer, or what an exchange says that is asked under a fault of klines */
  respond(fault: AnswerFault | undefined): Promise<Answer>
}

class SandboxState {
  readonly requests: RequestRecord[] = []
  readonly #settings: SandboxSettings
  readonly #archives: ArchiveFolderExchange | undefined
  readonly #accounts: Readonly<Record<RestMarket, WeightAccount>>
  #exchange: Exchange
  #faults: AnswerFaults

  constructor(settings: SandboxSettings, archives: ArchiveFolderExchange | undefined) {
    const accountOf = (budget: number): WeightAccount =>
      new WeightAccount({ budget, banAfter: settings.banAfter, banSeconds: settings.banSeconds })
    // one counter, one budget, one ban since 2026-06-30
    const futures = accountOf(Math.min(settings.budgets.um, settings.budgets.cm))
    this.#settings = settings
    this.#archives = archives
    this.#accounts = { spot: accountOf(settings.budgets.spot), um: futures, cm: futures }
    if (archives !== undefined) checkFaultsForFiles(settings.faults)
    this.#exchange = archives ?? new SyntheticExchange(settings, settings.faults)
    this.#faults = new AnswerFaults(settings.faults)
  }

  setFaults(rules: readonly FaultRule[]): void {
    if (this.#archives !== undefined) checkFaultsForFiles(rules)
    this.#exchange = this.#archives ?? new SyntheticExchange(this.#settings, rules)
    this.#faults = new AnswerFaults(rules)
  }

  addWeight(market: RestMarket, weight: number): void {
    this.#accounts[market].add(weight, this.#settings.now())
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const rawUrl = request.url ?? '/'
    const isRedirected = rawUrl.startsWith('/redirected/')
    const url = new URL(isRedirected ? rawUrl.slice('/redirected'.length) : rawUrl, 'http://sandbox')
    const path = decode(url.pathname) + decode(url.search.replaceAll('+', ' '))
    const fault = isRedirected ? undefined : this.#faults.take(path)
    const route = this.#routeOf(request.method ?? 'GET', url, request.headers)
    const right = await route.respond(fault)
    const answer = fault === undefined ? right : spoilAnswer(right, fault, rawUrl, this.#settings.serverTime())
    const isSilent =
      fault !== undefined && ((fault.kind === 'reset' && fault.at !== 'body') || (fault.kind === 'stall' && fault.at === 'headers'))
    this.requests.push({
      kind: route.kind,
      method: request.method ?? 'GET',
      path,
      status: isSilent ? 0 : answer.status,
      atMs: this.#settings.now(),
      ...(route.market === undefined ? {} : { market: route.market }),
      ...(route.weight === undefined ? {} : { weight: route.weight }),
    })
    response.setHeader('server', 'ckvd-sandbox')
    response.setHeader('date', new Date(this.#settings.serverTime()).toUTCString())
    await sendAnswer(response, answer, fault, request.method === 'HEAD')
  }

  #routeOf(method: string, url: URL, headers: IncomingHttpHeaders): Route {
    const path = decode(url.pathname)
    if (method !== 'GET' && method !== 'HEAD')
      return { kind: 'other', respond: () => Promise.resolve(createAnswer(405, 'text/plain', 'Only GET and HEAD.')) }
    if (path === '/listing' || path === '/listing/') return { kind: 'listing', respond: () => this.#list(url.searchParams) }
    if (path.startsWith('/vision/')) {
      return {
        kind: path.endsWith('.CHECKSUM') ? 'checksum' : path.endsWith('.zip') ? 'archive' : 'other',
        respond: () => this.#readObject(path.slice('/vision/'.length), method),
      }
    }
    const market = REST_MARKETS.find((name) => path.startsWith(`/${name}/`))
    if (market !== undefined) return this.#routeRest(market, path.slice(market.length + 1), url.searchParams, asksFine(market, headers))
    return {
      kind: 'other',
      respond: () => Promise.resolve(createAnswer(404, 'text/plain', 'The sandbox serves /vision, /listing, /spot, /um and /cm.')),
    }
  }

  async #list(params: URLSearchParams): Promise<Answer> {
    const maxKeys = params.get('max-keys') ?? '1000'
    if (!/^\d{1,9}$/.test(maxKeys))
      return createAnswer(400, 'application/xml', createS3Error('InvalidArgument', 'max-keys must be an integer from 0.'))
    const query = {
      prefix: params.get('prefix') ?? '',
      marker: params.get('marker') ?? '',
      delimiter: params.get('delimiter') ?? '',
      maxKeys: Number(maxKeys),
    }
    return createAnswer(200, 'application/xml', await createListingPage(this.#exchange, 'data.binance.vision', query))
  }

  async #readObject(key: string, method: string): Promise<Answer> {
    const entry = this.#exchange.find(key)
    const body = entry === undefined ? undefined : method === 'HEAD' ? Buffer.alloc(entry.sizeBytes) : await this.#exchange.read(key)
    if (entry === undefined || body === undefined) return createAnswer(404, 'application/xml', createNoSuchKey(key))
    return createAnswer(200, key.endsWith('.zip') ? 'application/zip' : 'binary/octet-stream', body, {
      etag: `"${await entry.etag()}"`,
      'last-modified': new Date(entry.modifiedMs).toUTCString(),
    })
  }

  #routeRest(market: RestMarket, path: string, params: URLSearchParams, isFine: boolean): Route {
    const { rest } = MARKET_FACTS[market]
    const base = rest.klinesPath.replace('/klines', '')
    const weight =
      pricesAt(market, path) !== undefined
        ? rest.weightOf(rowsAskedFor(market, params))
        : path === `${base}/exchangeInfo`
          ? EXCHANGE_INFO_WEIGHT[market]
          : isOfStatistics(market, path)
            ? 0
            : (ticksAt(market, path)?.weight ?? 1)
    return { kind: 'rest', market, weight, respond: (fault) => this.#answerRest(market, path, params, weight, fault, isFine) }
  }

  async #answerRest(
    market: RestMarket,
    path: string,
    params: URLSearchParams,
    weight: number,
    fault: AnswerFault | undefined,
    isFine: boolean,
  ): Promise<Answer> {
    const nowMs = this.#settings.now()
    const verdict = this.#accounts[market].charge(weight, nowMs)
    const headers = { 'x-mbx-used-weight-1m': String(verdict.usedWeight) }
    const json = (status: number, body: Buffer | string, more: Readonly<Record<string, string>> = {}): Answer =>
      createAnswer(status, 'application/json;charset=UTF-8', body, { ...headers, ...more })
    if (verdict.kind !== 'admitted') {
      const msg =
        verdict.kind === 'limited'
          ? `Too much request weight used; current limit is ${this.#accounts[market].budget} request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.`
          : banText(this.#settings.serverTime() + verdict.retryAfterSeconds * 1000)
      return json(verdict.kind === 'limited' ? 429 : 418, refuse(-1003, msg).body, { 'retry-after': String(verdict.retryAfterSeconds) })
    }
    const base = MARKET_FACTS[market].rest.klinesPath.replace('/klines', '')
    if (path === `${base}/ping`) return json(200, '{}')
    if (path === `${base}/time`) return json(200, JSON.stringify({ serverTime: this.#settings.serverTime() }))
    if (path === `${base}/exchangeInfo`) {
      // only spot takes the name of one symbol
      const symbol = market === 'spot' ? params.get('symbol') : null
      const known = this.#exchange.symbolsOf(market, nowMs)
      const symbols = symbol === null ? withStandIn(market, known) : known.filter((one) => one.symbol === symbol)
      if (symbols.length === 0) return json(400, refuse(-1121, 'Invalid symbol.').body)
      return json(200, createExchangeInfo(market, symbols, this.#settings.serverTime()))
    }
    if (path === MARKET_FACTS[market].funding?.path) {
      const query = parseRatesQuery(market, params, nowMs)
      const rates = isRefusal(query) ? undefined : await this.#exchange.rates(market, query.series.symbol, nowMs)
      const refusal = isRefusal(query) ? query : refuse(-1121, 'Invalid symbol.')
      if (rates === undefined || isRefusal(query)) return json(refusal.status, refusal.body)
      return json(200, createRatesPage(rates, spoilQuery(query, fault, params.has('startTime'), nowMs)))
    }
    if (isOfStatistics(market, path)) {
      const query = parseStatisticsQuery(market, params, nowMs, (series) => this.#exchange.hasSymbol(series))
      if (isRefusal(query)) return json(query.status, query.body)
      return json(200, createStatisticsPage(path, await this.#exchange.statistics(query), query))
    }
    const ticks = ticksAt(market, path)
    if (ticks !== undefined && this.#exchange.ticks !== undefined) {
      const query = parseTicksQuery(market, ticks.dataset, params, nowMs, (series) => this.#exchange.hasSymbol(series))
      if (isRefusal(query)) return json(query.status, query.body)
      const page = await this.#exchange.ticks({ ...query, isFine })
      return page === undefined ? json(400, tooOld('fromId').body) : json(200, page)
    }
    const dataset = pricesAt(market, path)
    if (dataset === undefined) return createAnswer(404, 'text/html', '<html><body><h2>404 Not found</h2></body></html>', headers)
    const query = parseKlinesQuery({ market, dataset }, params, nowMs, (series) => this.#exchange.hasSymbol(series))
    if (isRefusal(query)) return createAnswer(query.status, query.contentType ?? 'application/json;charset=UTF-8', query.body, headers)
    return json(200, await this.#exchange.klines(spoilQuery(query, fault, params.has('startTime'), nowMs)))
  }
}

/** A path as people write it; one that is not well encoded stays as it came. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
