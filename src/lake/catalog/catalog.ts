import type Database from 'libsql'
import { chunkRange, nextChunk } from '../../dataset/chunk.ts'
import { CkvdError } from '../../errors.ts'
import type { EvidencedGap } from '../../model/evidence.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { countDays, dayNumber, dayOfNumber, dayStartUs } from '../../model/utc-day.ts'
import { LAKE } from '../layout.ts'
import type { DayRange, Ledger, WholeDays, WholePack, WrittenPack } from '../ledger.ts'
import type { CatalogMode } from './catalog-file.ts'
import { closeCatalogFile, openCatalogFile } from './catalog-file.ts'
import type { BeginningRow, CatalogWrite, DayRow, RawRow, RevisionRow, RunRow, SeriesRow } from './catalog-rows.ts'
import { datasetPart, evidenceOf, revisionRowOf, runRowOf, seriesRowOf } from './catalog-rows.ts'
import { keyOf, putRun, runsOf } from './put-chunks.ts'
import { dayRowOf, dayRowsOf } from './stored-rows.ts'
import type { MigrationProgress } from './catalog-versions.ts'
import type { Statements } from './catalog-statements.ts'
import { prepareStatements } from './catalog-statements.ts'
import { sqliteError } from '../../disk/sqlite.ts'

/** Days and times before and after all others. */
const FIRST_DAY = '0000-00-00' as UtcDay
const LAST_DAY = '9999-99-99' as UtcDay
const ALL = -1
/** Rows that an iteration holds at once. */
const PAGE_ROWS = 1000

/** The ledger of a lake in a directory: an SQLite file, which any number of readers may have open beside one writer. */
export class Catalog implements Ledger {
  readonly place: string
  readonly #database: Database.Database
  readonly #mode: CatalogMode
  #statements: Statements | undefined

  /** Use `openCatalog`. */
  constructor(path: string, mode: CatalogMode, progress?: MigrationProgress) {
    this.place = path
    this.#mode = mode
    this.#database = openCatalogFile(path, mode, progress)
    try {
      this.#statements = prepareStatements(this.#database)
    } catch (error) {
      this.#database.close()
      throw sqliteError(error, 'open the catalog', path, LAKE)
    }
  }

  getSeries(series: Series): SeriesRow | undefined {
    const raw = this.#use('read', (sql) => sql.getSeries.get(keyOf(series)))
    return raw === undefined ? undefined : seriesRowOf(raw as RawRow)
  }

  listSeries(): SeriesRow[] {
    return this.#use('read', (sql) => sql.listSeries.all([])).map((raw) => seriesRowOf(raw as RawRow))
  }

  /** A catalog that was rebuilt has these alone. */
  listStoredSeries(): Series[] {
    const rows = this.#use('read', (sql) => sql.listStoredSeries.all([])) as [string, Series['market'], string, Series['interval']][]
    return rows.map(([dataset, market, symbol, interval]) => ({ ...datasetPart(dataset), market, symbol, interval }))
  }

  putSeries(row: SeriesRow): void {
    this.#use('write', (sql) =>
      sql.putSeries.run([
        ...keyOf(row),
        row.firstDay,
        row.lastDay,
        row.firstOpenUs,
        row.firstSource,
        row.lastOpenUs,
        row.endedUs,
        row.phase,
        row.listedAt,
        row.firstForms,
      ]),
    )
  }

  getDay(series: Series, day: UtcDay): DayRow | undefined {
    const raw = this.#use('read', (sql) => sql.getDay.get([...keyOf(series), day]))
    return raw === undefined ? undefined : dayRowOf(raw as RawRow, series)
  }

  readDays(series: Series, from: UtcDay = FIRST_DAY, to: UtcDay = LAST_DAY): DayRow[] {
    return this.#readPage(series, from, to, ALL)
  }

  /** A page at a time: no read transaction stays open between rows. */
  *iterateDays(series: Series, from: UtcDay = FIRST_DAY, to: UtcDay = LAST_DAY): Generator<DayRow, void> {
    for (let start: UtcDay = from; ;) {
      const page = this.#readPage(series, start, to, PAGE_ROWS)
      yield* page
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_ROWS) return
      start = nextChunk(last.day, series)
    }
  }

  findWhole(series: Series, ranges: readonly DayRange[], bars: number): WholeDays[] {
    const packs = this.#findPacks(series, ranges, bars)
    const proven: WholeDays[] = []
    const others: DayRange[] = []
    for (const { first, end } of ranges) {
      const pack = packs.find((one) => one.first <= first && one.end >= end)
      if (pack === undefined) others.push({ first, end })
      else proven.push({ first, end, rows: countDays(first, end) * bars, digests: '', pack })
    }
    return others.length === 0 ? proven : [...proven, ...this.#findWholeDays(series, others, bars)]
  }

  #findPacks(series: Series, ranges: readonly DayRange[], bars: number): WholePack[] {
    const [first, last] = [ranges[0], ranges.at(-1)]
    if (first === undefined || last === undefined) return []
    const bounds = [dayNumber(first.first), dayNumber(last.end), bars]
    const rows = this.#use('read', (sql) => sql.findPacks.all([...keyOf(series), ...bounds])) as [number, number, string][]
    return rows.map(([from, end, sha256]) => ({ first: dayOfNumber(from) as UtcDay, end: dayOfNumber(end) as UtcDay, sha256 }))
  }

  #findWholeDays(series: Series, ranges: readonly DayRange[], bars: number): WholeDays[] {
    const bounds = JSON.stringify(ranges.map(({ first, end }) => [dayNumber(first), dayNumber(end)]))
    const found = this.#use('read', (sql) => sql.findWhole.all([bounds, ...keyOf(series), bars])) as [number, number, string][]
    return found.flatMap(([place, rows, digests]) => {
      const range = ranges[place]
      return range === undefined ? [] : [{ ...range, rows, digests }]
    })
  }

  countSettled(series: Series, from: UtcDay, to: UtcDay, bars: number): number {
    return (this.#use('read', (sql) => sql.countSettled.get([...keyOf(series), dayNumber(from), dayNumber(to), bars])) as [number])[0]
  }

  listGaps(series: Series, from?: UtcDay, to?: UtcDay): EvidencedGap[] {
    const startUs = from === undefined ? 0 : dayStartUs(from)
    const endUs = to === undefined ? Number.MAX_SAFE_INTEGER : dayStartUs(to)
    const rows = this.#use('read', (sql) => sql.listGaps.all([...keyOf(series), startUs, endUs])) as [number, number, number, string][]
    return rows.map(([start, end, bars, evidence]) => ({ startUs: start, endUs: end, bars, evidence: evidenceOf(evidence) }))
  }

  readDaysSince(series: Series, since: string): DayRow[] {
    return this.#use('read', (sql) => sql.readDaysSince.all([...keyOf(series), Date.parse(since), since])).map((raw) =>
      dayRowOf(raw as RawRow, series),
    )
  }

  readRevisionsSince(series: Series, since: string): RevisionRow[] {
    const rows = this.#use('read', (sql) => sql.readRevisionsSince.all([...keyOf(series), Date.parse(since), since]))
    return rows.map((raw) => revisionRowOf(raw as RawRow, series))
  }

  lastDayWithBars(series: Series): UtcDay | null {
    return (this.#use('read', (sql) => sql.lastDayWithBars.get(keyOf(series))) as [UtcDay | null])[0]
  }

  listBeginnings({ market, symbol }: Pick<Series, 'market' | 'symbol'>): BeginningRow[] {
    const rows = this.#use('read', (sql) => sql.listBeginnings.all([market, symbol])) as [Series['interval'], number][]
    return rows.map(([interval, firstOpenUs]) => ({ market, symbol, interval, firstOpenUs }))
  }

  putBeginning(row: BeginningRow): void {
    this.#use('write', (sql) => sql.putBeginning.run([row.market, row.symbol, row.interval, row.firstOpenUs]))
  }

  /** In one transaction. */
  commit(batch: readonly CatalogWrite[], packs: readonly WrittenPack[] = []): void {
    if (batch.length === 0) return
    this.#transaction((sql) => {
      for (const run of runsOf(batch)) putRun(sql, run)
      for (const { series, first, end, sha256 } of packs)
        sql.putPack.run([Buffer.from(sha256, 'hex'), ...keyOf(series), dayNumber(first), dayNumber(end)])
    })
  }

  deleteDay(series: Series, day: UtcDay): void {
    const { startUs, endUs } = chunkRange(day, series)
    const key = keyOf(series)
    this.#transaction((sql) => {
      sql.deleteDay.run([...key, day])
      sql.deleteRevisions.run([...key, day])
      sql.deleteGaps.run([...key, startUs, endUs])
    })
  }

  deleteSeries(series: Series): void {
    const key = keyOf(series)
    this.#transaction((sql) => {
      // the series itself last: the others are found by its number
      for (const statement of [sql.deleteAllDays, sql.deleteAllGaps, sql.deleteAllRevisions, sql.deleteSeries]) statement.run(key)
      if (series.dataset === undefined) sql.deleteBeginnings.run(key.slice(1))
    })
  }

  setAccepted(series: Series, day: UtcDay, reason: string): void {
    this.#use('write', (sql) => sql.setAccepted.run([reason, ...keyOf(series), day]))
  }

  listRuns(): RunRow[] {
    return this.#use('read', (sql) => sql.listRuns.all([])).map((raw) => runRowOf(raw as RawRow))
  }

  startRun(run: { readonly startedAt: string; readonly command: string }): number {
    return (this.#use('write', (sql) => sql.startRun.get([run.startedAt, run.command])) as [number])[0]
  }

  endRun(id: number, end: { readonly endedAt: string; readonly counts: unknown; readonly exit: number }): void {
    this.#use('write', (sql) => sql.endRun.run([end.endedAt, JSON.stringify(end.counts) ?? null, end.exit, id]))
  }

  /** Closes the file; may be called more than once. */
  close(): void {
    if (this.#statements === undefined) return
    this.#statements = undefined
    try {
      closeCatalogFile(this.#database, this.#mode)
    } catch (error) {
      throw sqliteError(error, 'close the catalog', this.place, LAKE)
    }
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #readPage(series: Series, from: UtcDay, to: UtcDay, limit: number): DayRow[] {
    const bounds = [dayNumber(from), dayNumber(to)]
    const [text] = this.#use('read', (sql) => sql.readDays.get([...keyOf(series), ...bounds, limit])) as [string]
    return dayRowsOf(text, series)
  }

  #use<T>(verb: 'read' | 'write', action: (sql: Statements) => T): T {
    if (this.#statements === undefined) throw new CkvdError('CKVD_BUG', `Expected an open catalog, but ${this.place} is closed.`)
    try {
      return action(this.#statements)
    } catch (error) {
      throw sqliteError(error, `${verb} the catalog`, this.place, LAKE)
    }
  }

  #transaction(action: (sql: Statements) => void): void {
    this.#use('write', (sql) => {
      sql.begin.run([])
      try {
        action(sql)
        sql.commit.run([])
      } catch (error) {
        // a full disk may have rolled back already
        if (this.#database.inTransaction) sql.rollback.run([])
        throw error
      }
    })
  }
}

/**
 * Opens the catalog at `path`. `write` creates it and is only for the holder of the lake's lock; `read` works beside a writer,
 * sees what is committed and never writes. `progress` is told while an older version is migrated. Throws as `openCatalogFile` does.
 */
export function openCatalog(
  path: string,
  options: { readonly mode: CatalogMode; readonly progress?: MigrationProgress | undefined },
): Catalog {
  return new Catalog(path, options.mode, options.progress)
}
