import type { Columns } from '../model/columns.ts'
import { columnOf, sliceColumns } from '../model/columns.ts'
import type { Interval } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import { createColumns } from '../model/kline.ts'
import type { ResampledBars } from '../model/resample.ts'
import { concatResampled, Resampler } from '../model/resample.ts'

/** Trades that are bars at once: eleven columns of them take 6 MB. */
const PIECE_ROWS = 65_536

/**
 * Bars made of trades, in the order of their ids: first and last price, the highest and the lowest, the sums of what was traded, how often, and of
 * what takers bought. Sums are those of the published decimals (`DecimalSum`). An interval without a trade has no bar.
 * @param trades rows of the data set `trades`
 */
export function barsOfTrades(trades: Columns, interval: Exclude<Interval, '1s'>): ResampledBars {
  // a trade is a bar of one trade
  const resampler = new Resampler({ from: '1s', to: interval })
  const parts: ResampledBars[] = []
  for (let at = 0; at < trades.openTime.length; at += PIECE_ROWS) {
    const bars = asBars(sliceColumns(trades, at, at + PIECE_ROWS))
    // whole milliseconds close a bar at its last one
    bars.closeTime.fill(1000n)
    parts.push(resampler.push(bars))
  }
  return concatResampled([...parts, resampler.finish()])
}

/** Names of what is summed in the rows of a data set. */
interface TradedColumns {
  readonly quantity: string
  /** what it was worth; null: the quantity at its price */
  readonly value: string | null
}

const OF_TRADES: TradedColumns = { quantity: 'qty', value: 'value' }
const OF_AGGREGATES: TradedColumns = { quantity: 'quantity', value: null }

/** Rows of `trades` or `aggTrades`, each as a bar of so many trades. An aggregate is worth its quantity at its price. */
export function asBars(rows: Columns, isAggregate = false): KlineColumns {
  const length = rows.openTime.length
  const { quantity, value } = isAggregate ? OF_AGGREGATES : OF_TRADES
  const [price, amount] = [columnOf(rows, 'price') as Float64Array, columnOf(rows, quantity) as Float64Array]
  const worth = value === null ? price.map((own, row) => own * (amount[row] as number)) : (columnOf(rows, value) as Float64Array)
  const isBuyerMaker = columnOf(rows, 'isBuyerMaker')
  const bars = createColumns(length)
  bars.openTime.set(rows.openTime)
  bars.closeTime.set(rows.openTime)
  for (const key of ['open', 'high', 'low', 'close'] as const) bars[key].set(price)
  bars.volume.set(amount)
  bars.quoteVolume.set(worth)
  if (isAggregate) {
    const [first, last] = [columnOf(rows, 'firstTradeId') as BigInt64Array, columnOf(rows, 'lastTradeId') as BigInt64Array]
    for (let row = 0; row < length; row++) bars.count[row] = (last[row] as bigint) - (first[row] as bigint) + 1n
  } else bars.count.fill(1n)
  for (let row = 0; row < length; row++) {
    if (isBuyerMaker[row] === 1) continue
    bars.takerBuyVolume[row] = amount[row] as number
    bars.takerBuyQuoteVolume[row] = worth[row] as number
  }
  return bars
}
