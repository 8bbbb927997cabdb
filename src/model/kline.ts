import { joinColumns } from './columns.ts'

/**
 * Klines as columns. All arrays have the same length. Times are microseconds since the epoch, UTC.
 * Rows are in ascending order of `openTime` unless a function says otherwise.
 */
export type KlineColumns = {
  readonly openTime: BigInt64Array
  readonly open: Float64Array
  readonly high: Float64Array
  readonly low: Float64Array
  readonly close: Float64Array
  readonly volume: Float64Array
  readonly closeTime: BigInt64Array
  readonly quoteVolume: Float64Array
  readonly count: BigInt64Array
  readonly takerBuyVolume: Float64Array
  readonly takerBuyQuoteVolume: Float64Array
}

export type KlineColumn = keyof KlineColumns

/** The columns in the order of the shard schema, with the names they have there. */
export const KLINE_COLUMNS: readonly {
  readonly key: KlineColumn
  readonly name: string
  readonly type: 'timestamp' | 'float64' | 'int64'
}[] = [
  { key: 'openTime', name: 'open_time', type: 'timestamp' },
  { key: 'open', name: 'open', type: 'float64' },
  { key: 'high', name: 'high', type: 'float64' },
  { key: 'low', name: 'low', type: 'float64' },
  { key: 'close', name: 'close', type: 'float64' },
  { key: 'volume', name: 'volume', type: 'float64' },
  { key: 'closeTime', name: 'close_time', type: 'timestamp' },
  { key: 'quoteVolume', name: 'quote_asset_volume', type: 'float64' },
  { key: 'count', name: 'count', type: 'int64' },
  { key: 'takerBuyVolume', name: 'taker_buy_volume', type: 'float64' },
  { key: 'takerBuyQuoteVolume', name: 'taker_buy_quote_volume', type: 'float64' },
]

/** Columns of `length` rows, all zero. */
export function createColumns(length: number): KlineColumns {
  return {
    openTime: new BigInt64Array(length),
    open: new Float64Array(length),
    high: new Float64Array(length),
    low: new Float64Array(length),
    close: new Float64Array(length),
    volume: new Float64Array(length),
    closeTime: new BigInt64Array(length),
    quoteVolume: new Float64Array(length),
    count: new BigInt64Array(length),
    takerBuyVolume: new Float64Array(length),
    takerBuyQuoteVolume: new Float64Array(length),
  }
}

/** Several sets of klines, one after the other. */
export function concatColumns(parts: readonly KlineColumns[]): KlineColumns {
  return joinColumns(parts, createColumns(0))
}
