import type { CkvdError } from '../errors.ts'
import type { Packaging, Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { RestSource } from '../sources/rest/rest.ts'
import type { Vision } from '../sources/vision/vision.ts'
import type { Listing } from '../sources/vision/listing.ts'
import type { DecodePool } from './decode-pool.ts'
import type { ListingEdge } from './listing-edge.ts'

/** An archive that the listing has. */
export interface ArchiveRef {
  readonly key: string
  readonly etag: string
  readonly sizeBytes: number
  readonly packaging: Packaging
  readonly period: string
  readonly firstDay: UtcDay
}

/** The chunks to be gained from one archive. */
export interface ArchiveTask {
  readonly series: Series
  readonly archive: ArchiveRef
  /** chunks wanted, in order */
  readonly days: readonly UtcDay[]
  /** one of them that nobody asked for: it counts only if an archive has a bar of it; null: there is none */
  readonly guess: UtcDay | null
  /** no earlier archive is listed: where the series begins is told by its first bar, or has to be asked */
  readonly startsSeries: boolean
  /** the other form: daily archives of a month's days, or the month of a day */
  readonly others: readonly ArchiveRef[]
  /** of a monthly archive, days that are compared with their daily archives; one difference, and all days are */
  readonly compare: readonly UtcDay[]
}

/** What asking REST for days needs. */
export interface RestContext {
  /** null: REST is off */
  readonly rest: RestSource | null
  readonly signal: AbortSignal
}

/** What acquiring needs. `ingest` and `read` make one and share it over all their calls. */
export interface AcquireContext extends RestContext {
  readonly vision: Vision
  readonly pool: DecodePool
  /** resolves when it is known where the series begins: until then archives are downloaded, and nothing is made of them; absent: it is */
  readonly born?: Promise<void>
  readonly listing: Listing
  /** how far the listing of each market reaches */
  readonly edge: ListingEdge
  /** compare the MD5 of each archive with the listing's ETag */
  readonly crossCheck: boolean
  /** keeps an archive that failed verification, with the reason; null: nothing is kept (no lake) */
  readonly quarantine: ((key: string, zip: Uint8Array, error: CkvdError) => Promise<void>) | null
  /** keeps a verified archive as it was downloaded (`--keep-archives`) */
  readonly keepArchive: ((key: string, zip: Uint8Array, checksum: Uint8Array) => Promise<void>) | null
}
