import { isCkvdError } from '../errors.ts'
import type { LedgerReader } from '../lake/ledger.ts'
import type { Lake, WritableLake } from '../lake/lake.ts'
import { openLake } from '../lake/lake.ts'
import type { LakePaths } from '../lake/layout.ts'
import { lakePaths } from '../lake/layout.ts'
import { createLocalReader } from '../lake/local-shards.ts'
import type { Origin } from '../lake/origin.ts'
import { checkOrigin } from '../lake/origin.ts'
import type { ShardReader } from '../lake/shard-store.ts'
import type { Logger } from '../log.ts'

/** After a refusal the lock is not asked for again for so long: a batch of days would ask hundreds of times. */
const RETRY_MS = 1000

/** The right to ask for the lake for writing. */
export interface WriteLease {
  /**
   * The lake for writing; null when it cannot be had: another run holds the lock, or the disk refuses. That is no failure of a read: the
   * data is returned without being stored. Throws CKVD_ORIGIN, CKVD_CATALOG, CKVD_CATALOG_VERSION.
   */
  openWriter(origin: Origin): Promise<WritableLake | null>
  /** Resolves when the lock has been given back, if this was the last lease. */
  release(): Promise<void>
}

/**
 * A client's way to its lake: read without a lock, written only while the lock can be had. The lock is held from the first download that
 * may be stored to the last one under way, never for longer: an ingest that starts in between must find it free.
 */
export class LakeAccess {
  readonly paths: LakePaths
  readonly shards: ShardReader
  readonly #logger: Logger
  #reader: Lake | null = null
  /** of the reader, as it was opened last */
  #origin: Origin | undefined
  #opening: Promise<Lake> | undefined
  #writer: Promise<WritableLake | null> | undefined
  #leases = 0
  #refusedAtMs = -Infinity
  /** the writer of before, until it has let go of the lock */
  #closing: Promise<void> = Promise.resolve()

  constructor(root: string, logger: Logger) {
    this.paths = lakePaths(root)
    this.shards = createLocalReader(root)
    this.#logger = logger
  }

  /** The catalog for reading, as `open` gives the lake. */
  async openCatalog(wanted: Origin | undefined): Promise<LedgerReader | null> {
    return (await this.open(wanted))?.catalog ?? null
  }

  /**
   * The lake for reading; null while there is none.
   * @param wanted where the caller's data is from, once that is known: throws CKVD_ORIGIN when the lake's is from elsewhere
   */
  async open(wanted: Origin | undefined): Promise<Lake | null> {
    try {
      const lake = this.#reader ?? (await (this.#opening ??= this.#open().finally(() => (this.#opening = undefined))))
      this.#origin = lake.origin
      if (wanted !== undefined) checkOrigin(this.#origin, wanted, this.paths.root)
      return lake
    } catch (error) {
      if (isCkvdError(error, 'CKVD_LAKE_MISSING')) return null
      throw error
    }
  }

  /** where the lake's data is from; undefined while it is not open, or does not say */
  get origin(): Origin | undefined {
    return this.#origin
  }

  async #open(): Promise<Lake> {
    return (this.#reader ??= await openLake(this.paths.root, { mode: 'read' }))
  }

  /** Says that something may be stored soon: while any lease is open, a lock that was taken is kept. */
  lease(): WriteLease {
    this.#leases++
    let released: Promise<void> | undefined
    return {
      openWriter: (origin) => this.#openWriter(origin),
      release: () => (released ??= this.#release()),
    }
  }

  async #release(): Promise<void> {
    if (--this.#leases > 0) return
    const writer = this.#writer
    this.#writer = undefined
    if (writer === undefined) return
    this.#closing = writer.then(
      (lake) => lake?.close(),
      () => undefined, // told to whoever asked for it
    )
    await this.#closing
  }

  async #openWriter(origin: Origin): Promise<WritableLake | null> {
    if (performance.now() - this.#refusedAtMs < RETRY_MS) return null
    this.#writer ??= this.#takeLock(origin)
    const lake = await this.#writer
    if (lake === null) this.#writer = undefined
    return lake
  }

  async #takeLock(origin: Origin): Promise<WritableLake | null> {
    await this.#closing
    try {
      return await openLake(this.paths.root, { mode: 'write', tell: (message) => this.#logger.info(message), origin })
    } catch (error) {
      if (!isCkvdError(error, 'CKVD_LAKE_LOCKED', 'CKVD_LAKE_IO', 'CKVD_DISK_FULL', 'CKVD_OPEN_FILES')) throw error
      this.#refusedAtMs = performance.now()
      this.#logger.warn({ code: error.code, lake: this.paths.root }, 'what is fetched is not stored')
      return null
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
