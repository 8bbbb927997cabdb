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

/** The intervals whose bars can be proved, shortest first. */
export const PROVABLE_INTERVALS: readonly ProvableInterval[] = ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h']

/** What of a lake is proved. What is left out filters nothing; days are half-open. */
export interface ProofChoice {
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

/** What `prove` gives: exactly what `ckvd prove --json` prints. */
export interface ProofResult {
  /** always the same */
  readonly command: 'prove'
  /** 0: each bar is what its trades say; 3: one differs, or a day could not be compared */
  readonly exit: 0 | 3
  /** in the order of market and symbol */
  readonly series: readonly ProvenSeries[]
}

/** How far it has come. */
export interface ProofProgress {
  /** days that were looked at */
  readonly done: number
  /** days to look at */
  readonly total: number
}

/**
 * Proves the bars of a lake by its trades, day by day, and records what was proved in the evidence of each day.
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
  const work = chooseSeries(lake, choice).map((series) => ({ series, days: daysOf(lake, series, choice) }))
  const total = work.reduce((sum, { days }) => sum + days.length, 0)
  if (total === 0)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected days of bars or trades in the range, found none in ${lake.paths.root}. \`ckvd coverage --data klines,trades\` tells what it holds.`,
    )
  const results: ProvenSeries[] = []
  let done = 0
  for (const { series, days } of work) {
    const proven: ProvenDay[] = []
    for (const day of days) {
      const one = await proveDay(lake, series, day, signal)
      await recordProof(lake, series, one, nowIso())
      proven.push(one)
      onProgress?.({ done: ++done, total })
    }
    results.push({ ...series, days: proven })
  }
  const isProved = results.every(({ days }) => days.every(({ outcome }) => outcome === 'proved'))
  return { command: 'prove', exit: isProved ? 0 : 3, series: results }
}

/** The series of bars that are named and that have trades. Throws CKVD_USAGE where one that is named has not both. */
function chooseSeries(lake: WritableLake, { market, symbols = [], interval }: ProofChoice): Series[] {
  const named = symbols.map((symbol) => symbolOf(symbol, market ?? 'spot'))
  const bars = listSelectedSeries(lake.catalog, { ...(market === undefined ? {} : { market }), intervals: [interval] })
  const both = bars.filter((series) => lake.catalog.getSeries(tradesOf(series)) !== undefined)
  const chosen = named.length === 0 ? both : both.filter(({ symbol }) => named.includes(symbol))
  const missing = named.filter((symbol) => chosen.every((series) => series.symbol !== symbol))
  if (chosen.length > 0 && missing.length === 0) return chosen
  const what = `${interval} bars and trades of ${missing.length > 0 ? missing.join(', ') : 'a symbol'}${market === undefined ? '' : ` in ${market}`}`
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected ${what} in the lake ${lake.paths.root}, found not both. \`ckvd ingest SYMBOL --data klines,trades\` fetches them, \`ckvd coverage --data klines,trades\` tells what it holds.`,
  )
}

/** Days of a range: all of it where there are bars or trades in it; of one without an end those that have either. */
function daysOf(lake: WritableLake, series: Series, { start, end }: ProofChoice): UtcDay[] {
  const days = new Set<UtcDay>()
  for (const of of [series, tradesOf(series)]) for (const { day } of lake.catalog.iterateDays(of, start, end)) days.add(day)
  if (start !== undefined && end !== undefined && days.size > 0) for (let day = start; day < end; day = addDays(day, 1)) days.add(day)
  return [...days].sort()
}
