import { CkvdError } from '../errors.ts'
import type { WritableLake } from '../lake/lake.ts'
import { listSelectedSeries } from '../lake/selection.ts'
import type { Market } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { addDays } from '../model/utc-day.ts'
import { symbolOf } from '../question/symbol-format.ts'
import type { ProvableInterval, ProvenDay } from './prove.ts'
import { proveDay, recordProof, tradesOf } from './prove.ts'
import type { ProvenTrades } from './prove-trades.ts'
import { aggregatesOf, proveTrades } from './prove-trades.ts'

/** The intervals whose bars can be proved, shortest first. */
export const PROVABLE_INTERVALS: readonly ProvableInterval[] = ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h']

/** The data sets that can be proved: klines by `trades`, `trades` by `aggTrades`. */
export const PROVABLE_DATASETS = ['klines', 'trades'] as const
export type ProvableDataset = (typeof PROVABLE_DATASETS)[number]

/** What of a lake is proved. What is left out filters nothing; days are half-open. */
export interface ProofChoice {
  /** absent: what the lake can prove, of `trades` the days that have both */
  readonly data?: readonly ProvableDataset[] | undefined
  readonly market?: Market | undefined
  readonly symbols?: readonly string[] | undefined
  readonly interval: ProvableInterval
  readonly start?: UtcDay | undefined
  readonly end?: UtcDay | undefined
}

/** What trades say of the bars of a series. */
export interface ProvenSeries extends Series {
  /** in order */
  readonly days: readonly ProvenDay[]
}

/** What aggregate trades say of the trades of a symbol. */
export interface ProvenTradeSeries extends Series {
  /** in order */
  readonly days: readonly ProvenTrades[]
}

/** What `prove` gives: exactly what `ckvd prove --json` prints. */
export interface ProofResult {
  /** always the same */
  readonly command: 'prove'
  /** 0: each bar is what its trades say, each aggregate what its trades are; 3: one differs, or a day could not be compared */
  readonly exit: 0 | 3
  /** bars, in the order of market and symbol */
  readonly series: readonly ProvenSeries[]
  /** trades, in the order of market and symbol */
  readonly trades: readonly ProvenTradeSeries[]
}

/** How far it has come. */
export interface ProofProgress {
  /** days that were looked at */
  readonly done: number
  /** days to look at */
  readonly total: number
}

/** Days of a series that are looked at. */
interface Work {
  readonly series: Series
  readonly days: readonly UtcDay[]
}

/** Work that is done, with the one thing that it needs to know of a day. */
type Proven<Day> = Series & { readonly days: readonly Day[] }

/**
 * Proves the bars of a lake by its trades and its trades by their aggregates, day by day, and records what was proved in the evidence of each day.
 * @throws CKVD_USAGE where the lake has not both of what is named, or nothing of it in the range; CKVD_ABORTED, CKVD_LAKE_IO, CKVD_CATALOG
 */
export async function proveLake(
  lake: WritableLake,
  choice: ProofChoice,
  {
    signal,
    nowIso,
    onProgress,
  }: { readonly signal: AbortSignal; readonly nowIso: () => string; readonly onProgress?: (progress: ProofProgress) => void },
): Promise<ProofResult> {
  const work = chooseWork(lake, choice)
  const total = [...work.klines, ...work.trades].reduce((sum, { days }) => sum + days.length, 0)
  if (total === 0)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected days of bars or trades in the range, found none in ${lake.paths.root}. \`ckvd coverage --data klines,trades,aggTrades\` tells what it holds.`,
    )
  let done = 0
  const proveAll = async <Day extends Pick<ProvenDay, 'day' | 'outcome'>>(
    works: readonly Work[],
    prove: (series: Series, day: UtcDay) => Promise<Day>,
  ): Promise<Proven<Day>[]> => {
    const results: Proven<Day>[] = []
    for (const { series, days } of works) {
      const proven: Day[] = []
      for (const day of days) {
        const one = await prove(series, day)
        await recordProof(lake, series, one, nowIso())
        proven.push(one)
        onProgress?.({ done: ++done, total })
      }
      results.push({ ...series, days: proven })
    }
    return results
  }
  const series = await proveAll(work.klines, (of, day) => proveDay(lake, of, day, signal))
  const trades = await proveAll(work.trades, (of, day) => proveTrades(lake, of, day, signal))
  const isProved = [...series, ...trades].every(({ days }) => days.every(({ outcome }) => outcome === 'proved'))
  return { command: 'prove', exit: isProved ? 0 : 3, series, trades }
}

/** Throws CKVD_USAGE where of something that is named the lake has not both. */
function chooseWork(lake: WritableLake, choice: ProofChoice): Readonly<Record<ProvableDataset, Work[]>> {
  const { data, market, symbols = [], interval } = choice
  const named = symbols.map((symbol) => symbolOf(symbol, market ?? 'spot'))
  const filter = market === undefined ? {} : { market }
  const isNamed = ({ symbol }: Series): boolean => named.length === 0 || named.includes(symbol)
  const chosen = (dataset: ProvableDataset): Series[] => {
    if (data?.includes(dataset) === false) return []
    const own = listSelectedSeries(lake.catalog, { ...filter, ...OF_LAKE[dataset](interval) })
    return own.filter((series) => isNamed(series) && lake.catalog.getSeries(WITNESS[dataset](series)) !== undefined)
  }
  const series = { klines: chosen('klines'), trades: chosen('trades') }
  // of data sets that nobody has named either will do
  const asked = data === undefined ? [[...series.klines, ...series.trades]] : data.map((dataset) => series[dataset])
  asked.forEach((found, i) => {
    const missing = named.filter((symbol) => found.every((one) => one.symbol !== symbol))
    if (found.length === 0 || missing.length > 0) throw notBoth(lake, choice, data?.[i] ?? 'klines', missing)
  })
  const daysOfTrades = data === undefined ? daysOfBoth : daysOf
  return {
    klines: series.klines.map((one) => ({ series: one, days: daysOf(lake, [one, tradesOf(one)], choice) })),
    trades: series.trades
      .map((one) => ({ series: one, days: daysOfTrades(lake, [one, aggregatesOf(one)], choice) }))
      .filter(({ days }) => data !== undefined || days.length > 0),
  }
}

const OF_LAKE = {
  klines: (interval: ProvableInterval) => ({ intervals: [interval] }),
  trades: () => ({ datasets: ['trades'] }),
}

/** What proves a data set. */
const WITNESS = { klines: tradesOf, trades: aggregatesOf }

function notBoth(lake: WritableLake, { market, interval }: ProofChoice, dataset: ProvableDataset, missing: readonly string[]): CkvdError {
  const both = dataset === 'klines' ? { names: `${interval} bars and trades`, data: 'klines,trades' } : OF_TRADES
  const what = `${both.names} of ${missing.length > 0 ? missing.join(', ') : 'a symbol'}${market === undefined ? '' : ` in ${market}`}`
  return new CkvdError(
    'CKVD_USAGE',
    `Expected ${what} in the lake ${lake.paths.root}, found not both. \`ckvd ingest SYMBOL --data ${both.data}\` fetches them, \`ckvd coverage --data ${both.data}\` tells what it holds.`,
  )
}

const OF_TRADES = { names: 'trades and aggTrades', data: 'trades,aggTrades' }

/** Days of a range: all of it where there is either in it; of one without an end those that have either. */
function daysOf(lake: WritableLake, pair: readonly Series[], { start, end }: ProofChoice): UtcDay[] {
  const days = new Set<UtcDay>()
  for (const of of pair) for (const { day } of lake.catalog.iterateDays(of, start, end)) days.add(day)
  if (start !== undefined && end !== undefined && days.size > 0) for (let day = start; day < end; day = addDays(day, 1)) days.add(day)
  return [...days].sort()
}

/** Days of which there are rows of both. */
function daysOfBoth(lake: WritableLake, pair: readonly Series[], { start, end }: ProofChoice): UtcDay[] {
  const [own, witness] = pair.map((of) => lake.catalog.readDays(of, start, end).flatMap(({ day, rows }) => (rows > 0 ? day : [])))
  const both = new Set(witness)
  return (own ?? []).filter((day) => both.has(day))
}
