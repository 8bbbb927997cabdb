import { gunzip } from 'node:zlib'
import { promisify } from 'node:util'
import type { Dispatcher } from 'undici'
import { Agent, EnvHttpProxyAgent } from 'undici'
import type { BufferPool } from '../codec/buffer-pool.ts'
import { abortError, CkvdError } from '../errors.ts'
import type { HttpAnswer } from './http-exchange.ts'
import { codeOf, HttpExchange, Traffic } from './http-exchange.ts'
import { parseRetryAfter } from './retry-after.ts'
import { backoffMs, listenAbort, pause } from './waiting.ts'

/** What a request is for: the summary counts requests by kind. */
export type RequestKind = 'listing' | 'archive' | 'checksum' | 'rest'

export interface HttpSettings {
  /** connections to one host at once */
  readonly connections: number
  /** further tries after the first, for failures that may pass */
  readonly maxRetries: number
  /** milliseconds without a byte after which a request is given up */
  readonly idleTimeoutMs: number
  /** first pause between tries in milliseconds; doubles each time, with jitter */
  readonly backoffMs: number
  /** bytes a second over all downloads; undefined: no bound */
  readonly maxRateBytes?: number
  /** `name/version`, sent as user agent */
  readonly userAgent: string
}

export const HTTP_DEFAULTS: HttpSettings = {
  connections: 32,
  maxRetries: 5,
  idleTimeoutMs: 30_000,
  backoffMs: 250,
  userAgent: 'crypto-kline-vision-data',
}

/** Longest Retry-After that we sit out inside a request; a longer one ends it. */
export const MAX_RETRY_AFTER_MS = 300_000
/** A request must bring enough in each period of so many idle timeouts: a bound of its whole duration would never let a slow line finish a large archive. */
const PERIOD_FACTOR = 20

export interface HttpRequest {
  readonly kind: RequestKind
  readonly signal: AbortSignal
  /** largest legal body in bytes */
  readonly maxBytes: number
  /** further tries for this request; default: the client's `maxRetries` */
  readonly maxRetries?: number
  /** memory for the body; default: new memory */
  readonly buffers?: BufferPool | undefined
  /** statuses to hand to the caller besides 200 and 404 */
  readonly pass?: (status: number) => boolean
}

const gunzipAsync = promisify(gunzip)

/**
 * The one HTTP wrapper: GET with bounded connections, idle timeout, lowest speed, retries with back-off and jitter
 * (network errors, 408, 429 with Retry-After, 5xx, bodies of the wrong length), and a rate limit.
 *
 * Absent is a value (status 404), failed is a throw: CKVD_HTTP_NETWORK, CKVD_HTTP_TIMEOUT, CKVD_HTTP_TRUNCATED,
 * CKVD_HTTP_TOO_LARGE, CKVD_HTTP_BUSY, CKVD_HTTP_STATUS, CKVD_FORBIDDEN, CKVD_ABORTED. Redirects are not followed: an
 * archive host that redirects is a wrong address or a captive portal, and the error says where it pointed.
 */
export class HttpClient {
  readonly #settings: HttpSettings
  readonly #agent: Dispatcher
  readonly #traffic: Traffic
  readonly #headers: Readonly<Record<string, string>>
  readonly #periodMs: number
  readonly #counts: Record<RequestKind, number> = { listing: 0, archive: 0, checksum: 0, rest: 0 }
  #answers = 0
  #sandboxSeen = false
  #closing: Promise<void> | undefined

  constructor(settings: HttpSettings, env: Readonly<Record<string, string | undefined>>) {
    this.#settings = settings
    const options = {
      connections: settings.connections,
      pipelining: 1,
      headersTimeout: settings.idleTimeoutMs,
      bodyTimeout: settings.idleTimeoutMs,
      connect: { timeout: settings.idleTimeoutMs },
      keepAliveTimeout: 10_000,
    }
    const proxy = readProxy(env)
    this.#agent = proxy === undefined ? new Agent(options) : new EnvHttpProxyAgent({ ...options, ...proxy })
    this.#traffic = new Traffic(settings.maxRateBytes)
    this.#headers = { 'user-agent': settings.userAgent, 'accept-encoding': 'identity' }
    this.#periodMs = settings.idleTimeoutMs * PERIOD_FACTOR
  }

  /** Requests sent so far, retries included. */
  get counts(): Readonly<Record<RequestKind, number>> {
    return { ...this.#counts }
  }

  /** Body bytes received so far. */
  get bytesReceived(): number {
    return this.#traffic.bytes
  }

  /** True once any server has answered: tells a dead network from one bad address. */
  get reached(): boolean {
    return this.#answers > 0
  }

  /** True once an answer came from a sandbox exchange (its `server` header says so). */
  get sandboxSeen(): boolean {
    return this.#sandboxSeen
  }

  /** GETs a URL. See the class for retries and errors. */
  async fetch(url: string, request: HttpRequest): Promise<HttpAnswer> {
    const maxRetries = request.maxRetries ?? this.#settings.maxRetries
    for (let attempt = 0; ; attempt++) {
      if (request.signal.aborted) throw abortError(request.signal)
      try {
        return await this.#fetchOnce(url, request)
      } catch (error) {
        if (request.signal.aborted) throw abortError(request.signal)
        if (!(error instanceof CkvdError) || !error.retryable || attempt >= maxRetries) throw error
        const retryAfterMs = error.details['retryAfterMs']
        const pauseMs = typeof retryAfterMs === 'number' ? retryAfterMs : backoffMs(this.#settings.backoffMs, attempt)
        if (pauseMs > MAX_RETRY_AFTER_MS) throw error
        await pause(pauseMs, request.signal)
      }
    }
  }

  async #fetchOnce(url: string, request: HttpRequest): Promise<HttpAnswer> {
    this.#counts[request.kind]++
    const { signal } = request
    const exchange = new HttpExchange(url, request, this.#traffic)
    const stopListening = listenAbort(signal, () => exchange.stop(abortError(signal)))
    const watch = setInterval(endPeriod, this.#periodMs, exchange, this.#periodMs)
    let answer: HttpAnswer
    try {
      const { origin, pathname, search } = new URL(url)
      this.#agent.dispatch({ origin, path: pathname + search, method: 'GET', headers: this.#headers }, exchange)
      answer = await exchange.answer
    } finally {
      clearInterval(watch)
      stopListening()
    }
    this.#answers++
    if (answer.headers['server'] === 'ckvd-sandbox') this.#sandboxSeen = true
    const { status } = answer
    if (status === 200 || status === 404 || request.pass?.(status)) return decodeBody(answer, url, request.maxBytes)
    throw statusError(answer, url)
  }

  /** Closes all connections. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#agent.destroy()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function endPeriod(exchange: HttpExchange, periodMs: number): void {
  exchange.endPeriod(periodMs)
}

/** The proxies of an environment, never for this machine itself (the sandbox exchange); undefined when there are none. */
function readProxy(
  env: Readonly<Record<string, string | undefined>>,
): { httpProxy: string; httpsProxy: string; noProxy: string } | undefined {
  // an empty string, not undefined, keeps undici from reading process.env instead of `env`
  const httpProxy = env['http_proxy'] ?? env['HTTP_PROXY'] ?? ''
  const httpsProxy = env['https_proxy'] ?? env['HTTPS_PROXY'] ?? ''
  const noProxy = (env['no_proxy'] ?? env['NO_PROXY'] ?? '').trim()
  if ((httpProxy === '' && httpsProxy === '') || noProxy === '*') return undefined
  return { httpProxy, httpsProxy, noProxy: `${noProxy},localhost,127.0.0.1,[::1]` }
}

async function decodeBody(answer: HttpAnswer, url: string, maxBytes: number): Promise<HttpAnswer> {
  const encoding = answer.headers['content-encoding'] ?? 'identity'
  if (encoding === 'identity') return answer
  if (encoding !== 'gzip') {
    throw new CkvdError('CKVD_HTTP_STATUS', `Expected an unencoded body from ${url}, got content-encoding ${encoding}.`, {
      details: { url, encoding },
    })
  }
  try {
    const plain = await gunzipAsync(answer.body, { maxOutputLength: maxBytes })
    return { ...answer, body: new Uint8Array(plain) }
  } catch (cause) {
    if (codeOf(cause) === 'ERR_BUFFER_TOO_LARGE') {
      throw new CkvdError('CKVD_HTTP_TOO_LARGE', `Expected at most ${maxBytes} bytes from ${url}, its gzip body unpacks to more.`, {
        details: { url, maxBytes },
      })
    }
    throw new CkvdError('CKVD_HTTP_TRUNCATED', `The gzip body from ${url} is damaged.`, { details: { url }, cause })
  }
}

function statusError(answer: HttpAnswer, url: string): CkvdError {
  const { status, headers } = answer
  const text = new TextDecoder().decode(answer.body.subarray(0, 200))
  const details = { url, status, body: text }
  if (status === 403 || status === 451) {
    return new CkvdError('CKVD_FORBIDDEN', `${url} answered ${status}: the server refuses this address (a firewall or a country rule).`, {
      details,
    })
  }
  if (status === 408 || status === 429 || status >= 500) {
    const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now())
    return new CkvdError('CKVD_HTTP_BUSY', `${url} answered ${status}.`, {
      details: retryAfterMs === undefined ? details : { ...details, retryAfterMs },
    })
  }
  const location = headers['location']
  const hint = location === undefined ? '' : ` and pointed to ${location}; set the URL of that source if this is meant`
  return new CkvdError('CKVD_HTTP_STATUS', `Expected status 200 from ${url}, got ${status}${hint}.`, { details })
}
