import { nextChunk } from '../dataset/chunk.ts'
import { strengthOf } from '../dataset/expected.ts'
import { TRADES } from '../dataset/sets/trades.ts'
import { abortError } from '../errors.ts'
import type { LakeContent } from '../lake/current-shard.ts'
import type { WritableLake } from '../lake/lake.ts'
import type { Columns } from '../model/columns.ts'
import { slotStartUs } from '../model/interval.ts'
import type { Interval } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import type { ResampledBars } from '../model/resample.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { isoOfUs } from '../model/utc-day.ts'
import { compareCells } from './resample-check.ts'
import { barsOfTrades } from './trade-bars.ts'
import { readWhole } from './whole-day.ts'

/** Intervals whose bars are made of the trades of one day. */
export type ProvableInterval = Exclude<Interval, '1s' | '1d' | '3d' | '1w' | '1M'>

/** How a bar of the archive differs from the trades of its stretch. */
export interface ProofDifference {
  /** `value`: a cell differs; `no-bar`: there were trades, and there is no bar; `no-trades`: the bar tells of trades, and there are none */
  readonly kind: 'value' | 'no-bar' | 'no-trades'
  /** ISO time of the bar */
  readonly open_time: string
  /** name of the cell; null: all of the bar differs */
  readonly column: string | null
  /** what its trades say */
  readonly trades: number | string | null
  /** what the bar says */
  readonly klines: number | string | null
}

/** What trades say of a day of bars. */
export interface ProvenDay {
  /** of UTC, `YYYY-MM-DD` */
  readonly day: UtcDay
  /** `proved`: each bar is what its trades say; `differs`; `not-comparable`: one of the two is not there, or not whole */
  readonly outcome: 'proved' | 'differs' | 'not-comparable'
  /** bars that were compared */
  readonly bars: number
  /** all of them, in order */
  readonly differences: readonly ProofDifference[]
  /** why it is not comparable; else null */
  readonly reason: string | null
}

/** What the evidence of a day says whose bars its trades have proved, or whose trades their aggregates. */
const PROVED = 'proved'

/** The series of the trades of a symbol. */
export function tradesOf({ market, symbol }: Pick<Series, 'market' | 'symbol'>): Series {
  return { dataset: TRADES.name, market, symbol, interval: TRADES.grid }
}

/**
 * Compares a day of stored bars with the stored trades of that day: open, high, low, close, volumes, count and takers' volumes of each bar.
 * Aggregate trades cannot do it: they have one time for several trades.
 * @throws CKVD_ABORTED, CKVD_LAKE_IO
 */
export async function proveDay(lake: LakeContent, series: Series, day: UtcDay, signal: AbortSignal): Promise<ProvenDay> {
  if (signal.aborted) throw abortError(signal)
  const trades = await readWhole<Columns>(lake, tradesOf(series), day, signal)
  if ('reason' in trades) return unproven(day, `trades: ${trades.reason}`)
  const klines = await readWhole<KlineColumns>(lake, series, day, signal)
  if ('reason' in klines) return unproven(day, `klines: ${klines.reason}`)
  const made = barsOfTrades(trades.columns, series.interval as ProvableInterval)
  const differences = compare(made, klines.columns, series)
  return {
    day,
    outcome: differences.length === 0 ? 'proved' : 'differs',
    bars: klines.columns.openTime.length,
    differences,
    reason: null,
  }
}

function unproven(day: UtcDay, reason: string): ProvenDay {
  return { day, outcome: 'not-comparable', bars: 0, differences: [], reason }
}

function compare(made: ResampledBars, own: KlineColumns, series: Series): ProofDifference[] {
  const { openTime } = made.columns
  const found: ProofDifference[] = []
  let at = 0
  for (let row = 0; row < own.openTime.length; row++) {
    const slotUs = slotStartUs(Number(own.openTime[row]), series.interval)
    for (; at < openTime.length && Number(openTime[at]) < slotUs; at++) found.push(whole('no-bar', Number(openTime[at])))
    if (at < openTime.length && Number(openTime[at]) === slotUs) {
      const cells = compareCells(made, at++, own, row).filter(({ kind, column }) => kind !== 'rounding' && column !== 'close_time')
      found.push(
        ...cells.map(({ open_time, column, resampled, exchange }) => ({
          ...whole('value', slotUs),
          open_time,
          column,
          trades: resampled,
          klines: exchange,
        })),
      )
    } else if (Number(own.count[row]) > 0 || (own.volume[row] ?? 0) > 0) found.push(whole('no-trades', slotUs))
  }
  for (; at < openTime.length; at++) found.push(whole('no-bar', Number(openTime[at])))
  return found
}

function whole(kind: ProofDifference['kind'], slotUs: number): ProofDifference {
  return { kind, open_time: isoOfUs(slotUs), column: null, trades: null, klines: null }
}

/**
 * Writes what came of a day into its evidence: `proved`, where it says how weak it is (`as-published`) in the place of that, or no more so. What
 * differs leaves the day's condition: that is what its sources say of it, and the next ingest would say it again.
 * @throws CKVD_LAKE_IO, CKVD_CATALOG
 */
export async function recordProof(
  lake: WritableLake,
  series: Series,
  { day, outcome }: Pick<ProvenDay, 'day' | 'outcome'>,
  nowIso: string,
): Promise<void> {
  const row = lake.catalog.getDay(series, day)
  if (row === undefined || outcome === 'not-comparable') return
  const strength = strengthOf(series)
  const notes = (row.evidence ?? '').split('; ').filter((note) => note !== '' && note !== PROVED && note !== strength)
  const all = [...notes, outcome === 'proved' ? PROVED : strength].filter((note) => note !== '')
  const evidence = all.length === 0 ? null : all.join('; ')
  if (evidence === row.evidence) return
  const gaps = lake.catalog.listGaps(series, day, nextChunk(day, series))
  await lake.writer.put({ row: { ...row, evidence, updatedAt: nowIso }, gaps, shard: null })
}
