/**
 * Candlesticks and funding rates of Binance: from a local lake of Arrow files, then Vision's archives, then REST.
 *
 * Times that go in are `Date`, ISO text with a zone, or epoch milliseconds; times that come out are microseconds, UTC. Ranges are half-open.
 * Every error is a {@link CkvdError} with a stable `code`.
 * @module crypto-kline-vision-data
 */
import type { Table } from 'apache-arrow'
import { unknownOption } from '../config/option-names.ts'
import type { LogLevel } from './log.ts'
import { createLogger } from './log.ts'
import { createClock } from './question/clock.ts'
import type { ColumnArrays, ColumnResult } from './library/client.ts'
import { MarketClient } from './library/client.ts'
import type { CKVDConfig, ClientSettings } from './library/config.ts'
import { CONFIG_NAMES, resolveConfig } from './library/config.ts'
import { startOwnSandbox } from './library/own-sandbox.ts'
import type { DataProvider, MarketType } from './question/names.ts'
import { checkProvider, checkMarketType } from './question/names.ts'
import type { PolarsDataFrame } from './library/polars.ts'
import type { NamedColumns, PlainRow } from './library/objects.ts'
import { plainRows } from './library/objects.ts'
import type { GetBatchesOptions } from './library/batches.ts'
import type { ColumnName, GetColumnsOptions, GetDataOptions } from './question/query.ts'
import { checkOptions, OPTION_NAMES } from './question/query.ts'
import type { GetPanelOptions } from './question/panel-query.ts'
import type { ResampledColumns, ResampleTableOptions } from './library/resample.ts'
import { checkBars, resampleArrays, resampleTable } from './library/resample.ts'

export { ingest, runs, sync } from './library/bulk-runs.ts'
export { prove } from './library/prove.ts'
export type { ProveOptions } from './library/prove.ts'
export type { ProofDifference, ProvenDay } from './resample/prove.ts'
export type { ProofProgress, ProofResult, ProvenSeries, ProvenTradeSeries } from './resample/prove-lake.ts'
export type { ProvenTrades } from './resample/prove-trades.ts'
export type { TradeDifference } from './resample/trade-difference.ts'
export { CkvdError, ERROR_CATALOGUE, isCkvdError } from './errors.ts'
export type { ErrorCode, ErrorData, ErrorDetails, ErrorEntry, ErrorTopic } from './errors.ts'
export type { DryRunNumbers, DryRunResult, DryRunSeries } from './ingest/dry-run.ts'
export type { IngestProgress } from './ingest/progress.ts'
export type { IngestRequest } from './ingest/request/request-options.ts'
export type { Difference, IngestResult, Problem } from './ingest/result.ts'
export type { RunProblem, RunRecord } from './report/history/runs.ts'
export type { SyncRequest } from './ingest/sync-request.ts'
export type { ArchiveChoice } from './acquire/plan/archive-choice.ts'
export type { LogLevel } from './log.ts'
export type { Condition } from './model/condition.ts'
export type { Phase } from './model/interval.ts'
export type { Market, RestMarket } from './model/market.ts'
export type { UtcDay } from './model/utc-day.ts'
export type { RequestKind } from './sources/http/http.ts'
export type { ColumnArrays, ColumnResult } from './library/client.ts'
export type { CKVDConfig, SourceUrlOptions } from './library/config.ts'
export type { MissingBars } from './read/missing-bars.ts'
export { ChartType, DataProvider, DataSource, Interval, MarketType } from './question/names.ts'
export type { PolarsDataFrame } from './library/polars.ts'
export type { NamedColumns, PlainRow, PlainValue } from './library/objects.ts'
export type { GetBatchesOptions } from './library/batches.ts'
export type { ColumnName, FetchStep, GetColumnsOptions, GetDataOptions } from './question/query.ts'
export type { GetPanelOptions, PanelColumn } from './question/panel-query.ts'
export type { IncompleteBar, ResampledColumns, ResampleTableOptions } from './library/resample.ts'
export { calculateTimeRange } from './question/time-range.ts'
export type { Time, TimeRangeOptions } from './question/time-range.ts'

/**
 * Candlesticks and funding rates of one Binance market by the Failover Control Protocol: the local lake first, then Vision's archives,
 * then REST, for each missing stretch. Days that are over and were fetched are stored in the lake, verified and with their condition.
 *
 * One client serves any number of calls at once: they share downloads of the same day, one set of decoding threads and one account of
 * REST weight. Creating it opens nothing; close it with `close()` or `await using`.
 */
export class CryptoKlineVisionData {
  readonly #client: MarketClient

  private constructor(client: MarketClient) {
    this.#client = client
  }

  /**
   * Creates a client for a market. What `config` leaves out comes from the environment (`CKVD_…`), `ckvd.config.json`, and the defaults.
   * @throws CkvdError `CKVD_USAGE` for a wrong option, `CKVD_CONFIG` for a wrong setting
   */
  static create(provider: DataProvider, marketType: MarketType, config: CKVDConfig = {}): CryptoKlineVisionData {
    checkProvider(provider)
    return new CryptoKlineVisionData(createClient(checkMarketType(marketType), resolveConfig(config)))
  }

  /**
   * The bars that open in a half-open range, as an Arrow Table with the columns of a shard, in ascending order of `open_time`. Bars that
   * do not exist and why are in the schema's metadata under `ckvd.gaps`: JSON `[{start, end, bars, evidence}]`, times in microseconds.
   * Days whose sources contradict each other, with no third to decide, are returned and listed under `ckvd.disputed` (JSON `["2024-03-04"]`);
   * with `returnPolars` they are logged as a warning.
   * With `dataset` bars of another data set, such as `markPriceKlines`, which have the same columns.
   * With `dataset: 'fundingRate'`, or `chartType: FUNDING_RATE`: `funding_time`, `funding_interval_hours`, `funding_rate`.
   * With `dataset: 'metrics'` the statistics of a futures contract each five minutes, null where the exchange has no value.
   *
   * @throws CkvdError `CKVD_PARTIAL` when bars are missing and nothing explains it (gaps in `details`); `CKVD_BANNED` and
   *   `CKVD_RATE_LIMITED` where that is why (with `details.until`); `CKVD_UNAVAILABLE` for a range before the series' first bar
   *   (`details.earliest`); `CKVD_UNKNOWN_SYMBOL`, `CKVD_UNKNOWN_INTERVAL` (`details.supported`), `CKVD_SYMBOL_FORMAT`
   *   (`details.suggestion`), `CKVD_TIME`, `CKVD_USAGE`, `CKVD_POLARS_MISSING`, `CKVD_ORIGIN`, `CKVD_ABORTED`, `CKVD_CLOSED`
   */
  getData(options: GetDataOptions & { readonly returnPolars: true }): Promise<PolarsDataFrame>
  getData(options: GetDataOptions): Promise<Table>
  getData(options: GetDataOptions): Promise<Table | PolarsDataFrame> {
    return this.#client.getData(options)
  }

  /**
   * The rows of `getData` as an async iterator of Arrow Tables of at most `batchRows` rows, in order: what is in memory at once is a day of trades or
   * order books, of all else a month. Each table has the metadata of its part of the range. A part that lacks rows throws when the iterator comes to it.
   * @throws CkvdError as `getData`
   */
  getBatches(options: GetBatchesOptions): AsyncGenerator<Table, void> {
    return this.#client.getBatches(options)
  }

  /** As `getData`, as typed arrays: times are BigInt64Array in microseconds, counts BigInt64Array, prices and volumes Float64Array. */
  getColumns<Name extends ColumnName = ColumnName>(
    options: GetColumnsOptions & { readonly columns?: readonly Name[] | undefined },
  ): Promise<ColumnResult<Name>> {
    return this.#client.getColumns(options)
  }

  /**
   * One column of many symbols side by side, as an Arrow Table: a row for each slot of the interval's grid that starts in the range and whose bar
   * has closed, `open_time` (microseconds) first, then a column a symbol, Float64, in the order asked for. A slot without a bar is null; a
   * bar that opens late stands in its slot, and of two bars in a slot the first. In the schema's metadata `ckvd.gaps` and `ckvd.disputed`
   * are JSON objects: by symbol what `getData` tells there.
   * @throws CkvdError as `getData`, for the first symbol that fails; the others are stopped
   */
  getPanel(options: GetPanelOptions): Promise<Table> {
    return this.#client.getPanel(options)
  }

  /** Stops calls under way with `CKVD_ABORTED` and closes connections, threads and the lake; may be called more than once. */
  close(): Promise<void> {
    return this.#client.close()
  }

  /** As `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What `fetchMarketData` takes: a client's options and a call's in one. */
export interface FetchMarketDataOptions extends GetDataOptions, Omit<CKVDConfig, 'useCache' | 'enforceSource'> {
  /** Binance is the only one */
  readonly provider: DataProvider
  /** spot, USDⓈ-M or COIN-M futures */
  readonly marketType: MarketType
}

/** What `fetchMarketData` gives. */
export interface MarketData<T = Table> {
  /** the rows, as `getData` gives them */
  readonly table: T
  /** wall time of the call, seconds */
  readonly elapsedSeconds: number
  /** rows of `table` */
  readonly recordsCount: number
}

/**
 * One call with a client of its own: `startTime` and `endTime`, `startTime` and `days`, or `endTime` (default: now) and `days`. For more
 * than one call create a client: it shares threads, connections and downloads. Throws as `create` and `getData` do.
 */
export function fetchMarketData(options: FetchMarketDataOptions & { readonly returnPolars: true }): Promise<MarketData<PolarsDataFrame>>
export function fetchMarketData(options: FetchMarketDataOptions): Promise<MarketData>
export async function fetchMarketData(options: FetchMarketDataOptions): Promise<MarketData<Table | PolarsDataFrame>> {
  checkOptions('fetchMarketData', options, "{ provider: 'binance', marketType: 'spot', symbol: 'BTCUSDT', interval: '1h', days: 7 }")
  const known = ['provider', 'marketType', ...OPTION_NAMES, ...CONFIG_NAMES]
  const unknown = Object.keys(options).find((key) => !known.includes(key))
  if (unknown !== undefined) throw unknownOption(unknown, new Set(known))
  const { provider, marketType, lake, maxRetries, logLevel, sources, sandbox, workers, ...call } = options
  const startedMs = performance.now()
  const config = { lake, maxRetries, logLevel, sources, sandbox, workers }
  await using client = CryptoKlineVisionData.create(provider, marketType, config)
  const table = (await client.getData(call)) as Table | PolarsDataFrame
  const recordsCount = 'numRows' in table ? table.numRows : table.height
  return { table, elapsedSeconds: (performance.now() - startedMs) / 1000, recordsCount }
}

/**
 * Larger bars out of smaller ones, on the exchange's own grid: weeks open on Monday, `3d` on days that are 1 modulo 3 since
 * 1970-01-01 (2017-08-17, 2026-07-01), months are the calendar's.
 * Takes a table of `getData` (or any Arrow Table with such columns; rows with nulls are missing bars) or what `getColumns` gives, and gives
 * the same columns: first open, last close, highest high, lowest low, sums of the rest.
 *
 * Sums are exact: the double next to the sum of the published decimals. Where a smaller bar has a volume of 2^26 (67,108,864) or more with
 * over 15 digits, its own double is rounded already, and the sum may be the double beside it.
 *
 * Bars in which smaller ones are missing (an outage, the ends of what was given) are left out, never filled. They are listed in the
 * table's schema metadata under `ckvd.incomplete`: JSON `[{open_time, bars, expected}]`, microseconds (of columns: in `incomplete`).
 *
 * @throws CkvdError `CKVD_USAGE` for something else than bars, when `to` is not made of whole bars of `from`, for a column of another type, for rows out of order
 */
export function resample(table: Table, options: ResampleTableOptions): Table
export function resample<Name extends ColumnName>(
  columns: Pick<ColumnResult<Name>, 'columns'>,
  options: ResampleTableOptions,
): ResampledColumns<Name>
export function resample(
  given: Table | Pick<ColumnResult<keyof ColumnArrays>, 'columns'>,
  options: ResampleTableOptions,
): Table | ResampledColumns {
  checkBars(given)
  return 'columns' in given ? resampleArrays(given, options) : resampleTable(given, options)
}

/**
 * The rows of a table, or of what `getColumns` gives, as plain objects: for JSON, a page, or a test. Times are ISO text with microseconds
 * (`2024-01-05T00:08:00.000000Z`), whole numbers are numbers (text beyond 2^53, which JSON cannot carry), missing values null. For many
 * rows the arrays themselves take a fraction of the memory.
 * @throws CkvdError `CKVD_USAGE` for something else
 */
export function toObjects(given: Table | NamedColumns): PlainRow[] {
  return plainRows(given)
}

/**
 * Sets level and file of the log for clients created from now on in this process; what is left out stays as it is. It does so by setting
 * `CKVD_LOG_LEVEL` and `CKVD_LOG_FILE`, so that child processes follow; a client's own `logLevel` goes before it.
 * @throws CkvdError `CKVD_USAGE`, `CKVD_CONFIG` when the file cannot be written
 */
export function configureLogging(options: { readonly level?: LogLevel | undefined; readonly file?: string | null | undefined }): void {
  const { level, file } = options
  const { settings } = resolveConfig(level === undefined ? {} : { logLevel: level })
  if (typeof file === 'string') createLogger({ level: settings.logLevel, file })
  if (level !== undefined) process.env['CKVD_LOG_LEVEL'] = settings.logLevel
  if (typeof file === 'string') process.env['CKVD_LOG_FILE'] = file
  else if (file === null) delete process.env['CKVD_LOG_FILE']
}

function createClient(market: MarketType, { settings, enforceSource }: ClientSettings): MarketClient {
  const logger = createLogger({
    level: settings.logLevel,
    file: settings.logFile ?? undefined,
    pretty: process.stderr.isTTY ? 'clock' : undefined,
  })
  return new MarketClient({
    settings,
    market,
    enforceSource,
    logger,
    clockMs: createClock(settings),
    env: process.env,
    startSandbox: settings.sandbox ? startOwnSandbox : null,
  })
}
