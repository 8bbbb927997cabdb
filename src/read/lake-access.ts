import { isCkvdError, toCkvdError } from '../errors.ts'
import type { Catalog } from '../lake/catalog.ts'
import { openCatalog } from '../lake/catalog.ts'
import type { Lake, WritableLake } from '../lake/lake.ts'
import { openLake } from '../lake/lake.ts'
import type { LakePaths } from '../lake/layout.ts'
import { lakePaths } from '../lake/layout.ts'
import type { Origin } from '../lake/origin.ts'
import { checkOrigin } from '../lake/origin.ts'
import type { Logger } from '../log.ts'
import type { BanStore } from '../sources/rest-limiter.ts'
import { createBanStore } from '../sources/rest-limiter.ts'

/**
 * A client's way to its lake: read without a lock, written only while the lock can be had. The lock is held from the first download that
 * may be stored to the last one under way, never for longer: an ingest that starts in between must find it free.
 */
export class LakeAccess {
  readonly paths: LakePaths
  readonly #logger: Logger
  #reader: Lake | null = null
  #opening: Promise<Lake | null> | undefined
  #writer: Promise<WritableLake | null> | undefined
  #users = 0
  /** the writer of before, until it has let go of the lock */
  #closing: Promise<void> = Promise.resolve()

  constructor(root: string, logger: Logger) {
    this.paths = lakePaths(root)
    this.#logger = logger
  }

  /**
   * The catalog for reading; null while there is no lake.
   * @param wanted where the caller's data is from, once that is known: throws CKVD_ORIGIN when the lake's is from elsewhere
   */
  async openCatalog(wanted: Origin | undefined): Promise<Catalog | null> {
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined))
    const lake = this.#reader ?? (await this.#opening)
    if (lake !== null && wanted !== undefined) checkOrigin(lake.origin, wanted, this.paths.root)
    return lake?.catalog ?? null
  }

  async #open(): Promise<Lake | null> {
    if (this.#reader !== null) return this.#reader
    try {
      this.#reader = await openLake(this.paths.root, { mode: 'read' })
      return this.#reader
    } catch (error) {
      if (isCkvdError(error, 'CKVD_LAKE_MISSING')) return null
      throw error
    }
  }

  /**
   * Gives `work` the lake for writing, or null when it cannot be had: another run holds the lock, or the disk refuses. That is no
   * failure of a read: the data is returned without being stored. Throws CKVD_ORIGIN, and what `work` throws.
   */
  async withWriter<T>(origin: Origin, work: (lake: WritableLake | null) => Promise<T>): Promise<T> {
    this.#users++
    this.#writer ??= this.#openWriter(origin)
    const opened = this.#writer
    try {
      return await work(await opened)
    } finally {
      if (--this.#users === 0) {
        this.#writer = undefined
        this.#closing = opened.then(
          (lake) => lake?.close(),
          () => undefined,
        )
        await this.#closing
      }
    }
  }

  async #openWriter(origin: Origin): Promise<WritableLake | null> {
    await this.#closing
    try {
      return await openLake(this.paths.root, { mode: 'write', origin })
    } catch (error) {
      if (!isCkvdError(error, 'CKVD_LAKE_LOCKED', 'CKVD_LAKE_IO', 'CKVD_DISK_FULL')) throw error
      this.#logger.warn({ code: error.code, lake: this.paths.root }, 'what is fetched is not stored')
      return null
    }
  }

  /**
   * Bans that other programs on this lake know of, and a place to tell them of ours. The write needs no lock of the lake: it is one row in
   * one transaction, and a ban that is not remembered becomes a longer one.
   */
  createBanStore(): BanStore {
    const own = createBanStore()
    return {
      get: (market) => {
        const known = own.get(market)
        // of any time: the limiter compares it with its clock
        const row = this.#reader?.catalog.getBan(market, '1970-01-01T00:00:00.000Z')
        const untilMs = row === undefined ? 0 : Date.parse(row.until)
        return row === undefined || untilMs <= (known?.untilMs ?? 0) ? known : { untilMs, reason: row.reason }
      },
      put: (market, untilMs, reason) => {
        own.put(market, untilMs, reason)
        if (this.#reader === null) return
        try {
          using catalog = openCatalog(this.paths.catalog, { mode: 'write' })
          catalog.putBan(market, new Date(untilMs).toISOString(), reason)
        } catch (error) {
          this.#logger.error({ code: toCkvdError(error).code, market }, 'the ban could not be recorded in the lake')
        }
      },
    }
  }

  /** Closes the reader; call it when nothing is under way any more. Idempotent. */
  async close(): Promise<void> {
    await this.#closing
    const lake = this.#reader
    this.#reader = null
    await lake?.close()
  }
}
