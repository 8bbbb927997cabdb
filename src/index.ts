/** The library: Binance candlesticks from a local lake, Vision's archives and REST, in this order. */
export { CkvdError, ERROR_CATALOGUE, isCkvdError } from './errors.ts'
export type { ErrorCode, ErrorData, ErrorDetails, ErrorEntry } from './errors.ts'
export type { CKVDConfig, SourceUrlOptions } from './read/config.ts'
export { ChartType, DataProvider, DataSource, Interval, MarketType } from './read/names.ts'
export type { ColumnName, FetchStep, GetColumnsOptions, GetDataOptions } from './read/query.ts'
export { calculateTimeRange } from './read/time-range.ts'
export type { Time, TimeRangeOptions } from './read/time-range.ts'
