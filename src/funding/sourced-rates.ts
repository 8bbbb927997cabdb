import type { FundingRow } from '../codec/funding.ts'
import type { TimeRange } from '../model/series.ts'
import type { SourceName } from '../read/day-parts.ts'
import type { FundingGap } from './funding-grid.ts'
import { fillHours, findFundingGaps, mergeFunding } from './funding-grid.ts'

/** A rate and where it comes from. */
export interface SourcedRate {
  readonly row: FundingRow
  readonly source: SourceName
}

/** A rate's neighbour lies at most this far away; REST rows need one to tell their hours. */
export const LOOK_BACK_US = 24 * 3_600_000_000

/** Stretches of a range in which a rate was due and is not there. */
export function findMissing(rows: readonly SourcedRate[], range: TimeRange): FundingGap[] {
  const around = within(rows, { startUs: range.startUs - LOOK_BACK_US, endUs: range.endUs })
  return findFundingGaps(
    around.map(({ row }) => row),
    range,
  )
}

/** Rates of the archives, and of REST those that the archives lack, with the hours that their neighbours tell. */
export function mergeRates(base: readonly SourcedRate[], extra: readonly SourcedRate[]): SourcedRate[] {
  const sources = new Map(base.map(({ row, source }) => [row, source]))
  const merged = mergeFunding(
    base.map(({ row }) => row),
    extra.map(({ row }) => row),
  )
  return fillHours(merged).map((row, i) => ({ row, source: sources.get(merged[i] as FundingRow) ?? 'REST' }))
}

/** The rates in a range. */
export function within(rows: readonly SourcedRate[], { startUs, endUs }: TimeRange): SourcedRate[] {
  return rows.filter(({ row }) => row[0] >= startUs && row[0] < endUs)
}
