import { setMaxListeners } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { gunzip } from 'node:zlib'
import { promisify } from 'node:util'
import type { Dispatcher } from 'undici'
import { Agent, EnvHttpProxyAgent } from 'undici'
import type { ErrorCode } from '../errors.ts'
import type { BufferPool } from '../codec/buffer-pool.ts'
import { copyBytes } from '../codec/copy-bytes.ts'
import { abortError, CkvdError } from '../errors.ts'

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
const MAX_BACKOFF_MS = 30_000
/**
 * In each period of this many idle timeouts a request must bring this many bytes a second, so that a slow drip ends too.
 * A bound of its whole duration would never let a slow line finish a large archive.
 */
const PERIOD_FACTOR = 20
const MIN_BYTES_PER_SECOND = 1024

export interface HttpAnswer {
  readonly status: number
  /** lower-case names */
  readonly headers: Readonly<Record<string, string>>
  /** whole body, at the start of a buffer of its own; a shared one where the request gave `buffers` */
  readonly body: Uint8Array
}

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

/** Errors of a connection or a server that may pass: worth another try. */
const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])
const TRUNCATIONS = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'HPE_INVALID_EOF_STATE'])

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
  readonly #rate: RateLimit | undefined
  readonly #counts: Record<RequestKind, number> = { listing: 0, archive: 0, checksum: 0, rest: 0 }
  #bytes = 0
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
    this.#rate = settings.maxRateBytes === undefined ? undefined : new RateLimit(settings.maxRateBytes)
  }

  /** Requests sent so far, retries included. */
  get counts(): Readonly<Record<RequestKind, number>> {
    return { ...this.#counts }
  }

  /** Body bytes received so far. */
  get bytesReceived(): number {
    return this.#bytes
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
    const answer = await this.#dispatch(url, request)
    this.#answers++
    if (answer.headers['server'] === 'ckvd-sandbox') this.#sandboxSeen = true
    const { status } = answer
    if (status === 200 || status === 404 || request.pass?.(status)) return decodeBody(answer, url, request.maxBytes)
    throw statusError(answer, url)
  }

  #dispatch(url: string, request: HttpRequest): Promise<HttpAnswer> {
    const { signal } = request
    const exchange = new Exchange()
    const stopListening = listenAbort(signal, () => exchange.stop(abortError(signal)))
    const periodMs = this.#settings.idleTimeoutMs * PERIOD_FACTOR
    const drip = setInterval(() => {
      const held = exchange.heldUntilMs > performance.now() - periodMs
      const enough = exchange.received >= (MIN_BYTES_PER_SECOND * periodMs) / 1000
      exchange.received = 0
      if (held || enough) return
      const message = `Fewer than ${MIN_BYTES_PER_SECOND} bytes a second came from ${url} in ${periodMs / 1000} s.`
      exchange.stop(new CkvdError('CKVD_HTTP_TIMEOUT', message, { details: { url } }))
    }, periodMs)
    const promise = new Promise<HttpAnswer>((resolve, reject) => {
      exchange.onStop = reject
      this.#send(url, request, exchange, resolve, reject)
    })
    return promise.finally(() => {
      clearInterval(drip)
      stopListening()
    })
  }

  #send(
    url: string,
    request: HttpRequest,
    exchange: Exchange,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: Error) => void,
  ): void {
    const target = new URL(url)
    const sink = new BodySink(url, request.maxBytes, request.buffers)
    this.#agent.dispatch(
      {
        origin: target.origin,
        path: target.pathname + target.search,
        method: 'GET',
        headers: { 'user-agent': this.#settings.userAgent, 'accept-encoding': 'identity' },
      },
      {
        onRequestStart: (controller) => exchange.start(controller),
        onResponseStart: (_controller, status, headers) => {
          const error = sink.start(status, headers)
          if (error !== undefined) exchange.stop(error)
        },
        onResponseData: (controller, chunk) => {
          this.#bytes += chunk.length
          exchange.received += chunk.length
          const error = sink.write(chunk)
          if (error !== undefined) return exchange.stop(error)
          const heldMs = this.#rate?.take(chunk.length, controller) ?? 0
          if (heldMs > 0) exchange.heldUntilMs = performance.now() + heldMs
        },
        onResponseEnd: () => {
          const answer = sink.end()
          if (answer instanceof CkvdError) reject(answer)
          else resolve(answer)
        },
        onResponseError: (_controller, error) => reject(exchange.reason ?? networkError(error, url)),
      },
    )
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

/** The state of one request that may be stopped from outside at any moment, also before its connection is there. */
class Exchange {
  reason: Error | undefined
  /** body bytes of the current period, and until when our own rate limit holds the next ones up */
  received = 0
  heldUntilMs = -Infinity
  onStop: ((reason: Error) => void) | undefined
  #controller: Dispatcher.DispatchController | undefined

  start(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.reason !== undefined) controller.abort(this.reason)
  }

  stop(reason: Error): void {
    if (this.reason !== undefined) return
    this.reason = reason
    this.#controller?.abort(reason)
    this.onStop?.(reason)
  }
}

/** Collects a body, into one buffer of content-length where the server states it. */
class BodySink {
  readonly #url: string
  readonly #maxBytes: number
  #status = 0
  #headers: Record<string, string> = {}
  #declared: number | undefined
  #buffer: Uint8Array = new Uint8Array(0)
  #length = 0
  readonly #buffers: BufferPool | undefined

  constructor(url: string, maxBytes: number, buffers: BufferPool | undefined) {
    this.#url = url
    this.#maxBytes = maxBytes
    this.#buffers = buffers
  }

  start(status: number, headers: Record<string, string | string[] | undefined>): CkvdError | undefined {
    this.#status = status
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.#headers[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
    }
    const declared = this.#headers['content-length']
    this.#declared = declared !== undefined && /^\d+$/.test(declared) ? Number(declared) : undefined
    if ((this.#declared ?? 0) > this.#maxBytes) return this.#tooLarge(this.#declared ?? 0)
    // what is not written of it is not given out
    if (this.#declared !== undefined && this.#buffers !== undefined) this.#buffer = this.#buffers.take(this.#declared)
    else this.#buffer = new Uint8Array(this.#declared ?? 16_384)
    return undefined
  }

  write(chunk: Uint8Array): CkvdError | undefined {
    const needed = this.#length + chunk.length
    if (needed > this.#maxBytes) return this.#tooLarge(needed)
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, this.#buffer.length * 2)))
      larger.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = larger
    }
    copyBytes(this.#buffer, this.#length, chunk)
    this.#length = needed
    return undefined
  }

  end(): HttpAnswer | CkvdError {
    if (this.#declared !== undefined && this.#length !== this.#declared) {
      return new CkvdError('CKVD_HTTP_TRUNCATED', `Expected ${this.#declared} bytes from ${this.#url}, got ${this.#length}.`, {
        details: { url: this.#url, expected: this.#declared, found: this.#length },
      })
    }
    const body = this.#length === this.#buffer.length ? this.#buffer : this.#buffer.slice(0, this.#length)
    return { status: this.#status, headers: this.#headers, body }
  }

  #tooLarge(found: number): CkvdError {
    return new CkvdError('CKVD_HTTP_TOO_LARGE', `Expected at most ${this.#maxBytes} bytes from ${this.#url}, got ${found}.`, {
      details: { url: this.#url, maxBytes: this.#maxBytes, found },
    })
  }
}

/** A token bucket over all downloads: a connection that overdraws it is paused until the debt is paid. */
class RateLimit {
  readonly #bytesPerMs: number
  #paidUntilMs = 0

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000
  }

  /** Books the bytes; returns for how many milliseconds the connection is paused for them. */
  take(bytes: number, controller: Dispatcher.DispatchController): number {
    const now = performance.now()
    this.#paidUntilMs = Math.max(this.#paidUntilMs, now) + bytes / this.#bytesPerMs
    const debtMs = this.#paidUntilMs - now
    if (debtMs < 5) return 0
    controller.pause()
    setTimeout(() => controller.resume(), debtMs)
    return debtMs
  }
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
    const retryAfter = headers['retry-after']
    const seconds = retryAfter !== undefined && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined
    return new CkvdError('CKVD_HTTP_BUSY', `${url} answered ${status}.`, {
      details: seconds === undefined ? details : { ...details, retryAfterMs: seconds * 1000 },
    })
  }
  const location = headers['location']
  const hint = location === undefined ? '' : ` and pointed to ${location}; set the URL of that source if this is meant`
  return new CkvdError('CKVD_HTTP_STATUS', `Expected status 200 from ${url}, got ${status}${hint}.`, { details })
}

function networkError(error: Error, url: string): CkvdError {
  if (error instanceof CkvdError) return error
  const cause: unknown = 'cause' in error && error.cause instanceof Error ? error.cause : error
  const reason = codeOf(error) ?? codeOf(cause) ?? error.message
  const code: ErrorCode = TIMEOUTS.has(reason) ? 'CKVD_HTTP_TIMEOUT' : TRUNCATIONS.has(reason) ? 'CKVD_HTTP_TRUNCATED' : 'CKVD_HTTP_NETWORK'
  return new CkvdError(code, `Request to ${url} failed: ${reason}.`, { details: { url, reason }, cause: error })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Who listens to a signal through its one listener. */
const abortListeners = new WeakMap<AbortSignal, AbortListeners>()

class AbortListeners {
  readonly #signal: AbortSignal
  readonly #all = new Set<() => void>()
  readonly #call = (): void => this.#all.forEach((each) => each())

  constructor(signal: AbortSignal) {
    this.#signal = signal
    // pauses listen by themselves: many at once are no leak, and Node's warning about them would only worry users
    setMaxListeners(0, signal)
  }

  add(listener: () => void): void {
    if (this.#all.size === 0) this.#signal.addEventListener('abort', this.#call, { once: true })
    this.#all.add(listener)
  }

  delete(listener: () => void): void {
    if (this.#all.delete(listener) && this.#all.size === 0) this.#signal.removeEventListener('abort', this.#call)
  }
}

/**
 * Calls `listener` when the signal is aborted; the returned function stops listening. One signal serves a whole run, and an
 * event target compares each listener that comes or goes with all others: so it gets one, which knows the rest. It is removed
 * with the last of them, since Node keeps a signal that depends on others alive as long as it has a listener.
 */
export function listenAbort(signal: AbortSignal, listener: () => void): () => void {
  let listeners = abortListeners.get(signal)
  if (listeners === undefined) abortListeners.set(signal, (listeners = new AbortListeners(signal)))
  const own = (): void => listener() // the same function may listen twice
  listeners.add(own)
  return () => listeners.delete(own)
}

/** Pause after try number `attempt` (from 0) in milliseconds: doubles from `firstMs`, with jitter. */
export function backoffMs(firstMs: number, attempt: number): number {
  const ceiling = Math.min(MAX_BACKOFF_MS, firstMs * 2 ** attempt)
  return ceiling * (0.5 + Math.random() / 2)
}

/** Waits, or throws the signal's reason as CKVD_ABORTED as soon as it is aborted. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(delayMs, undefined, { signal })
  } catch (error) {
    if (signal.aborted) throw abortError(signal)
    throw error
  }
}
