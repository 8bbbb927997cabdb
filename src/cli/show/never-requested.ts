import { isMonthChunked } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import type { ToldSeries } from '../../dataset/told.ts'
import { seriesOf } from '../../dataset/told.ts'
import type { NeverRequested } from '../../lake/requested.ts'
import { formatCountOf } from './output.ts'

/** How many chunks were never requested. */
export function sumNeverRequested(stretches: readonly NeverRequested[]): number {
  return stretches.reduce((sum, { days }) => sum + days, 0)
}

/** `1 day was never requested, so the lake …`: the title of a list of such days. */
export function neverRequestedTitle(stretches: readonly NeverRequested[]): string {
  const days = sumNeverRequested(stretches)
  return `${formatCountOf(days, 'day was', 'days were')} never requested, so the lake does not have them (ckvd ingest fetches them)`
}

/** `spot BTCUSDT 1m  2024-01-03 to 2024-01-09  7 days` */
export function neverRequestedLine(series: ToldSeries, { first, last, days }: NeverRequested): string {
  const count = formatCountOf(days, isMonthChunked(seriesOf(series)) ? 'month' : 'day')
  return `${seriesLabel(series)}  ${first === last ? first : `${first} to ${last}`}  ${count}`
}
