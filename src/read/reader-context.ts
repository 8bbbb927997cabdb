import type { Connections } from '../acquire/connections.ts'
import type { DecodePool } from '../acquire/decode-pool.ts'
import type { Origin } from '../lake/origin.ts'
import type { Logger } from '../log.ts'
import type { LakeAccess } from './lake-access.ts'

/** What a reader works with; its owner closes it. */
export interface ReaderContext {
  readonly connections: Connections
  /** the decoding threads, started by the first call */
  readonly pool: () => DecodePool
  readonly lake: LakeAccess
  readonly concurrency: number
  /** where the data is from, as far as is known: undefined before the first answer */
  readonly origin: () => Origin | undefined
  readonly nowMs: () => number
  readonly logger: Logger
}
