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
  for (let at = 0; at < trades.openTime.length; at += PIECE_ROWS)
    parts.push(resampler.push(asBars(sliceColumns(trades, at, at + PIECE_ROWS))))
  return concatResampled([...parts, resampler.finish()])
}

function asBars(trades: Columns): KlineColumns {
  const rows = trades.openTime.length
  const [price, qty, value] = ['price', 'qty', 'value'].map((key) => columnOf(trades, key) as Float64Array) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const isBuyerMaker = columnOf(trades, 'isBuyerMaker')
  const bars = createColumns(rows)
  bars.openTime.set(trades.openTime)
  // whole milliseconds close a bar at its last one
  bars.closeTime.fill(1000n)
  for (const key of ['open', 'high', 'low', 'close'] as const) bars[key].set(price)
  bars.volume.set(qty)
  bars.quoteVolume.set(value)
  bars.count.fill(1n)
  for (let row = 0; row < rows; row++) {
    if (isBuyerMaker[row] === 1) continue
    bars.takerBuyVolume[row] = qty[row] as number
    bars.takerBuyQuoteVolume[row] = value[row] as number
  }
  return bars
}
