import { seriesLabel } from '../dataset/names.ts'
import type { OfDataset } from '../dataset/registry.ts'
import { datasetOf } from '../dataset/registry.ts'
import { rowWord, tellsExpected, toldSeries } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import type { SeriesRow } from '../lake/catalog/catalog-rows.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayOfUs, isoOfUs } from '../model/utc-day.ts'
import type { KlineRows } from './kline-rows.ts'
import { DataSource } from '../question/names.ts'
import type { KlineQuery } from '../question/query.ts'
import { isTelling } from './rest-witness.ts'

/** Gaps that an error lists; more are counted. */
const LISTED_GAPS = 100

/** A stretch without bars as an error's details and a table's metadata tell it; times in microseconds. */
export interface MissingBars {
  /** open time of the first missing bar, microseconds */
  readonly start: number
  /** end of the stretch (excluded), microseconds */
  readonly end: number
  /** how many bars are missing; null of rows that are as published: nobody knows how many there were */
  readonly bars: number | null
  /** why, in words: who was asked for them, and what it answered */
  readonly evidence: string
  /** who has the bars on both sides and none between; null: nobody is known to */
  readonly source: string | null
  /** open time of the bar before, microseconds; null without one */
  readonly before_us: number | null
  /** open time of the bar after, microseconds; null without one */
  readonly after_us: number | null
}

export function describeGaps(of: OfDataset, gaps: KlineRows['gaps']): MissingBars[] {
  const isTold = tellsExpected(of)
  return gaps.map(({ startUs, endUs, bars, evidence, proof }) => ({
    start: startUs,
    end: endUs,
    bars: isTold ? bars : null,
    evidence,
    source: proof?.source ?? null,
    before_us: proof?.beforeUs ?? null,
    after_us: proof?.afterUs ?? null,
  }))
}

/**
 * The error of bars that are missing while nothing explains it; null: there are none.
 * @param failure why REST could not be asked: one that tells what to do is the error itself, with the gaps in its details
 */
export function findUnexplained({ series, source }: KlineQuery, { gaps }: KlineRows, failure: CkvdError | null): CkvdError | null {
  const open = gaps.filter(({ explained }) => !explained)
  const first = open[0]
  if (first === undefined) return null
  const bars = tellsExpected(series) ? open.reduce((sum, gap) => sum + gap.bars, 0) : null
  const details = { ...toldSeries(series), bars, gaps: describeGaps(series, open.slice(0, LISTED_GAPS)) }
  if (isTelling(failure)) return failure.with(details)
  const { rest } = datasetOf(series)
  const again =
    rest === null ? 'Its archives alone have it: that of a day comes the day after, as a rule.' : 'Try again, or see `ckvd coverage`.'
  const hint = source === DataSource.AUTO ? again : `Only ${source} was asked: source ${DataSource.AUTO} asks all.`
  const one = rowWord(series)
  const missing =
    bars === null
      ? `Rows of ${seriesLabel(series)} are`
      : `${bars} ${bars === 1 ? one : `${one}s`} of ${seriesLabel(series)} ${bars === 1 ? 'is' : 'are'}`
  const message = `${missing} missing, the first at ${isoOfUs(first.startUs)}: ${first.evidence.replace(/\.$/, '')}. ${hint}`
  return new CkvdError('CKVD_PARTIAL', message, { details, cause: failure ?? undefined })
}

/** The error of a range in which the series has no bar because it lies outside of its life. */
export function unavailable({ series, range }: KlineQuery, known: SeriesRow | undefined): CkvdError {
  const earliest: UtcDay | null = known?.firstOpenUs == null ? (known?.firstDay ?? null) : dayOfUs(known.firstOpenUs)
  const last = known?.lastDay ?? null
  const one = rowWord(series)
  const isBehind = last !== null && known?.endedUs != null && range.startUs >= known.endedUs
  const life = isBehind
    ? `It has ended, with ${last}`
    : earliest === null
      ? `Its first ${one} is not known`
      : `Its first ${one} opens on ${earliest}: ask for a range within its life`
  const message = `${seriesLabel(series)} has no ${one} from ${isoOfUs(range.startUs)} to ${isoOfUs(range.endUs)}. ${life}.`
  return new CkvdError('CKVD_UNAVAILABLE', message, { details: { ...toldSeries(series), earliest, last } })
}
