import type { SourceUrls } from '../../config/source-urls.ts'
import type { CkvdError } from '../errors.ts'
import type { HttpSettings } from '../sources/http/http.ts'
import { HTTP_DEFAULTS, HttpClient } from '../sources/http/http.ts'
import { Listing } from '../sources/vision/listing.ts'
import { MemoryRestAccount } from '../sources/rest/rest-account-memory.ts'
import { restLanes } from '../sources/rest/rest-lanes.ts'
import { createRestLimiter } from '../sources/rest/rest-limiter.ts'
import { Rest } from '../sources/rest/rest.ts'
import { Vision } from '../sources/vision/vision.ts'
import { AddressAccount } from './rest/address-account.ts'
import type { ConnectionSettings } from './rest/connection-settings.ts'

/** The archive and its CHECKSUM, side by side. */
const REQUESTS_AN_ARCHIVE = 2

export interface ConnectionOptions extends ConnectionSettings {
  /** a clock that runs, epoch ms; for planning, so `CKVD_NOW` may have set it */
  readonly clockMs: () => number
  /** the system's clock, epoch ms, by which weight, pauses and bans are kept; default `Date.now` */
  readonly systemMs?: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  /** told once when the account cannot be where it belongs: what was wrong, and where it is instead (null: in memory) */
  readonly onMisplaced?: ((error: CkvdError, path: string | null) => void) | undefined
  /** a seam for fault tests: shorter timeouts and pauses than those of HTTP_DEFAULTS */
  readonly http?: Partial<HttpSettings>
}

/** The sources over one set of connections, and one account of what our address asks REST for. */
export interface Connections extends AsyncDisposable {
  readonly urls: SourceUrls
  readonly http: HttpClient
  readonly listing: Listing
  readonly vision: Vision
  readonly rest: Rest
  /** Ends all connections. Idempotent. */
  close(): Promise<void>
}

/** Opens nothing yet: connections and account are opened when they are needed. */
export function createConnections(options: ConnectionOptions): Connections {
  const { urls, concurrency, maxRetries, maxRateBytes, clockMs } = options
  const settings: HttpSettings = {
    ...HTTP_DEFAULTS,
    connections: concurrency,
    maxRetries,
    ...(maxRateBytes === null ? {} : { maxRateBytes }),
    ...options.http,
  }
  const http = new HttpClient(settings, options.env)
  const systemMs = options.systemMs ?? Date.now
  const lanes = restLanes(urls.rest)
  const account = options.sandbox ? new MemoryRestAccount(clockMs) : new AddressAccount({ ...options, lanes, systemMs })
  const limiter = createRestLimiter({ account, lanes, share: options.restShare })
  const vision = new Vision(http, urls.vision, { atOnce: Math.max(1, Math.floor(http.connections / REQUESTS_AN_ARCHIVE)) })
  const close = async (): Promise<void> => {
    // what was on the wire is settled first
    await http.close()
    await account.close()
  }
  return {
    urls,
    http,
    listing: new Listing(http, urls.listing, () => vision.watchBeside()),
    vision,
    rest: new Rest(http, {
      urls: urls.rest,
      limiter,
      nowMs: () => http.clock.notAfter(clockMs()),
      maxRetries,
      backoffMs: settings.backoffMs,
    }),
    close,
    [Symbol.asyncDispose]: close,
  }
}
