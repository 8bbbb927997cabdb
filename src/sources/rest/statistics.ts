import type { StatisticsFacts, StatisticsPart } from '../../../config/markets.ts'
import { MARKET_FACTS } from '../../../config/markets.ts'
import { decodeRestStatistics } from '../../codec/rest-statistics.ts'
import { pairOf } from '../../dataset/names.ts'
import { createRows, datasetOf } from '../../dataset/registry.ts'
import { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import { firstSlotUs, gridOf } from '../../model/interval.ts'
import type { RestSeries } from '../../model/series.ts'
import { US_PER_DAY } from '../../model/utc-day.ts'
import type { HttpAnswer } from '../http/http-exchange.ts'
import { checkPage, isUnlisted } from './klines-answer.ts'
import type { AskPage, Page } from './rest-pages.ts'
import type { StretchAsk, StretchRows } from './rest-walk.ts'
import { walkRows } from './rest-walk.ts'

/** 500 rows of some 200 bytes. */
const MAX_BODY_BYTES = 1 << 20
/** A request for what is older than the exchange keeps is refused: so much of that is not asked for, since a request takes its time. */
const MARGIN_US = 60_000_000

/** Asks, with retries. */
type FetchAnswer = (url: string, ask: { readonly weight: number; readonly maxBytes: number }) => Promise<HttpAnswer>

/** REST facts of a market's statistics. Throws CKVD_BUG for a market that has none. */
function statisticsFacts({ market }: Pick<RestSeries, 'market'>): StatisticsFacts {
  const { statistics } = MARKET_FACTS[market]
  if (statistics === null) throw new CkvdError('CKVD_BUG', `Expected a market with statistics of futures, got ${market}.`)
  return statistics
}

/**
 * One page of a contract's statistics, in order, made of several answers: the first one tells which rows there are, the others what else is
 * known of them, where all of them reach; null when the exchange does not know the contract. Of what it has forgotten it is asked nothing.
 * @throws CKVD_REST_BODY, CKVD_REST_RANGE and as `fetchAnswer`
 */
export async function fetchStatistics(
  series: RestSeries,
  page: Page,
  { base, nowUs, fetchAnswer }: { readonly base: string; readonly nowUs: number; readonly fetchAnswer: FetchAnswer },
): Promise<Columns | null> {
  const { parts } = statisticsFacts(series)
  const startUs = Math.max(page.startUs, oldestUs(series, nowUs))
  if (startUs > page.endUs) return createRows(series, 0)
  const asked = { ...page, startUs }
  const answers = await Promise.all(parts.map((part) => fetchPart(series, part, asked, base, fetchAnswer)))
  const told = answers.filter((answer) => answer !== null)
  if (told.length < answers.length) return null
  const times = toldByAll(told)
  const rows = createRows(series, times.length)
  rows.openTime.set(times.map(BigInt))
  parts.forEach(({ values }, i) =>
    Object.keys(values).forEach((key, at) => {
      ;(rows[key] as Float64Array).set(times.map((time) => told[i]?.get(time)?.[at] ?? NaN))
    }),
  )
  for (const { key } of datasetOf(series).columns)
    if (key !== 'openTime' && !parts.some(({ values }) => Object.hasOwn(values, key))) (rows[key] as Float64Array).fill(NaN)
  return rows
}

/**
 * The times of the first answer for which all others can speak: one that ends before another, or begins after it, may be cut or late, and
 * what it lacks there is not known to be missing.
 */
function toldByAll(answers: readonly ReadonlyMap<number, unknown>[]): number[] {
  const times = answers.map((answer) => [...answer.keys()])
  const from = Math.max(...times.map(([first = Infinity]) => first))
  const to = Math.min(...times.map((own) => own.at(-1) ?? -Infinity))
  return (times[0] ?? []).filter((time) => time >= from && time <= to)
}

/** The first slot that the exchange has not forgotten, us. */
function oldestUs(series: RestSeries, nowUs: number): number {
  const { restDays } = datasetOf(series)
  return restDays === undefined ? 0 : firstSlotUs(nowUs - restDays * US_PER_DAY + MARGIN_US, gridOf(series))
}

async function fetchPart(
  series: RestSeries,
  { path, values }: StatisticsPart,
  page: Page,
  base: string,
  fetchAnswer: FetchAnswer,
): Promise<ReadonlyMap<number, readonly number[]> | null> {
  const { isByPair, weight } = statisticsFacts(series)
  const query = new URLSearchParams({
    ...(isByPair ? { pair: pairOf(series.symbol), contractType: 'PERPETUAL' } : { symbol: series.symbol }),
    period: gridOf(series),
    startTime: String(page.startUs / 1000),
    endTime: String(page.endUs / 1000),
    limit: String(page.limit),
  })
  const url = `${base}${path}?${query.toString()}`
  const answer = await fetchAnswer(url, { weight, maxBytes: MAX_BODY_BYTES })
  if (isUnlisted(answer, 'statistics of futures', url)) return null
  const rows = decodeRestStatistics(answer.body, Object.values(values), url)
  checkPage(BigInt64Array.from(rows.keys(), BigInt), page, url)
  return rows
}

/** Walks through a stretch of statistics: see `walkStretch`. Windows hold no more slots than rows fit, whichever end a page begins at. */
export function walkStatistics(
  send: AskPage<Columns>,
  series: RestSeries,
  ask: StretchAsk,
  nowUs: () => number,
): Promise<StretchRows<Columns> | null> {
  const { pageRows, weight } = statisticsFacts(series)
  const { restDays } = datasetOf(series)
  const facts = {
    ...{ pageRows, weightOf: () => weight, nearest: 'end' as const },
    ...(restDays === undefined ? {} : { maxRangeDays: restDays }),
  }
  return walkRows(send, ask, nowUs, gridOf(series), facts, createRows(series, 0))
}
