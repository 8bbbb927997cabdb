import type { ShardParts } from '../codec/parquet/parquet-shard.ts'
import { chunkRange, nextChunk, previousChunk } from '../dataset/chunk.ts'
import { AGG_TRADES } from '../dataset/sets/trades.ts'
import { abortError } from '../errors.ts'
import type { LakeContent } from '../lake/current-shard.ts'
import type { Columns } from '../model/columns.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { IdOrder, rowsAtEnd } from './id-order.ts'
import type { MatchPiece } from './match-rows.ts'
import type { TradeDifference } from './trade-difference.ts'
import type { Neighbour, TradeMatch } from './trade-match.ts'
import { BORDER_US, matchTrades } from './trade-match.ts'
import type { WholeDay } from './whole-day.ts'
import { NOTHING_THERE, openWhole } from './whole-day.ts'

/** What aggregate trades say of a day of trades. */
export interface ProvenTrades {
  /** of UTC, `YYYY-MM-DD` */
  readonly day: UtcDay
  /** `proved`: each aggregate is what its trades are; `differs`; `not-comparable`: one of the two is not there, or not whole */
  readonly outcome: 'proved' | 'differs' | 'not-comparable'
  /** trades that were compared */
  readonly trades: number
  /** aggregates that they were compared with */
  readonly aggregates: number
  /** ids between the first and the last trade that no trade has and no aggregate counts: such trades are not published */
  readonly unpublished: number
  /** in the order of ids, the first thousand */
  readonly differences: readonly TradeDifference[]
  /** differences beyond these */
  readonly further: number
  /** why it is not comparable; else null */
  readonly reason: string | null
}

/** The series of the aggregate trades of a symbol. */
export function aggregatesOf({ market, symbol }: Pick<Series, 'market' | 'symbol'>): Series {
  return { dataset: AGG_TRADES.name, market, symbol, interval: AGG_TRADES.grid }
}

/** A day of which both are whole. */
interface Pair {
  readonly trades: ShardParts
  readonly aggregates: ShardParts
}

/**
 * Compares a day of stored trades with the aggregates of that day, which name the ids of their trades: a day is read a row group at a time. An
 * aggregate or a trade at midnight may belong to rows of the day beside it: these are read where the day alone does not decide.
 * @param series of trades
 * @throws CKVD_ABORTED, CKVD_LAKE_IO
 */
export async function proveTrades(lake: LakeContent, series: Series, day: UtcDay, signal: AbortSignal): Promise<ProvenTrades> {
  if (signal.aborted) throw abortError(signal)
  const trades = await openWhole(lake, series, day, signal)
  if ('reason' in trades || trades.shard === undefined) return unproven(day, `trades: ${whyNone(trades)}`)
  const aggregates = await openWhole(lake, aggregatesOf(series), day, signal)
  if ('reason' in aggregates || aggregates.shard === undefined) return unproven(day, `aggTrades: ${whyNone(aggregates)}`)
  const pair = { trades: trades.shard, aggregates: aggregates.shard }
  const alone = matchDay(pair, series, day, new Map())
  if (typeof alone === 'string') return unproven(day, alone)
  if (alone.needs.size === 0) return provenOf(day, alone)
  const beside = new Map<Neighbour, Columns | undefined>()
  const unknown: string[] = []
  for (const neighbour of alone.needs) {
    const found = await readBeside(lake, series, day, neighbour, signal)
    if (typeof found === 'string') unknown.push(`rows at midnight may belong to ${neighbour}: ${found}`)
    else beside.set(neighbour, found.columns)
  }
  const match = matchDay(pair, series, day, beside)
  if (typeof match === 'string') return unproven(day, match)
  return match.needs.size > 0 && match.differences.length === 0 ? unproven(day, unknown.join('; ')) : provenOf(day, match)
}

function whyNone(found: WholeDay<object>): string {
  return 'reason' in found ? found.reason : NOTHING_THERE
}

function provenOf(day: UtcDay, { trades, aggregates, unpublished, differences, further }: TradeMatch): ProvenTrades {
  const outcome = differences.length === 0 ? 'proved' : 'differs'
  return { day, outcome, trades, aggregates, unpublished, differences, further, reason: null }
}

function unproven(day: UtcDay, reason: string): ProvenTrades {
  return { day, outcome: 'not-comparable', trades: 0, aggregates: 0, unpublished: 0, differences: [], further: 0, reason }
}

/** @returns why its rows cannot be compared */
function matchDay(
  { trades, aggregates }: Pair,
  series: Series,
  day: UtcDay,
  beside: ReadonlyMap<Neighbour, Columns | undefined>,
): TradeMatch | string {
  const orders = { trades: new IdOrder(trades, series), aggTrades: new IdOrder(aggregates, aggregatesOf(series)) }
  const piecesOf = (dataset: 'trades' | 'aggTrades'): Generator<MatchPiece, void> =>
    orders[dataset].pieces({ before: beside.get(`${dataset} of the day before`), after: beside.get(`${dataset} of the day after`) })
  const match = matchTrades(piecesOf('trades'), piecesOf('aggTrades'), chunkRange(day, series), new Set(beside.keys()))
  for (const dataset of ['trades', 'aggTrades'] as const)
    if (orders[dataset].isBroken) return `${dataset}: their ids are in another order than their times`
  return match
}

/** The rows of the day beside it that lie near to midnight; a reason: they are not known. */
async function readBeside(
  lake: LakeContent,
  series: Series,
  day: UtcDay,
  neighbour: Neighbour,
  signal: AbortSignal,
): Promise<{ readonly columns: Columns | undefined } | string> {
  const own = neighbour.startsWith('trades') ? series : aggregatesOf(series)
  const isBefore = neighbour.endsWith('before')
  const found = await openWhole(lake, own, isBefore ? previousChunk(day, own) : nextChunk(day, own), signal)
  if ('reason' in found) return found.reason
  if (found.shard === undefined) return { columns: undefined }
  const { startUs, endUs } = chunkRange(day, own)
  const range = isBefore ? { startUs: startUs - BORDER_US, endUs: startUs } : { startUs: endUs, endUs: endUs + BORDER_US }
  return { columns: rowsAtEnd(found.shard, own, range, isBefore) }
}
