import type { Settings } from '../../../config/settings.ts'
import type { SourceUrls } from '../../../config/source-urls.ts'
import { sourceUrls } from '../../../config/source-urls.ts'

/** What connections to the sources take from the settings. */
export interface ConnectionSettings {
  readonly urls: SourceUrls
  /** downloads at once */
  readonly concurrency: number
  readonly maxRetries: number
  /** bytes a second over all downloads; null: no bound */
  readonly maxRateBytes: number | null
  /** part of each market's weight budget that is spent */
  readonly restShare: number
  /** the sources are an embedded exchange, which counts by the planner's clock: its account is nobody else's, and kept in memory */
  readonly sandbox: boolean
  /** directory of the user's state, where the account of this address is kept; null: there is none */
  readonly state: string | null
  /** directory of the lake: the account's second choice */
  readonly lake: string
}

export function connectionSettings(settings: Settings): ConnectionSettings {
  const { concurrency, maxRetries, maxRate, restShare, sandbox, state, lake } = settings
  return { urls: sourceUrls(settings), concurrency, maxRetries, maxRateBytes: maxRate, restShare, sandbox, state, lake }
}
