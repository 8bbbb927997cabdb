import type { Chunked } from '../../dataset/chunk.ts'
import type { OfDataset } from '../../dataset/registry.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { Columns } from '../../model/columns.ts'
import type { Grid } from '../../model/interval.ts'
import { maxLengthUs, nextSlotUs, slotStartUs } from '../../model/interval.ts'
import type { KlineColumn, KlineColumns } from '../../model/kline.ts'
import { KLINE_COLUMNS } from '../../model/kline.ts'
import { gridOfBars } from '../../model/series.ts'
import { doubleAt, wordsOf } from '../../memory/int64.ts'

/** Bars that the exchange published and that are kept, although something about them is odd. */
export interface OddRows {
  /** bars with an odd `close_time`: see `findOddRows` */
  readonly oddClose: number
  /** bars that break a bar's own rules */
  readonly oddRows: number
  /** open times of the latter, us, in the order of the rows */
  readonly times: number[]
}

/**
 * Counts what is odd. A `close_time` is odd unless it is the last microsecond or the last millisecond of the slot in which its bar opens
 * (of three days: of the three days from its opening on); so that of a bar off the grid counts as well where it does not end with its
 * slot. A bar breaks its own rules when its high is below its open, close or low, its low above its open or close, or
 * a price, an amount or its count is negative. Values are finite.
 * @param leastPrice a lower price breaks the rules: 0, or -Infinity of prices that have a sign
 */
export function findOddRows(columns: KlineColumns, grid: Grid, leastPrice = 0): OddRows {
  const { open, high, low, close, volume, quoteVolume, takerBuyVolume, takerBuyQuoteVolume } = columns
  const openTimes = wordsOf(columns.openTime)
  const closeTimes = wordsOf(columns.closeTime)
  const counts = wordsOf(columns.count)
  const lengthUs = maxLengthUs(grid)
  const isEven = grid !== '1M'
  const times: number[] = []
  let oddClose = 0
  let slotEndUs = -1
  for (let row = 0; row < open.length; row++) {
    // the indices are below the length of every column
    const time = doubleAt(openTimes, row)
    // nearly every bar opens where the one before it ends: that spares a division
    slotEndUs = isEven && time === slotEndUs ? time + lengthUs : endOfSlot(time, grid)
    const restUs = slotEndUs - doubleAt(closeTimes, row)
    if (restUs !== 1 && restUs !== 1000) oddClose++
    const top = high[row] as number
    const bottom = low[row] as number
    const isSound =
      bottom >= leastPrice &&
      bottom <= (open[row] as number) &&
      bottom <= (close[row] as number) &&
      top >= (open[row] as number) &&
      top >= (close[row] as number) &&
      (volume[row] as number) >= 0 &&
      (quoteVolume[row] as number) >= 0 &&
      (takerBuyVolume[row] as number) >= 0 &&
      (takerBuyQuoteVolume[row] as number) >= 0 &&
      (counts[2 * row + 1] as number) >= 0 // the word with the sign
    if (!isSound) times.push(time)
  }
  return { oddClose, oddRows: times.length, times }
}

const NOTHING_ODD: OddRows = { oddClose: 0, oddRows: 0, times: [] }

/** What is odd in the rows of a series, as far as its data set has rules for one row: bars have. */
export function findOddities(series: Chunked, columns: Columns): OddRows {
  if (datasetOf(series).rules === null) return NOTHING_ODD
  return findOddRows(columns as KlineColumns, gridOfBars(series, columns.openTime), leastPriceOf(series))
}

/** The lowest price that a bar of a data set may have. */
function leastPriceOf(of: OfDataset): number {
  return datasetOf(of).rules === 'signed-bar' ? -Infinity : 0
}

/** Of three days, whose grid is the series' own, they end three days after the opening: a shard alone does not tell its grid. */
function endOfSlot(openUs: number, grid: Grid): number {
  if (grid === '3d' || grid === '3d/0' || grid === '3d/2') return openUs + maxLengthUs(grid)
  return nextSlotUs(slotStartUs(openUs, grid), grid)
}

const PRICES: ReadonlySet<KlineColumn> = new Set<KlineColumn>(['open', 'high', 'low', 'close'])

/** What is odd in a row that breaks a bar's own rules, in words with its values: `count -5`, `high 1.5 below its close 2`. */
export function describeOddRow(of: OfDataset, columns: KlineColumns, row: number): string {
  const leastOf = (key: KlineColumn): number => (PRICES.has(key) ? leastPriceOf(of) : 0)
  const negative = KLINE_COLUMNS.find(({ type, key }) => type !== 'timestamp' && Number(columns[key][row]) < leastOf(key))
  if (negative !== undefined) return `${negative.name} ${String(columns[negative.key][row])}`
  const { open, high, low, close } = columns
  const prices = { open: Number(open[row]), low: Number(low[row]), close: Number(close[row]) }
  for (const [name, price] of Object.entries(prices))
    if (Number(high[row]) < price) return `high ${String(high[row])} below its ${name} ${price}`
  return `low ${String(low[row])} above its ${Number(low[row]) > prices.open ? `open ${prices.open}` : `close ${prices.close}`}`
}
