import type { Market } from '../model/market.ts'
import type { HttpSettings } from '../sources/http.ts'
import { HTTP_DEFAULTS, HttpClient } from '../sources/http.ts'
import { Listing } from '../sources/listing.ts'
import type { BanStore, RestLimiter } from '../sources/rest-limiter.ts'
import { createRestLimiter } from '../sources/rest-limiter.ts'
import { Rest } from '../sources/rest.ts'
import { Vision } from '../sources/vision.ts'

/** Where the five sources are: bases of URLs without a final slash. */
export interface SourceUrls {
  readonly vision: string
  readonly listing: string
  readonly rest: Readonly<Record<Market, string>>
}

export interface ConnectionOptions {
  readonly urls: SourceUrls
  /** downloads at once */
  readonly concurrency: number
  readonly maxRetries: number
  /** bytes a second over all downloads; null: no bound */
  readonly maxRateBytes: number | null
  /** part of each market's weight budget that is spent */
  readonly restShare: number
  /** a clock that runs, epoch ms */
  readonly clockMs: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  readonly bans: BanStore
  /** a seam for fault tests: shorter timeouts and pauses than those of HTTP_DEFAULTS */
  readonly http?: Partial<HttpSettings>
}

/** The sources over one set of connections, with one account of weight a market. */
export interface Connections extends AsyncDisposable {
  readonly urls: SourceUrls
  readonly http: HttpClient
  readonly listing: Listing
  readonly vision: Vision
  readonly limiter: RestLimiter
  readonly rest: Rest
  /** Ends all connections. Idempotent. */
  close(): Promise<void>
}

/** The HTTP client of a run or of a library's client. */
export function createHttp(options: Pick<ConnectionOptions, 'concurrency' | 'maxRetries' | 'maxRateBytes' | 'env' | 'http'>): HttpClient {
  const { concurrency, maxRetries, maxRateBytes, http } = options
  const connections = Math.max(4, concurrency)
  return new HttpClient(
    { ...HTTP_DEFAULTS, connections, maxRetries, ...(maxRateBytes === null ? {} : { maxRateBytes }), ...http },
    options.env,
  )
}

/** Opens nothing yet: connections are made when they are needed. */
export function createConnections(options: ConnectionOptions): Connections {
  const { urls, maxRetries, clockMs } = options
  const http = createHttp(options)
  const limiter = createRestLimiter({ share: options.restShare, nowMs: clockMs, bans: options.bans })
  const close = (): Promise<void> => http.close()
  return {
    urls,
    http,
    listing: new Listing(http, urls.listing),
    vision: new Vision(http, urls.vision),
    limiter,
    rest: new Rest(http, { urls: urls.rest, limiter, nowMs: () => http.clock.notAfter(clockMs()), maxRetries }),
    close,
    [Symbol.asyncDispose]: close,
  }
}
