import type { CkvdError } from '../errors.ts'
import type { Packaging, Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { KlineSource } from '../sources/source.ts'
import type { Vision } from '../sources/vision.ts'
import type { BirthSource } from './birth.ts'
import type { DecodePool } from './decode-pool.ts'
import type { SeriesBounds } from './reconcile.ts'

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
  /** the series' first bar is the first bar of this archive, unless `bounds.startUs` says better */
  readonly startsSeries: boolean
  /** no later archive is listed and REST has no later bar: trailing bars that REST lacks too are not expected */
  readonly endsSeries: boolean
  /** no later archive is listed, nor could one be missing yet: where REST has no bar after the last chunk either, the series has ended */
  readonly mayEnd: boolean
  readonly bounds: SeriesBounds
  /** the other form: daily archives of a month's days, or the month of a day */
  readonly others: readonly ArchiveRef[]
  /** of a monthly archive, days that are compared with their daily archives; one difference, and all days are */
  readonly compare: readonly UtcDay[]
}

/** What asking REST for days needs. */
export interface RestContext {
  /** null: REST is off */
  readonly rest: KlineSource | null
  readonly signal: AbortSignal
}

/** What acquiring needs. `ingest` and `read` make one and share it over all their calls. */
export interface AcquireContext extends RestContext {
  readonly vision: Vision
  readonly pool: DecodePool
  readonly rest: BirthSource | null
  /** keeps an archive that failed verification, with the reason; null: nothing is kept (no lake) */
  readonly quarantine: ((key: string, zip: Uint8Array, error: CkvdError) => Promise<void>) | null
  /** keeps a verified archive as it was downloaded (`--keep-archives`) */
  readonly keepArchive: ((key: string, zip: Uint8Array, checksum: Uint8Array) => Promise<void>) | null
}
