import type { Connections } from '../acquire/connections.ts'
import type { DecodePool } from '../acquire/decode-pool.ts'
import type { Origin } from '../lake/origin.ts'
import type { Logger } from '../log.ts'
import type { LakeAccess } from './lake-access.ts'
import type { DataSource } from '../question/names.ts'

/** What a reader works with; its owner closes it. */
export interface ReaderContext {
  readonly connections: Connections
  /** the decoding threads, started by the first call */
  readonly pool: () => DecodePool
  readonly lake: LakeAccess
  readonly concurrency: number
  /**
   * Where the data of a call is from, as far as is known: what the sources' URLs say before the first answer; undefined where they say
   * nothing, and for a call that asks the lake alone. Throws CKVD_ORIGIN where a sandbox and the exchange are mixed.
   */
  readonly origin: (source?: DataSource) => Origin | undefined
  readonly nowMs: () => number
  readonly logger: Logger
}
