/**
 * Klines as columns. All arrays have the same length. Times are microseconds since the epoch, UTC.
 * Rows are in ascending order of `openTime` unless a function says otherwise.
 */
export interface KlineColumns {
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

/** Rows [start, end) as views: nothing is copied. */
export function sliceColumns(columns: KlineColumns, start: number, end: number): KlineColumns {
  return {
    openTime: columns.openTime.subarray(start, end),
    open: columns.open.subarray(start, end),
    high: columns.high.subarray(start, end),
    low: columns.low.subarray(start, end),
    close: columns.close.subarray(start, end),
    volume: columns.volume.subarray(start, end),
    closeTime: columns.closeTime.subarray(start, end),
    quoteVolume: columns.quoteVolume.subarray(start, end),
    count: columns.count.subarray(start, end),
    takerBuyVolume: columns.takerBuyVolume.subarray(start, end),
    takerBuyQuoteVolume: columns.takerBuyQuoteVolume.subarray(start, end),
  }
}

/** Copies row `from` of `source` to row `to` of `target`. */
function copyRow(source: KlineColumns, from: number, target: KlineColumns, to: number): void {
  for (const { key } of KLINE_COLUMNS) target[key][to] = source[key][from] as never
}

/** The rows of `source` at `rows`, in that order, as new columns. */
export function pickRows(source: KlineColumns, rows: ArrayLike<number>): KlineColumns {
  const target = createColumns(rows.length)
  for (let i = 0; i < rows.length; i++) copyRow(source, rows[i] as number, target, i)
  return target
}

/** True when two rows agree in every column, bit for bit. */
export function sameRow(a: KlineColumns, i: number, b: KlineColumns, j: number): boolean {
  return KLINE_COLUMNS.every(({ key }) => Object.is(a[key][i], b[key][j]))
}

/** True when two rows are the same bar as two sources may tell it: prices, amounts and count are equal. Another close time is an oddity. */
export function sameBar(a: KlineColumns, i: number, b: KlineColumns, j: number): boolean {
  return KLINE_COLUMNS.every(({ key }) => key === 'closeTime' || a[key][i] === b[key][j])
}

/** Rows in the order of their open times; of those with the same one, the first. */
export function inTimeOrder(columns: KlineColumns): KlineColumns {
  const { openTime } = columns
  const order = Uint32Array.from(openTime.keys()).sort((a, b) => Number(openTime[a]) - Number(openTime[b]) || a - b)
  return pickRows(
    columns,
    order.filter((row, i) => i === 0 || openTime[row] !== openTime[order[i - 1] ?? -1]),
  )
}

/** Several sets of columns, one after the other. */
export function concatColumns(parts: readonly KlineColumns[]): KlineColumns {
  const target = createColumns(parts.reduce((sum, part) => sum + part.openTime.length, 0))
  let offset = 0
  for (const part of parts) {
    for (const { key } of KLINE_COLUMNS) (target[key] as Float64Array).set(part[key] as Float64Array, offset)
    offset += part.openTime.length
  }
  return target
}
