import type { IdEndpoint } from '../model/market.ts'
import { hasRest } from '../model/market.ts'
import type { RestSeries, Series } from '../model/series.ts'
import { US_PER_DAY } from '../model/utc-day.ts'
import { isSequence } from './expected.ts'
import { deliveryUs } from './names.ts'
import type { OfDataset } from './registry.ts'
import { datasetOf } from './registry.ts'

/** So long before it is forgotten a row is not asked for any more: a run takes its time, and a witness beside it must be there, too. */
const MARGIN_US = 3_600_000_000

/** True for a series of which REST tells anything: the one place that decides whom it may be asked about. */
export function isToldByRest<T extends Pick<Series, 'dataset' | 'market'>>(series: T): series is T & Pick<RestSeries, 'market'> {
  return hasRest(series.market) && datasetOf(series).rest !== null
}

/** True for a series whose rows REST tells by their ids. */
export function isToldByIds<T extends Pick<Series, 'dataset' | 'market'>>(series: T): series is T & Pick<RestSeries, 'market'> {
  return hasRest(series.market) && idEndpointOf(series) !== undefined
}

/** From when on REST can be asked for rows of a series by their times, us: Infinity where it cannot, -Infinity where it has all. */
export function restReachUs(series: Pick<Series, 'dataset' | 'interval' | 'market' | 'symbol'>, nowUs: number): number {
  const { restDays, restPerpetuals } = datasetOf(series)
  if (!isToldByRest(series) || isSequence(series)) return Infinity
  if (restPerpetuals?.includes(series.market) === true && deliveryUs(series) !== null) return Infinity
  return restDays === undefined ? -Infinity : nowUs - restDays * US_PER_DAY + MARGIN_US
}

/** What of REST tells the rows of a series by their ids; undefined: nothing does. */
export function idEndpointOf(of: OfDataset): IdEndpoint | undefined {
  const { completeness } = datasetOf(of)
  return completeness.kind === 'sequence' ? completeness.rest : undefined
}

/** True where REST has forgotten what is old, so that it does not tell where a series begins. */
export function isForgetful(of: OfDataset): boolean {
  return datasetOf(of).restDays !== undefined
}
