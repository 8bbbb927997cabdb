import PQueue from 'p-queue'
import { unknownSymbol } from '../acquire/unknown-symbol.ts'
import { chunkClosedUs, chunkOfUs, chunkRange, nextChunk, previousChunk } from '../dataset/chunk.ts'
import { seriesLabel } from '../dataset/names.ts'
import { findMissing, isOnGrid, isSequence } from '../dataset/expected.ts'
import { rowsWithin } from '../dataset/rows.ts'
import { toldSeries } from '../dataset/told.ts'
import type { RestAnswer } from '../acquire/rest/rest-answer.ts'
import { askRest } from '../acquire/rest/rest-question.ts'
import { CkvdError } from '../errors.ts'
import type { DayRange } from '../lake/ledger.ts'
import type { SeriesRow } from '../lake/catalog/catalog-rows.ts'
import { findRowFlaw } from '../lake/catalog/row-flaw.ts'
import type { Logger } from '../log.ts'
import { firstSlotUs, slotStartUs } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { countDays, dayStartUs } from '../model/utc-day.ts'
import { DayDownloads } from './day-downloads.ts'
import type { DayPart, SourceRun } from './day-parts.ts'
import { acquiredPart } from './day-parts.ts'
import { Flights } from './flights.ts'
import { wordGap } from './gap-evidence.ts'
import { absentPart, isOver, isUnborn, usablePart } from './lake-days.ts'
import type { KlineRows } from './kline-rows.ts'
import { joinParts } from './kline-rows.ts'
import { findUnexplained, unavailable } from './missing-bars.ts'
import { MAX_MOVES, withoutMoved } from '../lake/moved-chunks.ts'
import { explainOpen } from './open-gaps.ts'
import { DataSource } from '../question/names.ts'
import type { KlineQuery } from '../question/query.ts'
import type { ReaderContext } from './reader-context.ts'
import { RestWitness } from './rest-witness.ts'
import { findWholeParts } from './whole-periods.ts'

/** Shards that are found damaged are fetched again; with the second round all of them are known. */
const MAX_ROUNDS = 3

/** The rows of a query, and the error of bars that are missing without explanation, where the query allows them; null: there are none. */
export interface ReadRows extends KlineRows {
  readonly unexplained: CkvdError | null
}

/** The closed days of a query. */
interface ClosedDays {
  readonly parts: readonly DayPart[]
  readonly known: SeriesRow | undefined
  readonly failure: CkvdError | null
  readonly elapsedMs: number
}

/** What an earlier round could not read. */
interface Distrust {
  readonly damaged: ReadonlySet<UtcDay>
  /** ranges with a chunk that may be damaged: they are read chunk by chunk */
  readonly doubts: readonly DayRange[]
}

/** The running day of a query, or all of it. */
interface OpenDays {
  readonly parts: readonly DayPart[]
  readonly elapsedMs: number
}

/** The Failover Control Protocol for klines: lake, then Vision, then REST, for each missing stretch. */
export class KlineReader {
  readonly #context: ReaderContext
  readonly #downloads: DayDownloads
  readonly #stretches = new Flights<RestAnswer>()

  constructor(context: ReaderContext) {
    this.#context = context
    this.#downloads = new DayDownloads(context, new PQueue({ concurrency: context.concurrency }))
  }

  /**
   * The rows of a query, in order, cut to its range, with every empty slot explained.
   * @throws CKVD_PARTIAL when bars are missing without explanation and the query does not allow it (CKVD_BANNED, CKVD_RATE_LIMITED or
   *   CKVD_FORBIDDEN where that is why), CKVD_UNAVAILABLE, CKVD_UNKNOWN_SYMBOL, CKVD_ORIGIN, CKVD_ABORTED, errors of the listing and of the catalog
   */
  async read(query: KlineQuery, log: Logger): Promise<ReadRows> {
    const { series, source } = query
    // a lake of the other origin is refused before anything is asked, also where no day of it is
    if (query.useCache) await this.#context.lake.openCatalog(this.#context.origin(source))
    const nowUs = this.#context.nowMs() * 1000
    const chunks = listChunks(query, nowUs)
    const closed = source === DataSource.REST ? [] : chunks.slice(0, countClosed(chunks, series, nowUs))
    const rest = source === DataSource.AUTO || source === DataSource.REST ? new RestWitness(this.#context.connections.rest) : null
    const tail = this.#readTail(query, chunks.slice(closed.length), nowUs, rest)
    // it is awaited after the closed days: should these fail first, its failure is nobody's any more
    tail.catch(() => undefined)
    const damaged = new Set<UtcDay>()
    const doubts: DayRange[] = []
    for (let [rounds, moves] = [0, 0]; rounds < MAX_ROUNDS && moves < MAX_MOVES;) {
      const { parts, known, failure, elapsedMs } = await this.#readClosed(query, closed, nowUs, { damaged, doubts })
      const open = await tail
      const all = [...parts, ...open.parts]
      const startedMs = performance.now()
      const { rows, bad, doubted } = await joinParts(this.#context.lake.shards, query, all)
      if (bad.length === 0 && doubted.length === 0) {
        reportSteps(query, all, { fetchMs: elapsedMs, joinMs: performance.now() - startedMs, openMs: open.elapsedMs })
        const unexplained = findUnexplained(query, rows, failure ?? rest?.failure ?? null)
        if (unexplained !== null && !(query.allowsHoles && rows.block.openTime.length > 0)) throw unexplained
        if (rows.block.openTime.length === 0 && all.length > 0 && all.every((part) => part.isUnlisted)) throw unavailable(query, known)
        return { ...rows, unexplained }
      }
      doubts.push(...doubted)
      const openCatalog = () => this.#context.lake.openCatalog(this.#context.origin(source))
      const same = await withoutMoved(this.#context.lake.shards, openCatalog, series, bad, query.signal)
      if (same.length === 0) moves++
      else {
        rounds++
        log.warn({ ...toldSeries(series), days: same.map(({ day }) => day) }, 'damaged shards in the lake')
        for (const { day } of same) damaged.add(day)
      }
    }
    throw new CkvdError(
      'CKVD_SHARD_DIGEST',
      `Expected whole shards of ${seriesLabel(series)} in the lake, found damaged ones again and again. Run \`ckvd verify --repair\`.`,
      {
        details: { ...toldSeries(series), days: [...damaged] },
      },
    )
  }

  /** Waits until nothing is under way any more. */
  drain(): Promise<void> {
    return this.#downloads.drain()
  }

  async #readClosed(query: KlineQuery, days: readonly UtcDay[], nowUs: number, { damaged, doubts }: Distrust): Promise<ClosedDays> {
    const first = days[0]
    const last = days.at(-1)
    if (first === undefined || last === undefined) return { parts: [], known: undefined, failure: null, elapsedMs: 0 }
    const { series, source, useCache } = query
    const catalog = useCache ? await this.#context.lake.openCatalog(this.#context.origin(source)) : null
    const startedMs = performance.now()
    // from here to the call of `fetch` nothing may wait: each day is in the lake, on its way, or missing, and a day must not change between
    const reads = source !== DataSource.VISION
    const isDoubted = (day: UtcDay): boolean => damaged.has(day) || doubts.some((range) => day >= range.first && day < range.end)
    const whole = reads && catalog !== null ? findWholeParts(series, days, catalog, isDoubted) : { parts: [], others: days }
    const others = whole.others
    const readRows = (from = first, to = last) => catalog?.readDays(series, from, nextChunk(to, series)) ?? []
    const rows = new Map((others.length === 0 ? [] : readRows(others[0], others.at(-1))).map((row) => [row.day, row]))
    const flawed = [...rows.values()].filter((row) => findRowFlaw(row) !== undefined).map(({ day }) => day)
    const distrusted = flawed.length === 0 ? damaged : new Set([...damaged, ...flawed])
    const known = this.#downloads.known(series, catalog)
    const usable = new Map<UtcDay, DayPart>()
    for (const row of rows.values()) {
      const part = reads && catalog !== null && !distrusted.has(row.day) ? usablePart(query, row, catalog) : undefined
      if (part !== undefined) usable.set(row.day, part)
    }
    const missing = others.filter((day) => !usable.has(day) && !isUnborn(query, day, known) && !isOver(query, day, rows.get(day), known))
    const unlisted = (day: UtcDay): DayPart => acquiredPart(series, day, { kind: 'unlisted' })
    const gapsOf = (day: UtcDay) => catalog?.listGaps(series, day, nextChunk(day, series)) ?? []
    if (source === DataSource.CACHE || missing.length === 0) {
      const absent = new Set(missing)
      const parts = others.map(
        (day) => usable.get(day) ?? (absent.has(day) ? absentPart(series, day, rows.get(day), distrusted.has(day), gapsOf) : unlisted(day)),
      )
      return { parts: inOrder([...whole.parts, ...parts]), known, failure: null, elapsedMs: performance.now() - startedMs }
    }
    // days of a sequence are compared with those beside them
    const all = isSequence(series) ? readRows(previousChunk(first, series), nextChunk(last, series)) : readRows()
    const { outcomes, failure } = await this.#downloads.fetch(query, missing, {
      nowUs,
      rows: new Map(all.map((row) => [row.day, row])),
      damaged: distrusted,
    })
    const parts = others.map((day) => {
      const outcome = outcomes.get(day)
      return usable.get(day) ?? (outcome === undefined ? unlisted(day) : acquiredPart(series, day, outcome, gapsOf))
    })
    return {
      parts: inOrder([...whole.parts, ...parts]),
      known: this.#downloads.known(series, catalog),
      failure,
      elapsedMs: performance.now() - startedMs,
    }
  }

  /** The end of the range that is not closed yet, and with REST enforced all of it: never stored. */
  async #readTail(query: KlineQuery, chunks: readonly UtcDay[], nowUs: number, rest: RestWitness | null): Promise<OpenDays> {
    const { series, range, signal } = query
    const first = chunks[0]
    if (first === undefined) return { parts: [], elapsedMs: 0 }
    const { interval } = series
    const startUs = Math.max(slotStartUs(range.startUs, interval), chunkRange(first, series).startUs)
    // a bar is there once it has closed, what comes by a schedule at once
    const openUs = isOnGrid(series) ? slotStartUs(nowUs, interval) : firstSlotUs(nowUs, interval)
    const stretch = { startUs, endUs: Math.min(firstSlotUs(range.endUs, interval), openUs) }
    if (stretch.startUs >= stretch.endUs) return { parts: [], elapsedMs: 0 }
    const bare = { day: first, row: null, range: stretch, isFull: false, isDisputed: false, isUnlisted: false }
    if (rest === null) {
      const why =
        query.source === DataSource.CACHE
          ? 'the lake never holds a day that is not over'
          : 'Vision has no archive of a day that is not over'
      return {
        parts: [{ ...bare, rows: 0, columns: null, runs: [], evidence: [wordGap({ ...stretch, bars: 0 }, why, false)] }],
        elapsedMs: 0,
      }
    }
    const startedMs = performance.now()
    const key = `${seriesLabel(series)} ${stretch.startUs} ${stretch.endUs}`
    const answers = await this.#stretches.fetch([key], signal, async (_keys, batch) => {
      batch.resolve(key, await askRest(series, [{ ...stretch, bars: 0 }], { times: [], firstUs: null, nowUs }, rest, batch.signal))
    })
    const answer = answers.get(key) as RestAnswer
    if (answer.kind === 'silent' && answer.reason === 'unknown-symbol') throw unknownSymbol(series, true)
    const columns = answer.kind === 'asked' ? rowsWithin(answer.sound, stretch) : null
    const rows = columns?.openTime.length ?? 0
    const gaps = answer.kind === 'asked' ? findMissing(series, answer.sound, stretch) : [{ ...stretch, bars: 0 }]
    const evidence = await explainOpen(series, gaps, answer, { rest, nowUs, signal })
    return {
      parts: [{ ...bare, rows, columns, runs: [{ source: 'REST', end: rows }], evidence }],
      elapsedMs: performance.now() - startedMs,
    }
  }
}

/** How many of some chunks in order have closed: all but the last ones. */
function countClosed(chunks: readonly UtcDay[], series: Series, nowUs: number): number {
  return chunks.findLastIndex((day) => chunkClosedUs(day, series) <= nowUs) + 1
}

function inOrder(parts: DayPart[]): DayPart[] {
  return parts.sort((a, b) => (a.day < b.day ? -1 : 1))
}

/** The chunks in which a range's bars open. One that has not begun to close yet is left out. */
function listChunks({ series, range }: KlineQuery, nowUs: number): UtcDay[] {
  const chunks: UtcDay[] = []
  const endUs = Math.min(range.endUs, nowUs)
  for (let day = chunkOfUs(range.startUs, series); dayStartUs(day) < endUs; day = nextChunk(day, series)) chunks.push(day)
  return chunks
}

/** Tells what each source gave, in the order in which they were asked. */
function reportSteps(query: KlineQuery, parts: readonly DayPart[], spent: { fetchMs: number; joinMs: number; openMs: number }): void {
  const elapsed = { CACHE: spent.joinMs, VISION: spent.fetchMs, REST: spent.openMs > 0 ? spent.openMs : spent.fetchMs }
  for (const source of ['CACHE', 'VISION', 'REST'] as const) {
    const own = parts.filter(({ runs }) => runs.some((run) => run.source === source))
    if (own.length === 0) continue
    const rows = own.reduce((sum, { runs }) => sum + countRows(runs, source), 0)
    query.onStep({ source, days: own.reduce((sum, part) => sum + daysOf(part), 0), rows, elapsedMs: elapsed[source] })
  }
}

function daysOf({ whole }: DayPart): number {
  return whole === undefined ? 1 : countDays(whole.first, whole.end)
}

function countRows(runs: readonly SourceRun[], source: SourceRun['source']): number {
  return runs.reduce((sum, run, i) => sum + (run.source === source ? run.end - (runs[i - 1]?.end ?? 0) : 0), 0)
}
