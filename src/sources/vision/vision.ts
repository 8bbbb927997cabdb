import { CkvdError, isCkvdError } from '../../errors.ts'
import type { HttpClient } from '../http/http.ts'
import type { RequestWatch } from '../http/http-exchange.ts'
import { DownloadWindow } from './download-window.ts'
import { objectUrl } from './vision-url.ts'

/** An archive as it was downloaded: nothing is verified yet. */
export interface FetchedArchive {
  readonly zip: Uint8Array
  /** body of the CHECKSUM file; null when there is none */
  readonly checksum: Uint8Array | null
  /** of the answer, without quotes; null: it has none */
  readonly etag: string | null
}

/**
 * An archive may be so much larger than its listing says: it may be published anew between the two. Anything else is not what was listed,
 * and neither memory nor disk is spent on it.
 */
const GROWTH = { ratio: 1.25, bytes: 64 * 1024 } as const
/** 64 hex digits, two blanks, a file name. */
const MAX_CHECKSUM_BYTES = 512

/** What the listing says of an archive. */
export interface FetchOptions {
  readonly etag: string
  readonly sizeBytes: number
  /** no archive of its kind is larger, whatever the listing says */
  readonly mostBytes: number
  readonly signal: AbortSignal
}

/** Archives refused in a row before a firewall, or a country rule, is assumed. */
const MANY_REFUSALS = 8

export interface VisionOptions {
  /** archives downloaded at once, at most */
  readonly atOnce: number
}

/** Downloads archives of data.binance.vision. */
export class Vision {
  readonly #http: HttpClient
  readonly #url: string
  readonly #window: DownloadWindow
  #refusals = 0

  /** @param url base of the archive host, without a final slash */
  constructor(http: HttpClient, url: string, { atOnce }: VisionOptions) {
    this.#http = http
    this.#url = url
    this.#window = new DownloadWindow(atOnce)
  }

  /** To be handed to a request to the same host, or through the same proxy: where it fails, fewer archives are downloaded at once. */
  watchBeside(): RequestWatch {
    return this.#window.watchBeside()
  }

  /** True when so many archives in a row were refused that it is no matter of single ones. */
  get refusesAll(): boolean {
    return this.#refusals >= MANY_REFUSALS
  }

  /**
   * Downloads an archive and its CHECKSUM side by side.
   * Throws CKVD_ARCHIVE_MISSING when the archive is not there, CKVD_HTTP_TOO_LARGE when it is larger than was listed, and the codes of HttpClient.
   */
  fetchArchive(key: string, o: FetchOptions): Promise<FetchedArchive> {
    return this.#window.run(() => this.#fetchArchive(key, o))
  }

  async #fetchArchive(key: string, o: FetchOptions): Promise<FetchedArchive> {
    const url = objectUrl(this.#url, key)
    const maxBytes = Math.min(o.mostBytes, Math.ceil(o.sizeBytes * GROWTH.ratio) + GROWTH.bytes)
    const [zip, checksum] = await this.#watch(
      Promise.all([
        this.#http.fetch(url, { kind: 'archive', signal: o.signal, maxBytes, watch: this.#window.watch() }),
        this.#http.fetch(`${url}.CHECKSUM`, {
          kind: 'checksum',
          signal: o.signal,
          maxBytes: MAX_CHECKSUM_BYTES,
          watch: this.#window.watch(),
        }),
      ]),
    )
    if (zip.status === 404) {
      throw new CkvdError('CKVD_ARCHIVE_MISSING', `The listing has ${key}, but ${url} answered 404. Run the same command again later.`, {
        details: { key, url },
      })
    }
    return {
      zip: zip.body,
      checksum: checksum.status === 404 ? null : checksum.body,
      // a proxy may mark it weak
      etag: zip.headers['etag']?.replace(/^W\//, '').replaceAll('"', '') ?? null,
    }
  }

  async #watch<T>(download: Promise<T>): Promise<T> {
    try {
      const value = await download
      this.#refusals = 0
      return value
    } catch (error) {
      if (isCkvdError(error, 'CKVD_FORBIDDEN')) this.#refusals++
      throw error
    }
  }
}
