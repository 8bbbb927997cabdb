import { randomBytes } from 'node:crypto'
import type { Table } from 'apache-arrow'
import type { Settings } from '../../config/settings.ts'
import type { NamedSources } from '../../config/source-urls.ts'
import { urlsFor, withSources } from '../../config/source-urls.ts'
import { misplacedMessage } from '../acquire/rest/address-account.ts'
import { connectionSettings } from '../acquire/rest/connection-settings.ts'
import { createConnections } from '../acquire/connections.ts'
import { NearMisses } from '../acquire/near-misses.ts'
import { DecodePool } from '../acquire/decode-pool.ts'
import type { Dataset } from '../dataset/dataset.ts'
import { FUNDING_RATE } from '../dataset/sets/funding.ts'
import { abortError, CkvdError, isCkvdError, toCkvdError } from '../errors.ts'
import type { Origin } from '../lake/origin.ts'
import { answeredOrigin } from '../lake/origin.ts'
import type { Logger } from '../log.ts'
import type { KlineColumn, KlineColumns } from '../model/kline.ts'
import { KLINE_COLUMNS } from '../model/kline.ts'
import type { Market } from '../model/market.ts'
import { listenAbort } from '../waiting.ts'
import type { ReadGap } from '../read/gap-evidence.ts'
import { KlineReader } from '../read/kline-reader.ts'
import { LakeAccess } from '../read/lake-access.ts'
import type { MissingBars } from '../read/missing-bars.ts'
import { describeGaps } from '../read/missing-bars.ts'
import { DataSource } from '../question/names.ts'
import type { PolarsDataFrame } from './polars.ts'
import { toPolars } from './polars.ts'
import type { ColumnName, GetColumnsOptions, GetDataOptions, KlineQuery, QueryDefaults, TableForm } from '../question/query.ts'
import { checkOptions, parseFundingQuery, parseKlineQuery, parseRowsQuery, parseTableForm } from '../question/query.ts'
import { parseAskedDataset } from '../question/asked-dataset.ts'
import type { GetPanelOptions } from '../question/panel-query.ts'
import { parsePanelQuery } from '../question/panel-query.ts'
import type { GetBatchesOptions } from './batches.ts'
import { parseBatchRows, readBatches } from './batches.ts'
import { createFundingTable } from './funding-table.ts'
import { createPanel, readPanel } from './panel.ts'
import { createTable, DISPUTED_KEY } from './table.ts'

/** The typed array of each column. */
export type ColumnArrays = {
  readonly [Name in ColumnName]: Name extends 'open_time' | 'close_time' | 'count' ? BigInt64Array : Float64Array
}

/** What `getColumns` gives: the arrays themselves, all of one length. */
export interface ColumnResult<Name extends ColumnName = ColumnName> {
  /** length of every array */
  readonly rows: number
  /** by name: times and counts BigInt64Array (times in microseconds), the others Float64Array */
  readonly columns: Pick<ColumnArrays, Name>
  /** stretches of the range without bars, each explained; times in microseconds */
  readonly gaps: readonly MissingBars[]
  /** days (months for `3d`, `1w`, `1M`) with rows here that two sources give differently, and no third decides; none that a person accepted */
  readonly disputed: readonly string[]
}

/** An exchange that a client starts for itself. */
export interface OwnSandbox {
  readonly urls: NamedSources
  close(): Promise<void>
}

export interface ClientOptions {
  readonly settings: Settings
  readonly market: Market
  readonly enforceSource: DataSource
  readonly logger: Logger
  /** a clock that runs, epoch ms; `CKVD_NOW` shifts it */
  readonly clockMs: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  /** starts the embedded exchange of `sandbox: true`; null where the sources are settled already */
  readonly startSandbox: ((clockMs: () => number) => Promise<OwnSandbox>) | null
}

/** What a client has opened. */
interface Runtime {
  /** As `KlineReader.read`; an unknown symbol's error names what was probably meant. */
  readonly readKlines: (query: KlineQuery, log: Logger) => ReturnType<KlineReader['read']>
  /** undefined while neither a source nor the lake has told */
  origin(): Origin | undefined
  close(): Promise<void>
}

const QUERY_EXAMPLE = "{ symbol: 'BTCUSDT', interval: '1h', days: 7 }"
const PANEL_EXAMPLE = "{ symbols: ['BTCUSDT', 'ETHUSDT'], interval: '1h', column: 'close', days: 7 }"

/** One market's data by the Failover Control Protocol. Nothing is opened before the first call. */
export class MarketClient {
  readonly #options: ClientOptions
  readonly #closing = new AbortController()
  #runtime: Promise<Runtime> | undefined
  #calls = 0
  #onIdle: (() => void)[] = []
  #closed: Promise<void> | undefined

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** See `CryptoKlineVisionData.getData`. */
  async getData(options: GetDataOptions): Promise<Table | PolarsDataFrame> {
    checkOptions('getData', options, QUERY_EXAMPLE)
    const form = parseTableForm(options, this.#defaults())
    const table = await this.#table(this.#queryOf(options, parseAskedDataset(options)), form)
    if (form.returnPolars) this.#warnOfDisputed(table)
    return form.returnPolars ? toPolars(table) : table
  }

  /** A DataFrame has no metadata in which its disputed days could stand. */
  #warnOfDisputed({ schema: { metadata } }: Table): void {
    const days = metadata.get(DISPUTED_KEY)
    if (days === undefined || days === '[]') return
    const [market, symbol, interval] = ['ckvd.market', 'ckvd.symbol', 'ckvd.interval'].map((key) => metadata.get(key))
    const message = 'two sources contradict each other on these days, and no third decides'
    this.#options.logger.warn({ market, symbol, interval, days: JSON.parse(days) as unknown }, message)
  }

  /**
   * As `getData` of bars in an Arrow Table, but bars that are missing without explanation are told, not refused, where there are others:
   * `unexplained` is what `getData` would throw.
   */
  async getWithHoles(options: GetDataOptions): Promise<{ table: Table; gaps: readonly ReadGap[]; unexplained: CkvdError | null }> {
    const query = { ...parseKlineQuery(options, this.#defaults()), allowsHoles: true }
    const rows = await this.#call(query, (runtime, own, log) => runtime.readKlines(own, log))
    return { table: createTable(query, rows, parseTableForm(options, this.#defaults())), gaps: rows.gaps, unexplained: rows.unexplained }
  }

  /** See `CryptoKlineVisionData.getBatches`. */
  getBatches(options: GetBatchesOptions): AsyncGenerator<Table, void> {
    checkOptions('getBatches', options, QUERY_EXAMPLE)
    const { batchRows, ...asked } = options
    const form = parseTableForm({ ...asked, returnPolars: false }, this.#defaults())
    const query = this.#queryOf(asked, parseAskedDataset(asked))
    return readBatches(query, parseBatchRows(batchRows), (range) => this.#table({ ...query, range }, form))
  }

  #queryOf(options: GetDataOptions, dataset: Dataset): KlineQuery {
    if (dataset.name === FUNDING_RATE.name) return parseFundingQuery(options, this.#defaults())
    return dataset.rules !== null ? parseKlineQuery(options, this.#defaults()) : parseRowsQuery(options, this.#defaults(), dataset)
  }

  async #table(query: KlineQuery, form: TableForm): Promise<Table> {
    const rows = await this.#call(query, (runtime, own, log) => runtime.readKlines(own, log))
    const isFunding = query.series.dataset === FUNDING_RATE.name
    return isFunding ? createFundingTable(query.series, rows, form.includeSourceInfo) : createTable(query, rows, form)
  }

  /** See `CryptoKlineVisionData.getColumns`. */
  async getColumns<Name extends ColumnName>(
    options: GetColumnsOptions & { readonly columns?: readonly Name[] | undefined },
  ): Promise<ColumnResult<Name>> {
    checkOptions('getColumns', options, QUERY_EXAMPLE)
    const query = parseKlineQuery(options, this.#defaults())
    const { block, gaps, disputed } = await this.#call(query, (runtime, own, log) => runtime.readKlines(own, log))
    const wanted = KLINE_COLUMNS.filter(({ name }) => query.columns === null || query.columns.includes(name as ColumnName))
    const columns = Object.fromEntries(wanted.map(({ key, name }): [string, KlineColumns[KlineColumn] | undefined] => [name, block[key]]))
    return {
      rows: block.openTime.length,
      columns: columns as unknown as Pick<ColumnArrays, Name>,
      gaps: describeGaps(query.series, gaps),
      disputed,
    }
  }

  /** See `CryptoKlineVisionData.getPanel`. */
  async getPanel(options: GetPanelOptions): Promise<Table> {
    checkOptions('getPanel', options, PANEL_EXAMPLE)
    const panel = parsePanelQuery(options, this.#defaults())
    const parts = await this.#call(panel, ({ readKlines }, { signal }, log) => readPanel(panel, (query) => readKlines(query, log), signal))
    return createPanel(panel, parts)
  }

  /** Where the data of the calls so far is from; undefined where nothing has told. */
  async readOrigin(): Promise<Origin | undefined> {
    return (await this.#runtime)?.origin()
  }

  /** Stops what is under way, then closes everything; may be called more than once. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort(new CkvdError('CKVD_ABORTED', 'The client was closed.'))
    if (this.#calls > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
    // a runtime that could not be opened left nothing open
    const runtime = await this.#runtime?.catch(() => undefined)
    await runtime?.close()
  }

  #defaults(): QueryDefaults {
    const { settings, market, enforceSource, clockMs } = this.#options
    return { market, enforceSource, useCache: settings.enableCache, usePolarsOutput: settings.usePolarsOutput, nowMs: clockMs() }
  }

  /** Runs one request: with a signal of its own, a trace id in its log lines, and counted, so that closing can wait for it. */
  async #call<Query extends { readonly signal: AbortSignal }, T>(
    query: Query,
    work: (runtime: Runtime, query: Query, log: Logger) => Promise<T>,
  ): Promise<T> {
    if (this.#closing.signal.aborted) throw new CkvdError('CKVD_CLOSED', 'Expected an open client, but it is closed. Create another one.')
    const log = this.#options.logger.child({ trace: randomBytes(4).toString('hex') })
    const stop = new AbortController()
    const forward = (from: AbortSignal): (() => void) => {
      if (from.aborted) stop.abort(abortError(from))
      return listenAbort(from, () => stop.abort(abortError(from)))
    }
    const stopListening = [forward(query.signal), forward(this.#closing.signal)]
    const startedMs = performance.now()
    this.#calls++
    try {
      if (stop.signal.aborted) throw abortError(stop.signal)
      this.#runtime ??= this.#open()
      const result = await work(await this.#runtime, { ...query, signal: stop.signal }, log)
      log.debug({ elapsedMs: Math.round(performance.now() - startedMs) }, 'request served')
      return result
    } catch (thrown) {
      const error = toCkvdError(thrown)
      // at DEBUG: the caller has the error itself, and decides what becomes of it
      log.debug({ code: error.code, elapsedMs: Math.round(performance.now() - startedMs) }, error.message)
      throw error
    } finally {
      for (const end of stopListening) end()
      if (--this.#calls === 0) for (const resolve of this.#onIdle.splice(0)) resolve()
    }
  }

  async #open(): Promise<Runtime> {
    const { clockMs, env, logger, market } = this.#options
    const sandbox = this.#options.startSandbox === null ? null : await this.#options.startSandbox(clockMs)
    const settings = sandbox === null ? this.#options.settings : withSources(this.#options.settings, sandbox.urls)
    const lake = new LakeAccess(settings.lake, logger)
    const connections = createConnections({
      ...connectionSettings(settings),
      clockMs,
      env,
      onMisplaced: (error, path) => logger.warn({ code: error.code, path }, misplacedMessage(error, path)),
    })
    const { http } = connections
    http.clock.onSkew = (message) => logger.warn(message)
    let pool: DecodePool | undefined
    const asked = urlsFor(connections.urls, [market])
    const origin = (source?: DataSource): Origin | undefined =>
      answeredOrigin({ sandbox: settings.sandbox, urls: source === DataSource.CACHE ? [] : asked }, http)
    const context = {
      connections,
      pool: () => (pool ??= new DecodePool({ workers: settings.workers })),
      lake,
      concurrency: settings.concurrency,
      origin,
      nowMs: () => http.clock.notAfter(clockMs()),
      logger,
    }
    const klines = new KlineReader(context)
    const nearMisses = new NearMisses(connections.listing)
    return {
      async readKlines(query, log) {
        try {
          return await klines.read(query, log)
        } catch (thrown) {
          // a source that is named is asked alone
          if (!isCkvdError(thrown) || query.source !== DataSource.AUTO) throw thrown
          throw await nearMisses.advise(thrown, query.series, query.signal)
        }
      },
      origin: () => lake.origin ?? origin(),
      async close() {
        await klines.drain()
        await Promise.all([pool?.close(), connections.close(), lake.close(), sandbox?.close()])
      },
    }
  }
}
