import type { Dispatcher } from 'undici'
import type { BufferPool } from '../codec/buffer-pool.ts'
import { copyBytes } from '../codec/copy-bytes.ts'
import type { ErrorCode } from '../errors.ts'
import { CkvdError } from '../errors.ts'

export interface HttpAnswer {
  readonly status: number
  /** lower-case names */
  readonly headers: Readonly<Record<string, string>>
  /** whole body, at the start of a buffer of its own; a shared one where the request gave `buffers` */
  readonly body: Uint8Array
}

/** A request must bring this many bytes a second in each period, so that a slow drip ends too. */
const MIN_BYTES_PER_SECOND = 1024

/** Errors of a connection or a server that may pass: worth another try. */
const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])
const TRUNCATIONS = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'HPE_INVALID_EOF_STATE'])

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

/**
 * One request on its way, as undici's handler of it: collects the body, into one buffer where the server states its length, and may
 * be stopped from outside at any moment, also before its connection is there. `answer` has any status; it rejects with
 * CKVD_HTTP_NETWORK, CKVD_HTTP_TIMEOUT, CKVD_HTTP_TRUNCATED, CKVD_HTTP_TOO_LARGE or the reason of `stop`.
 *
 * A class with methods, not an object of functions made for each request: V8 forgets what it compiled of those at each collection.
 */
export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<HttpAnswer>
  readonly #url: string
  readonly #maxBytes: number
  readonly #buffers: BufferPool | undefined
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
  /** body bytes of the current period, and until when our own rate limit holds the next ones up */
  #received = 0
  #heldUntilMs = -Infinity

  constructor(url: string, o: { readonly maxBytes: number; readonly buffers?: BufferPool | undefined }, traffic: Traffic) {
    this.#url = url
    this.#maxBytes = o.maxBytes
    this.#buffers = o.buffers
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

  /** To be called after each period: stops a request that brought too little in it, unless our own rate limit is why. */
  endPeriod(periodMs: number): void {
    const held = this.#heldUntilMs > performance.now() - periodMs
    const enough = this.#received >= (MIN_BYTES_PER_SECOND * periodMs) / 1000
    this.#received = 0
    if (held || enough) return
    const message = `Fewer than ${MIN_BYTES_PER_SECOND} bytes a second came from ${this.#url} in ${periodMs / 1000} s.`
    this.stop(new CkvdError('CKVD_HTTP_TIMEOUT', message, { details: { url: this.#url } }))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#reason !== undefined) controller.abort(this.#reason)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status
    for (const name of Object.keys(headers)) {
      const value = headers[name]
      if (value !== undefined) this.#headers[name] = Array.isArray(value) ? value.join(', ') : value
    }
    const declared = this.#headers['content-length']
    this.#declared = declared !== undefined && /^\d+$/.test(declared) ? Number(declared) : undefined
    if ((this.#declared ?? 0) > this.#maxBytes) return this.stop(this.#tooLarge(this.#declared ?? 0))
    // what is not written of it is not given out
    if (this.#declared !== undefined && this.#buffers !== undefined) this.#body = this.#buffers.take(this.#declared)
    else this.#body = new Uint8Array(this.#declared ?? 16_384)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#received += chunk.length
    const needed = this.#length + chunk.length
    const heldMs = this.#traffic.take(chunk.length, controller)
    if (heldMs > 0) this.#heldUntilMs = performance.now() + heldMs
    if (needed > this.#maxBytes) return this.stop(this.#tooLarge(needed))
    if (needed > this.#body.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, this.#body.length * 2)))
      larger.set(this.#body.subarray(0, this.#length))
      this.#body = larger
    }
    copyBytes(this.#body, this.#length, chunk)
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
    this.#reject(this.#reason ?? networkError(error, this.#url))
  }

  #tooLarge(found: number): CkvdError {
    return new CkvdError('CKVD_HTTP_TOO_LARGE', `Expected at most ${this.#maxBytes} bytes from ${this.#url}, got ${found}.`, {
      details: { url: this.#url, maxBytes: this.#maxBytes, found },
    })
  }
}

function networkError(error: Error, url: string): CkvdError {
  if (error instanceof CkvdError) return error
  const cause: unknown = 'cause' in error && error.cause instanceof Error ? error.cause : error
  const reason = codeOf(error) ?? codeOf(cause) ?? error.message
  const code: ErrorCode = TIMEOUTS.has(reason) ? 'CKVD_HTTP_TIMEOUT' : TRUNCATIONS.has(reason) ? 'CKVD_HTTP_TRUNCATED' : 'CKVD_HTTP_NETWORK'
  return new CkvdError(code, `Request to ${url} failed: ${reason}.`, { details: { url, reason }, cause: error })
}

/** The code of an error of Node or undici. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
