import type { Market } from '../../model/market.ts'
import type { Packaging } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'

/** What the page of `ckvd availability` gets as data. */
export interface AvailabilityData {
  readonly asOf: UtcDay
  readonly recentDays: number
  readonly archives: Packaging
  /** what could not be listed; `symbol` null: a whole market */
  readonly problems: readonly { readonly market: string; readonly symbol: string | null; readonly message: string }[]
  readonly rows: readonly AvailabilityCells[]
}

/** A symbol. Cells by their place: names would make the file twice as large. */
export type AvailabilityCells = readonly [
  market: Market,
  symbol: string,
  base: string | null,
  quote: string | null,
  kind: string,
  first: UtcDay,
  last: UtcDay,
  days: number | null,
  missing: number | null,
  /** first day and days of each */
  holes: readonly (readonly [start: UtcDay, days: number])[],
  live: boolean,
  delivery: UtcDay | null,
  /** null: the data set has none */
  interval: string | null,
  intervals: string,
]
