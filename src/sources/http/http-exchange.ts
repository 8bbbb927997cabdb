import type { Dispatcher } from 'undici'
import { CkvdError } from '../../errors.ts'
import type { BufferPool } from '../../memory/buffer-pool.ts'
import { networkError } from './network-error.ts'

export interface HttpAnswer {
  readonly status: number
  /** lower-case names */
  readonly headers: Readonly<Record<string, string>>
  /** whole body, at the start of a buffer of its own */
  readonly body: Uint8Array
}

/** A request must bring this many bytes a second in each period, so that a slow drip ends too. */
const MIN_BYTES_PER_SECOND = 1024
/** What a body that is no answer (status other than 200) may bring: an error's text is cut there, not refused. */
const MAX_ERROR_BYTES = 64 * 1024

/** Counts the body bytes of all downloads and keeps them to a rate: a connection that overdraws it is paused until the debt is paid. */
export class Traffic {
  /** received so far */
  bytes = 0
  readonly #bytesPerMs: number
  #paidUntilMs = 0

  /** @param maxRateBytes bytes a second; undefined: no bound */
  constructor(maxRateBytes: number | undefined) {
    this.#bytesPerMs = (maxRateBytes ?? Infinity) / 1000
  }

  /** Of the bytes received those that the rate has let through: what is held up has come, but is not handed on yet. */
  get through(): number {
    if (this.#bytesPerMs === Infinity) return this.bytes
    return this.bytes - Math.max(0, this.#paidUntilMs - performance.now()) * this.#bytesPerMs
  }

  /** Books the bytes; returns for how many milliseconds the connection is paused for them. */
  take(bytes: number, controller: Dispatcher.DispatchController): number {
    this.bytes += bytes
    if (this.#bytesPerMs === Infinity) return 0
    const now = performance.now()
    this.#paidUntilMs = Math.max(this.#paidUntilMs, now) + bytes / this.#bytesPerMs
    const debtMs = this.#paidUntilMs - now
    if (debtMs < 5) return 0
    controller.pause()
    setTimeout(() => controller.resume(), debtMs)
    return debtMs
  }
}

/** Who follows a request on its way. */
export interface RequestWatch {
  /** Called in the moment before the request goes out, when it has a connection; what it throws keeps it from going out, and is thrown on. */
  onSend(): void
  /** Called with status and headers as soon as they are there, before the body, which may never come. */
  onStatus(status: number, headers: Readonly<Record<string, string>>): void
  /** Called when the request was given up, or its connection did not come about or broke. */
  onFailure?(): void
  /** Called before the pause after which it is sent again. */
  onPause?(): void
}

export interface ExchangeOptions {
  /** largest legal body in bytes, as it comes over the wire */
  readonly maxBytes: number
  /** longest time from the first byte sent to the last one received, ms; what our own rate limit holds up is not counted */
  readonly maxMs: number
  /** true: a body with a content-encoding is refused before a byte of it is read */
  readonly plainOnly: boolean
  /** names the proxy on the way; undefined: none */
  readonly via?: string | undefined
  readonly watch?: RequestWatch | undefined
  /** gives the memory for the body; default: new memory */
  readonly pool?: BufferPool | undefined
}

/**
 * One request on its way, as undici's handler of it: collects the body, into one buffer where the server states its length, and may
 * be stopped from outside at any moment, also before its connection is there. `answer` has any status; it rejects with
 * CKVD_HTTP_NETWORK, CKVD_HTTP_TIMEOUT, CKVD_HTTP_TRUNCATED, CKVD_HTTP_TOO_LARGE, CKVD_HTTP_ENCODING, CKVD_PROXY or the reason of `stop`.
 *
 * A class with methods, not an object of functions made for each request: V8 forgets what it compiled of those at each collection.
 */
export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<HttpAnswer>
  readonly #url: string
  readonly #options: ExchangeOptions
  readonly #traffic: Traffic
  #resolve!: (answer: HttpAnswer) => void
  #reject!: (error: Error) => void
  #controller: Dispatcher.DispatchController | undefined
  #reason: Error | undefined
  #status = 0
  #headers: Record<string, string> = {}
  #declared: number | undefined
  #body: Uint8Array = new Uint8Array(0)
  #length = 0
  /** body bytes of the current period, until when our own rate limit holds the next ones up, and for how long it has */
  #received = 0
  #heldUntilMs = -Infinity
  #heldMs = 0
  /** when it got its connection; before that it waits for one, which is not the server's fault */
  #startedMs: number | undefined
  /** the system's clock when the headers came, epoch ms */
  answeredMs = 0
  /** its watch has kept it from going out */
  keptBack = false

  constructor(url: string, options: ExchangeOptions, traffic: Traffic) {
    this.#url = url
    this.#options = options
    this.#traffic = traffic
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Gives the request up for this reason. */
  stop(reason: Error): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#controller?.abort(reason)
    this.#reject(reason)
  }

  /** What the answer's header `server` says; undefined: nothing, or no answer yet. */
  get server(): string | undefined {
    return this.#headers['server']
  }

  /** Milliseconds since it got its connection, without those in which our own rate limit held it up. */
  get spentMs(): number {
    return this.#startedMs === undefined ? 0 : Math.max(0, performance.now() - this.#startedMs - this.#heldMs)
  }

  /** To be called after each period: stops a request that brought too little in it, or takes too long, unless our own rate limit is why. */
  endPeriod(periodMs: number): void {
    const now = performance.now()
    if (this.#startedMs === undefined || now - this.#startedMs < periodMs) return
    const held = this.#heldUntilMs > now - periodMs
    const enough = this.#received >= (MIN_BYTES_PER_SECOND * periodMs) / 1000
    this.#received = 0
    if (held) return
    const { maxMs } = this.#options
    if (!enough)
      this.#giveUp(`Expected ${MIN_BYTES_PER_SECOND} bytes a second or more from ${this.#url}, got fewer for ${periodMs / 1000} s.`)
    else if (this.spentMs > maxMs) this.#giveUp(`Expected ${this.#url} to be done within ${Math.round(maxMs / 1000)} s, it goes on.`)
  }

  #giveUp(message: string): void {
    this.stop(new CkvdError('CKVD_HTTP_TIMEOUT', message, { details: { url: this.#url } }))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#startedMs = performance.now()
    this.#controller = controller
    if (this.#reason !== undefined) return controller.abort(this.#reason)
    try {
      this.#options.watch?.onSend()
    } catch (error) {
      this.keptBack = true
      this.stop(error instanceof Error ? error : new Error(String(error)))
    }
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // what a server says beforehand (103) is no answer, and no header of one
    if (status < 200) return
    this.#status = status
    for (const name of Object.keys(headers)) {
      const value = headers[name]
      if (value !== undefined) this.#headers[name] = Array.isArray(value) ? value.join(', ') : value
    }
    this.answeredMs = Date.now()
    this.#options.watch?.onStatus(status, this.#headers)
    const encoding = encodingOf(this.#headers)
    if (this.#options.plainOnly && status === 200 && encoding !== 'identity') return this.stop(encodingError(this.#url, encoding))
    const declared = this.#headers['content-length']
    this.#declared = declared !== undefined && /^\d+$/.test(declared) ? Number(declared) : undefined
    const expected = this.#declared ?? 0
    if (expected > this.#options.maxBytes && status === 200) return this.stop(this.#tooLarge(expected))
    const sizeBytes = Math.min(this.#limit, this.#declared ?? 16_384)
    this.#body = this.#options.pool?.take(sizeBytes) ?? new Uint8Array(sizeBytes)
  }

  get #limit(): number {
    const { maxBytes } = this.#options
    return this.#status === 200 ? maxBytes : Math.max(maxBytes, MAX_ERROR_BYTES)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#reason !== undefined) return
    this.#received += chunk.length
    const limit = this.#limit
    const needed = this.#length + chunk.length
    const heldMs = this.#traffic.take(chunk.length, controller)
    if (heldMs > 0) {
      this.#heldUntilMs = performance.now() + heldMs
      this.#heldMs += heldMs
    }
    if (needed > limit) {
      const error = this.#tooLarge(needed)
      if (this.#status !== 200) this.#resolve({ status: this.#status, headers: this.#headers, body: this.#body.slice(0, this.#length) })
      return this.stop(error)
    }
    if (needed > this.#body.length) {
      const larger = new Uint8Array(Math.min(limit, Math.max(needed, this.#body.length * 2)))
      larger.set(this.#body.subarray(0, this.#length))
      this.#body = larger
    }
    this.#body.set(chunk, this.#length)
    this.#length = needed
  }

  onResponseEnd(): void {
    if (this.#declared !== undefined && this.#length !== this.#declared) {
      const message = `Expected ${this.#declared} bytes from ${this.#url}, got ${this.#length}.`
      const details = { url: this.#url, expected: this.#declared, found: this.#length }
      return this.#reject(new CkvdError('CKVD_HTTP_TRUNCATED', message, { details }))
    }
    const body = this.#length === this.#body.length ? this.#body : this.#body.slice(0, this.#length)
    this.#resolve({ status: this.#status, headers: this.#headers, body })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#options.watch?.onFailure?.()
    this.#reject(this.#reason ?? networkError(error, this.#url, this.#options.via))
  }

  #tooLarge(found: number): CkvdError {
    const { maxBytes } = this.#options
    const [most, got] = [maxBytes, found].map((bytes) => bytes.toLocaleString('en-US'))
    return new CkvdError('CKVD_HTTP_TOO_LARGE', `Expected at most ${most} bytes from ${this.#url}, got ${got} or more.`, {
      details: { url: this.#url, maxBytes, found },
    })
  }
}

/** The content-encoding in small letters; `identity` where there is none. */
export function encodingOf(headers: Readonly<Record<string, string>>): string {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  return encoding === '' ? 'identity' : encoding
}

/** A body in an encoding that nobody asked for. */
export function encodingError(url: string, encoding: string): CkvdError {
  const found = encoding.slice(0, 40)
  return new CkvdError(
    'CKVD_HTTP_ENCODING',
    `Expected an unencoded body from ${url}, got content-encoding ${found}: something between changes bodies. Check the proxy.`,
    { details: { url, encoding: found } },
  )
}
