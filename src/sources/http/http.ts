import { gunzip } from 'node:zlib'
import { promisify } from 'node:util'
import { fileShares } from '../../../config/open-files.ts'
import { abortError, CkvdError, isCkvdError, isFailure } from '../../errors.ts'
import { systemCode } from '../../system-errors.ts'
import type { BufferPool } from '../../memory/buffer-pool.ts'
import type { Agents } from './agents.ts'
import type { HttpAnswer, RequestWatch } from './http-exchange.ts'
import { encodingError, encodingOf, HttpExchange, Traffic } from './http-exchange.ts'
import { ServerClock } from './server-clock.ts'
import { statusError } from './status-error.ts'
import { backoffMs, listenAbort, pause } from '../../waiting.ts'

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

/** Longest Retry-After that we sit out inside a request, all its tries together; a longer one ends it. */
export const MAX_RETRY_AFTER_MS = 300_000
/** A request must bring enough in each period of so many idle timeouts (a minute by default). */
const PERIOD_FACTOR = 2
/**
 * A try may last so many idle timeouts (a minute by default), and as long as its largest legal body takes at this rate: a fixed bound
 * would never let a slow line finish a large archive. No try is begun when all of them have taken `TRIES_FACTOR` idle timeouts (five
 * minutes) and twice the body's time.
 */
const LOWEST_BYTES_PER_MS = 4.096
const TRIES_FACTOR = 10
/** Their bytes are digested as they come: an encoding on the way would be one more thing that can expand without a bound. */
const PLAIN_KINDS: ReadonlySet<RequestKind> = new Set(['archive', 'checksum'])
/** Answers of these come from the exchange itself, not from a cache of files that were dated long ago. */
const DATED_KINDS: ReadonlySet<RequestKind> = new Set(['listing', 'rest'])

export interface HttpRequest {
  readonly kind: RequestKind
  readonly signal: AbortSignal
  /** largest legal body in bytes, on the wire and unpacked; the time that a request may take follows from it */
  readonly maxBytes: number
  /** further tries for this request; default: the client's `maxRetries` */
  readonly maxRetries?: number
  /** sent beside those of every request */
  readonly headers?: Readonly<Record<string, string>>
  /** statuses to hand to the caller besides 200 and 404 */
  readonly pass?: (status: number) => boolean
  /** follows each try on its way */
  readonly watch?: RequestWatch
  /** gives the memory for the body, which whoever asks gives back when nobody needs it any more; default: new memory */
  readonly pool?: BufferPool
  /** judges an answer with status 200: what it throws is tried again where its code is retryable, as a 5xx is */
  readonly check?: (answer: HttpAnswer) => void | Promise<void>
}

const gunzipAsync = promisify(gunzip)

/**
 * The one HTTP wrapper: GET with bounded connections, bodies, idle time, speed and total time, retries with back-off and jitter (network
 * errors, 408, 429 with Retry-After, 5xx, bodies of the wrong length, answers that `check` finds no good), and a rate limit.
 *
 * Absent is a value (status 404), failed is a throw: CKVD_HTTP_NETWORK, CKVD_HTTP_TIMEOUT, CKVD_HTTP_TRUNCATED, CKVD_HTTP_TOO_LARGE,
 * CKVD_HTTP_ENCODING, CKVD_HTTP_BUSY, CKVD_HTTP_STATUS, CKVD_FORBIDDEN, CKVD_PROXY, CKVD_CONFIG (of a proxy), CKVD_CLOCK, CKVD_OPEN_FILES, CKVD_ABORTED.
 * Redirects are not followed: an archive host that redirects is a wrong address or a captive portal, and the error says where it pointed.
 */
export class HttpClient {
  /** what the servers' `Date` says of this machine's clock */
  readonly clock = new ServerClock()
  readonly #settings: HttpSettings
  readonly #env: Readonly<Record<string, string | undefined>>
  /** opened by the first request, and anew by the next one where that failed */
  #agents: Promise<Agents> | undefined
  readonly #traffic: Traffic
  readonly #headers: Readonly<Record<string, string>>
  readonly #periodMs: number
  readonly #counts: Record<RequestKind, number> = { listing: 0, archive: 0, checksum: 0, rest: 0 }
  #answers = 0
  #sandboxSeen = false
  #closing: Promise<void> | undefined

  constructor(settings: HttpSettings, env: Readonly<Record<string, string | undefined>>) {
    this.#settings = settings
    this.#env = env
    this.#traffic = new Traffic(settings.maxRateBytes)
    this.#headers = { 'user-agent': settings.userAgent, 'accept-encoding': 'identity' }
    this.#periodMs = settings.idleTimeoutMs * PERIOD_FACTOR
  }

  /** Connections to one host at once, at most. */
  get connections(): number {
    return Math.min(this.#settings.connections, fileShares().connections)
  }

  /** Requests sent so far, retries included. */
  get counts(): Readonly<Record<RequestKind, number>> {
    return { ...this.#counts }
  }

  /** Body bytes received so far. */
  get bytesReceived(): number {
    return this.#traffic.bytes
  }

  /** Of them those that our own rate has let through. */
  get bytesThrough(): number {
    return Math.round(this.#traffic.through)
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
    const { idleTimeoutMs } = this.#settings
    const bodyMs = request.maxBytes / LOWEST_BYTES_PER_MS
    const time = { tryMs: idleTimeoutMs * PERIOD_FACTOR + bodyMs, allMs: idleTimeoutMs * TRIES_FACTOR + 2 * bodyMs, spentMs: 0 }
    let obeyedMs = 0
    this.#agents ??= this.#openAgents()
    const agents = await this.#agents
    for (let attempt = 0; ; attempt++) {
      if (request.signal.aborted) throw abortError(request.signal)
      try {
        return await this.#fetchOnce(url, request, agents, time)
      } catch (error) {
        if (request.signal.aborted) throw abortError(request.signal)
        // files that are open now, of other connections and threads, may be closed soon
        const isWorthIt = error instanceof CkvdError && (error.retryable || error.code === 'CKVD_OPEN_FILES')
        if (!isWorthIt || attempt >= maxRetries || time.spentMs > time.allMs) throw error
        const retryAfterMs = error.details['retryAfterMs']
        const pauseMs = typeof retryAfterMs === 'number' ? retryAfterMs : backoffMs(this.#settings.backoffMs, attempt)
        if (typeof retryAfterMs === 'number') obeyedMs += retryAfterMs
        if (obeyedMs > MAX_RETRY_AFTER_MS) throw error
        request.watch?.onPause?.()
        await pause(pauseMs, request.signal)
      }
    }
  }

  async #fetchOnce(
    url: string,
    request: HttpRequest,
    agents: Agents,
    time: { readonly tryMs: number; spentMs: number },
  ): Promise<HttpAnswer> {
    const { signal, maxBytes, kind, watch, pool } = request
    const { origin, pathname, search } = new URL(url)
    const route = agents.routeTo(origin)
    this.#counts[kind]++
    const exchange = new HttpExchange(
      url,
      { maxBytes, maxMs: time.tryMs, plainOnly: PLAIN_KINDS.has(kind), via: route.via, watch, pool },
      this.#traffic,
    )
    const stopListening = listenAbort(signal, () => exchange.stop(abortError(signal)))
    const clock = setInterval(endPeriod, this.#periodMs, exchange, this.#periodMs)
    const sentMs = Date.now()
    let answer: HttpAnswer
    try {
      route.dispatcher.dispatch(
        { origin, path: pathname + search, method: 'GET', headers: { ...this.#headers, ...request.headers } },
        exchange,
      )
      answer = await exchange.answer
    } catch (error) {
      // a server whose body we refuse has answered
      if (isCkvdError(error, 'CKVD_HTTP_TOO_LARGE', 'CKVD_HTTP_ENCODING')) this.#answers++
      if (exchange.keptBack) this.#counts[kind]--
      throw error
    } finally {
      clearInterval(clock)
      stopListening()
      time.spentMs += exchange.spentMs
      // also where its body is refused, breaks off or never comes: a lake must not take it for the exchange's
      if (exchange.server === 'ckvd-sandbox') this.#sandboxSeen = true
    }
    this.#answers++
    if (DATED_KINDS.has(kind)) this.clock.observe(origin, { headers: answer.headers, sentMs, receivedMs: exchange.answeredMs })
    const { status } = answer
    if (request.pass?.(status) !== true) {
      if (status === 404) return answer
      if (status !== 200) throw statusError(await decodeErrorBody(answer, url, maxBytes), url)
    }
    const plain = await decodeBody(answer, url, maxBytes)
    if (status === 200) await request.check?.(plain)
    return plain
  }

  /** Loads undici, a tenth of a second: what is answered from the lake does without. */
  async #openAgents(): Promise<Agents> {
    try {
      const { Agents: Loaded } = await import('./agents.ts')
      const agents = new Loaded({ connections: this.connections, idleTimeoutMs: this.#settings.idleTimeoutMs, env: this.#env })
      // who asks a client that is closed is refused by its agents
      if (this.#closing !== undefined) await agents.close()
      return agents
    } catch (error) {
      this.#agents = undefined
      throw error
    }
  }

  /** Closes all connections. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // who asked was told why they could not be opened: then there is nothing to close
    const agents = await this.#agents?.catch(() => undefined)
    await agents?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function endPeriod(exchange: HttpExchange, periodMs: number): void {
  exchange.endPeriod(periodMs)
}

/** As `decodeBody`, of an answer that is a failure: what it says is told where it can be read, and its status in any case. */
async function decodeErrorBody(answer: HttpAnswer, url: string, maxBytes: number): Promise<HttpAnswer> {
  try {
    return await decodeBody(answer, url, maxBytes)
  } catch (error) {
    if (!isFailure(error)) throw error
    return answer
  }
}

async function decodeBody(answer: HttpAnswer, url: string, maxBytes: number): Promise<HttpAnswer> {
  const encoding = encodingOf(answer.headers)
  if (encoding === 'identity') return answer
  if (encoding !== 'gzip') throw encodingError(url, encoding)
  try {
    const plain = await gunzipAsync(answer.body, { maxOutputLength: maxBytes })
    return { ...answer, body: new Uint8Array(plain) }
  } catch (cause) {
    if (systemCode(cause) === 'ERR_BUFFER_TOO_LARGE') {
      throw new CkvdError(
        'CKVD_HTTP_TOO_LARGE',
        `Expected at most ${maxBytes.toLocaleString('en-US')} bytes from ${url}, got a gzip body that unpacks to more.`,
        {
          details: { url, maxBytes },
        },
      )
    }
    throw new CkvdError('CKVD_HTTP_TRUNCATED', `Expected a whole gzip body from ${url}, got one that is cut off or damaged.`, {
      details: { url },
      cause,
    })
  }
}
