import type PQueue from 'p-queue'
import { sha256Hex } from '../memory/digest.ts'
import { seriesLabel } from '../dataset/names.ts'
import { toldSeries } from '../dataset/told.ts'
import { isCkvdError } from '../errors.ts'
import type { CkvdError } from '../errors.ts'
import { ListingEdge } from '../acquire/listing-edge.ts'
import type { LedgerReader } from '../lake/ledger.ts'
import type { BeginningRow, DayRow, SeriesRow } from '../lake/catalog/catalog-rows.ts'
import type { WritableLake } from '../lake/lake.ts'
import { storeDay } from '../acquire/store.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { Batch } from './flights.ts'
import { Flights } from './flights.ts'
import { DataSource } from '../question/names.ts'
import type { KlineQuery } from '../question/query.ts'
import type { ReaderContext } from './reader-context.ts'
import { RestWitness } from './rest-witness.ts'
import type { DayOutcome } from './series-days.ts'
import { acquireSeriesDays } from './series-days.ts'

/** What the caller knows of the days that it wants. */
export interface WantedDays {
  readonly nowUs: number
  /** rows of the lake */
  readonly rows: ReadonlyMap<UtcDay, DayRow>
  /** days whose shard in the lake is damaged: their rows count for nothing */
  readonly damaged: ReadonlySet<UtcDay>
}

/** A closed day as it was acquired, and why REST failed meanwhile. */
interface Landed {
  readonly outcome: DayOutcome
  readonly failure: CkvdError | null
}

/** Errors of storing after which the data is as good as before: it is returned without being stored. */
const STORE_ERRORS = ['CKVD_DISK_FULL', 'CKVD_LAKE_IO', 'CKVD_CATALOG', 'CKVD_OPEN_FILES'] as const

/** Closed days on their way from Vision and REST, each for all calls that want it, and into the lake when its lock can be had. */
export class DayDownloads {
  readonly #context: ReaderContext
  readonly #lanes: PQueue
  readonly #edge: ListingEdge
  readonly #flights = new Flights<Landed>()
  readonly #running = new Set<Promise<void>>()
  /** what the listing and REST told of series, for as long as the client lives */
  readonly #known = new Map<string, SeriesRow>()
  /** REST's answers to "the first bar of all", by symbol */
  readonly #beginnings = new Map<string, BeginningRow[]>()

  constructor(context: ReaderContext, lanes: PQueue) {
    this.#context = context
    this.#lanes = lanes
    const { http, listing, urls } = context.connections
    this.#edge = new ListingEdge(
      http,
      listing,
      urls.vision,
      () => context.nowMs() * 1000,
      (note) => context.logger.warn(note),
    )
  }

  /** Where a series begins and ends, as far as an earlier call or the lake knows. */
  known(series: Series, catalog: LedgerReader | null): SeriesRow | undefined {
    return this.#known.get(seriesLabel(series)) ?? catalog?.getSeries(series)
  }

  /** Acquires days, or joins those on their way. Throws CKVD_UNKNOWN_SYMBOL, CKVD_ABORTED, errors of listing and catalog. */
  async fetch(
    query: KlineQuery,
    days: readonly UtcDay[],
    wanted: WantedDays,
  ): Promise<{ outcomes: Map<UtcDay, DayOutcome>; failure: CkvdError | null }> {
    const { series, source, useCache, signal } = query
    const head = `${seriesLabel(series)} ${source} ${useCache ? 'stored' : 'kept out'} `
    const keys = days.map((day) => head + day)
    const landed = await this.#flights.fetch(keys, signal, (missing, batch) => {
      const work = this.#acquire(
        query,
        missing.map((key) => key.slice(head.length) as UtcDay),
        wanted,
        head,
        batch,
      )
      this.#running.add(work)
      return work.finally(() => this.#running.delete(work))
    })
    const outcomes = new Map(days.map((day, i) => [day, (landed.get(keys[i] as string) as Landed).outcome]))
    return { outcomes, failure: [...landed.values()].find((one) => one.failure !== null)?.failure ?? null }
  }

  /** Waits until nothing is under way any more. */
  async drain(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  async #acquire(
    { series, source, useCache, onProgress }: KlineQuery,
    days: readonly UtcDay[],
    wanted: WantedDays,
    head: string,
    batch: Batch<Landed>,
  ): Promise<void> {
    const { connections, lake, pool, origin, nowMs, logger } = this.#context
    const rest = source === DataSource.VISION ? null : new RestWitness(connections.rest)
    const lease = useCache ? lake.lease() : null
    const openWriter = (): Promise<WritableLake | null> => lease?.openWriter(origin() ?? 'binance') ?? Promise.resolve(null)
    // with Vision enforced a day is fetched though the lake has it
    const rows = new Map([...wanted.rows].filter(([day]) => source !== DataSource.VISION && !wanted.damaged.has(day)))
    const store = async (outcome: DayOutcome): Promise<void> => {
      if (outcome.kind !== 'acquired' || !isStored(outcome.day)) return
      const writer = await openWriter()
      if (writer === null) return
      await storeDay(writer, series, outcome.day, writer.catalog.getDay(series, outcome.day.day), () => new Date(nowMs()).toISOString())
    }
    let done = 0
    const reader = await lake.open(undefined)
    const catalog = reader?.catalog ?? null
    const symbol = `${series.market} ${series.symbol}`
    try {
      const known = await acquireSeriesDays(series, days, {
        listing: connections.listing,
        acquire: {
          vision: connections.vision,
          pool: pool(),
          quarantine: async (key, zip, error) => {
            const writer = await openWriter()
            await writer?.quarantine.keep({ key, bytes: zip, sha256: sha256Hex(zip), reason: { ...error.toData() } })
          },
          keepArchive: null,
          crossCheck: false,
          listing: connections.listing,
          edge: this.#edge,
        },
        rest,
        lanes: this.#lanes,
        known: this.known(series, catalog),
        beginnings: {
          list: () => [...(this.#beginnings.get(symbol) ?? []), ...(catalog?.listBeginnings(series) ?? [])],
          put: (row) => void this.#beginnings.set(symbol, [...(this.#beginnings.get(symbol) ?? []), row]),
          inTurn: (_one, work) => work(),
          intervalFor: ({ interval }) => interval,
        },
        lastStored: catalog?.lastDayWithBars(series) ?? null,
        rows,
        lake: useCache ? reader : null,
        nowUs: wanted.nowUs,
        signal: batch.signal,
        signalFor: (part) => batch.split(part.map((day) => head + day)),
        emit: async (day, outcome) => {
          await store(outcome).catch((error: unknown) => {
            if (!isCkvdError(error, ...STORE_ERRORS)) throw error
            logger.error({ ...toldSeries(series), day, code: error.code, details: error.details }, error.message)
          })
          batch.resolve(head + day, { outcome, failure: rest?.failure ?? null })
          onProgress({ done: ++done, total: days.length })
        },
      })
      if (known === undefined) return
      this.#known.set(seriesLabel(series), known)
      const writer = lease === null ? null : await openWriter()
      writer?.catalog.putSeries({ ...known, listedAt: new Date(nowMs()).toISOString() })
      for (const row of this.#beginnings.get(symbol) ?? []) writer?.catalog.putBeginning(row)
    } finally {
      await lease?.release()
    }
  }
}

/**
 * True for a day of which the lake should know: one with bars, or whose lack of bars is settled. A network that failed is no fact about
 * the day, and an ingest finds out by itself what is pending.
 */
function isStored(day: { readonly shard: Uint8Array | null; readonly condition: string }): boolean {
  return day.shard !== null || day.condition === 'outage' || day.condition === 'quarantined'
}
