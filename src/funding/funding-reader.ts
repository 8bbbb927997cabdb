import { sha256Hex } from '../memory/digest.ts'
import { LARGEST_FUNDING_CSV_BYTES } from '../codec/csv/csv-size.ts'
import type { FundingRow } from '../codec/funding.ts'
import { decodeFunding, decodeFundingArchive, encodeFunding, fundingColumns, fundingRows } from '../codec/funding.ts'
import { fundingFolder, fundingStem } from '../dataset/names.ts'
import { abortError, CkvdError, isCkvdError, isFailure } from '../errors.ts'
import { fundingPath } from '../lake/layout.ts'
import { putAll } from '../lake/shard-store.ts'
import type { TimeRange } from '../model/series.ts'
import type { UtcMonth } from '../model/utc-day.ts'
import { addMonths, dayOfUs, dayStartUs, firstDayOf, isoOfUs, monthOf } from '../model/utc-day.ts'
import type { ArchiveEntry } from '../sources/vision/listing.ts'
import type { SourceName } from '../read/day-parts.ts'
import { Flights } from '../read/flights.ts'
import type { FundingGap } from './funding-grid.ts'
import { fillHours, mergeFunding } from './funding-grid.ts'
import type { SourcedRate } from './sourced-rates.ts'
import { findMissing, LOOK_BACK_US, mergeRates, within } from './sourced-rates.ts'
import { fetchFunding } from './funding-rest.ts'
import { DataSource } from '../question/names.ts'
import type { FundingQuery } from '../question/query.ts'
import type { ReaderContext } from '../read/reader-context.ts'
import { isTelling } from '../read/rest-witness.ts'

export interface FundingResult {
  readonly rows: readonly SourcedRate[]
  /** stretches without a rate that was due, each explained */
  readonly gaps: readonly (FundingGap & { readonly evidence: string })[]
}

/** A month as the lake or Vision has it; null: neither has. */
type MonthRows = { readonly source: SourceName; readonly rows: readonly FundingRow[] } | null

type ListedMonth = Pick<ArchiveEntry, 'etag' | 'sizeBytes'>

/** Funding rates: closed months from the lake, else from Vision's monthly archives; REST for what these lack. */
export class FundingReader {
  readonly #context: ReaderContext
  readonly #months = new Flights<MonthRows>()
  readonly #running = new Set<Promise<void>>()

  constructor(context: ReaderContext) {
    this.#context = context
  }

  /**
   * Rates in a range, in order.
   * @throws CKVD_PARTIAL (CKVD_BANNED, CKVD_RATE_LIMITED, CKVD_FORBIDDEN where that is why), CKVD_UNAVAILABLE, CKVD_UNKNOWN_SYMBOL,
   *   CKVD_ABORTED
   */
  async read(query: FundingQuery): Promise<FundingResult> {
    const nowUs = this.#context.nowMs() * 1000
    const range = { startUs: query.range.startUs, endUs: Math.min(query.range.endUs, nowUs) }
    const months = query.source === DataSource.REST ? [] : monthsOf(range).filter((month) => monthRange(month).endUs <= nowUs)
    const startedMs = performance.now()
    const parts = await this.#readMonths(query, months)
    let rows: SourcedRate[] = parts.flatMap((part) => (part === null ? [] : part.rows.map((row) => ({ row, source: part.source }))))
    for (const source of ['CACHE', 'VISION'] as const) {
      const own = parts.filter((part) => part?.source === source)
      const count = own.reduce((sum, part) => sum + (part?.rows.length ?? 0), 0)
      if (own.length > 0) query.onStep({ source, days: own.length, rows: count, elapsedMs: performance.now() - startedMs })
    }
    const gaps = findMissing(rows, range).map((gap) => ({ ...gap, evidence: 'not in the archives' }))
    if (gaps.length === 0) return { rows: within(rows, range), gaps: [] }
    if (query.source === DataSource.CACHE || query.source === DataSource.VISION) throw partial(query, gaps, null)
    rows = mergeRates(rows, await this.#askRest(query, gaps))
    const inside = within(rows, range)
    const left = findMissing(rows, range)
    if (inside.length === 0 && left.length > 0) await this.#checkBorn(query, range)
    return {
      rows: inside,
      gaps: left.map((gap) => ({ ...gap, evidence: `REST asked for ${isoOfUs(gap.startUs)} to ${isoOfUs(gap.endUs)} has none` })),
    }
  }

  async drain(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  /** A range without any rate lies before the contract's first one, or nobody knows the contract: no empty result stands for that. */
  async #checkBorn(query: FundingQuery, range: TimeRange): Promise<void> {
    const { market, symbol } = query
    const all = { startUs: 0, endUs: this.#context.nowMs() * 1000 }
    const first = (await fetchFunding(this.#context.connections, query, all, query.signal, 1))?.[0]
    if (first === undefined) throw unknownContract(query)
    if (first[0] < range.startUs) return
    const message = `Funding rates of ${market} ${symbol} begin at ${isoOfUs(first[0])}: there is none from ${isoOfUs(range.startUs)} to ${isoOfUs(range.endUs)}.`
    throw new CkvdError('CKVD_UNAVAILABLE', message, { details: { market, symbol, earliest: dayOfUs(first[0]) } })
  }

  /** One request for the stretch that holds all gaps. A failure leaves them unexplained. */
  async #askRest(query: FundingQuery, gaps: readonly FundingGap[]): Promise<SourcedRate[]> {
    const startUs = (gaps[0] as FundingGap).startUs - LOOK_BACK_US
    const endUs = (gaps.at(-1) as FundingGap).endUs
    const startedMs = performance.now()
    try {
      const rows = await fetchFunding(this.#context.connections, query, { startUs, endUs }, query.signal)
      if (rows === null) throw unknownContract(query)
      query.onStep({ source: 'REST', days: 1, rows: rows.length, elapsedMs: performance.now() - startedMs })
      return fillHours(rows).map((row) => ({ row, source: 'REST' as const }))
    } catch (error) {
      if (!isFailure(error) || error.code === 'CKVD_UNKNOWN_SYMBOL') throw error
      throw partial(
        query,
        gaps.map((gap) => ({ ...gap, evidence: `REST could not be asked: ${error.code}` })),
        error,
      )
    }
  }

  async #readMonths(query: FundingQuery, months: readonly UtcMonth[]): Promise<MonthRows[]> {
    if (months.length === 0) return []
    const head = `${query.market} ${query.symbol} ${query.source} ${query.useCache ? 'stored' : 'kept out'} `
    const keys = months.map((month) => head + month)
    const landed = await this.#months.fetch(keys, query.signal, (missing, batch) => {
      const work = this.#acquire(
        query,
        missing.map((key) => key.slice(head.length) as UtcMonth),
        batch.signal,
        (month, rows) => batch.resolve(head + month, rows),
      )
      this.#running.add(work)
      return work.finally(() => this.#running.delete(work))
    })
    return keys.map((key) => landed.get(key) ?? null)
  }

  async #acquire(
    query: FundingQuery,
    months: readonly UtcMonth[],
    signal: AbortSignal,
    emit: (month: UtcMonth, rows: MonthRows) => void,
  ): Promise<void> {
    const { source, useCache } = query
    const missing: UtcMonth[] = []
    if (useCache) await this.#context.lake.openCatalog(this.#context.origin(source))
    for (const month of months) {
      const stored = useCache && source !== DataSource.VISION ? await this.#readStored(query, month) : null
      if (stored !== null) emit(month, { source: 'CACHE', rows: stored })
      else missing.push(month)
    }
    if (missing.length === 0) return
    const listed =
      source === DataSource.CACHE
        ? new Map<UtcMonth, ListedMonth>()
        : await this.#context.connections.listing.fetchFundingMonths(query, missing[0] as UtcMonth, signal)
    const lease = useCache ? this.#context.lake.lease() : null
    try {
      for (const month of missing) {
        if (signal.aborted) throw abortError(signal)
        const archive = listed.get(month)
        emit(month, archive === undefined ? null : await this.#fetchMonth(query, month, archive, signal, lease))
      }
    } finally {
      await lease?.release()
    }
  }

  async #readStored({ market, symbol }: FundingQuery, month: UtcMonth): Promise<FundingRow[] | null> {
    const { shards } = this.#context.lake
    const path = fundingPath(market, symbol, month)
    try {
      const bytes = await shards.get(path)
      return bytes === undefined ? null : fundingRows(decodeFunding(bytes, { market, symbol, month }))
    } catch (error) {
      if (!isCkvdError(error, 'CKVD_SHARD_FORMAT')) throw error
      this.#context.logger.warn({ path: shards.placeOf(path), code: error.code }, 'damaged file of funding rates in the lake')
      return null
    }
  }

  /** A month's archive, verified, and stored when the lake can be had; null when its content cannot be believed. */
  async #fetchMonth(
    query: FundingQuery,
    month: UtcMonth,
    archive: ListedMonth,
    signal: AbortSignal,
    lease: ReturnType<ReaderContext['lake']['lease']> | null,
  ): Promise<MonthRows> {
    const { market, symbol } = query
    const { connections, origin } = this.#context
    const stem = fundingStem(symbol, month)
    const key = `${fundingFolder(market, symbol)}${stem}.zip`
    const fetched = await connections.vision.fetchArchive(key, { ...archive, mostBytes: LARGEST_FUNDING_CSV_BYTES, signal })
    const writer = lease === null ? null : await lease.openWriter(origin() ?? 'binance')
    try {
      const { rows, sha256 } = await decodeFundingArchive(fetched.zip, fetched.checksum, stem)
      const range = monthRange(month)
      const own = mergeFunding(
        [],
        rows.filter(([timeUs]) => timeUs >= range.startUs && timeUs < range.endUs),
      )
      const meta = { market, symbol, month, archiveKey: key, archiveSha256: sha256, archiveEtag: fetched.etag ?? archive.etag }
      if (writer != null)
        await putAll(writer.shards, [{ path: fundingPath(market, symbol, month), bytes: encodeFunding(fundingColumns(own), meta) }])
      return { source: 'VISION', rows: own }
    } catch (error) {
      if (!isCkvdError(error) || error.about !== 'content') throw error
      this.#context.logger.warn({ key, code: error.code }, error.message)
      const reason = { ...error.toData() }
      await writer?.quarantine.keep({ key, bytes: fetched.zip, sha256: sha256Hex(fetched.zip), reason })
      return null
    }
  }
}

function unknownContract({ market, symbol }: FundingQuery): CkvdError {
  return new CkvdError('CKVD_UNKNOWN_SYMBOL', `REST knows no funding rate of the contract ${symbol} of ${market}. Check the symbol.`, {
    details: { market, symbol },
  })
}

function monthRange(month: UtcMonth): TimeRange {
  return { startUs: dayStartUs(firstDayOf(month)), endUs: dayStartUs(firstDayOf(addMonths(month, 1))) }
}

function monthsOf({ startUs, endUs }: TimeRange): UtcMonth[] {
  const months: UtcMonth[] = []
  for (let month = monthOf(dayOfUs(startUs)); monthRange(month).startUs < endUs; month = addMonths(month, 1)) months.push(month)
  return months
}

function partial(
  { market, symbol }: FundingQuery,
  gaps: readonly (FundingGap & { readonly evidence: string })[],
  cause: CkvdError | null,
): CkvdError {
  const details = {
    market,
    symbol,
    gaps: gaps.slice(0, 100).map(({ startUs, endUs, bars, evidence }) => ({ start: startUs, end: endUs, bars, evidence })),
  }
  if (isTelling(cause)) return cause.with(details)
  const first = gaps[0]
  const message = `Funding rates of ${market} ${symbol} are missing, the first from ${isoOfUs(first?.startUs ?? 0)}: ${first?.evidence ?? ''}.`
  return new CkvdError('CKVD_PARTIAL', message, { details, cause: cause ?? undefined })
}
