import type { Series } from '../model/series.ts'
import { dayStartUs, parseUtcDay, US_PER_DAY } from '../model/utc-day.ts'
import { deliveryUs } from './names.ts'
import { datasetOf } from './registry.ts'

/**
 * When a series ends without anybody being asked: at the delivery of a dated contract, and behind the last day on which its data set was
 * published; us, null: nothing is known. Rows that lie behind it deny it.
 */
export function knownEndUs(series: Pick<Series, 'dataset' | 'market' | 'symbol'>): number | null {
  const until = parseUtcDay(datasetOf(series).until?.[series.market] ?? '')
  const ends = [deliveryUs(series), until === undefined ? null : dayStartUs(until) + US_PER_DAY].filter((end) => end !== null)
  return ends.length === 0 ? null : Math.min(...ends)
}
