import { CkvdError } from '../../src/errors.ts'
import type { BeginningRow, CatalogWrite, DayRow, RevisionRow, RunRow, SeriesRow } from '../../src/lake/catalog/catalog-rows.ts'
import type { DayRange, Ledger, WholeDays } from '../../src/lake/ledger.ts'
import { CONDITIONS, isExplained } from '../../src/model/condition.ts'
import type { EvidencedGap } from '../../src/model/evidence.ts'
import type { Series } from '../../src/model/series.ts'
import { chunkRange } from '../../src/dataset/chunk.ts'
import { seriesLabel } from '../../src/dataset/names.ts'
import type { UtcDay } from '../../src/model/utc-day.ts'
import { countDays, dayStartUs } from '../../src/model/utc-day.ts'

/** What is known of one series. */
interface Known {
  readonly series: Series
  row: SeriesRow | undefined
  days: ReadonlyMap<UtcDay, DayRow>
  gaps: readonly EvidencedGap[]
  revisions: readonly RevisionRow[]
}

/**
 * A ledger without a database, which takes a moment to record, as one far away does. It shows that the suite of ledgers asks for nothing that
 * only SQLite has.
 */
export class MemoryLedger implements Ledger {
  readonly place = 'memory:ledger'
  #known = new Map<string, Known>()
  readonly #beginnings = new Map<string, BeginningRow>()
  readonly #runs = new Map<number, RunRow>()
  #isOpen = true

  close(): void {
    this.#isOpen = false
  }

  getSeries(series: Series): SeriesRow | undefined {
    return this.#find(series)?.row
  }

  listSeries(): SeriesRow[] {
    return this.#inOrder().flatMap(({ row }) => (row === undefined ? [] : [row]))
  }

  listStoredSeries(): Series[] {
    return this.#inOrder().flatMap(({ days, series }) => (days.size === 0 ? [] : [series]))
  }

  getDay(series: Series, day: UtcDay): DayRow | undefined {
    return this.#find(series)?.days.get(day)
  }

  readDays(series: Series, from?: UtcDay, to?: UtcDay): DayRow[] {
    return [...(this.#find(series)?.days.values() ?? [])]
      .filter(({ day }) => (from === undefined || day >= from) && (to === undefined || day < to))
      .sort((a, b) => (a.day < b.day ? -1 : 1))
  }

  *iterateDays(series: Series, from?: UtcDay, to?: UtcDay): Generator<DayRow, void> {
    yield* this.readDays(series, from, to)
  }

  findWhole(series: Series, ranges: readonly DayRange[], bars: number): WholeDays[] {
    return ranges.flatMap(({ first, end }) => {
      const rows = this.readDays(series, first, end)
      const isWhole = rows.every(
        (row) =>
          (row.condition === 'complete' || row.condition === 'provisional') &&
          row.rows === bars &&
          row.expected === bars &&
          row.shardBytes === bars * 88,
      )
      if (!isWhole || rows.length !== countDays(first, end)) return []
      return [{ first, end, rows: rows.length * bars, digests: rows.map(({ shardSha256 }) => shardSha256).join('') }]
    })
  }

  countSettled(series: Series, from: UtcDay, to: UtcDay, bars: number): number {
    return this.readDays(series, from, to).filter(
      ({ condition, rows, expected, recheck, shardSha256 }) =>
        condition === 'complete' && rows === bars && expected === bars && recheck === 0 && shardSha256 !== null,
    ).length
  }

  listGaps(series: Series, from?: UtcDay, to?: UtcDay): EvidencedGap[] {
    const startUs = from === undefined ? -Infinity : dayStartUs(from)
    const endUs = to === undefined ? Infinity : dayStartUs(to)
    return [...(this.#find(series)?.gaps ?? [])]
      .filter((gap) => gap.startUs >= startUs && gap.startUs < endUs)
      .sort((a, b) => a.startUs - b.startUs)
  }

  readDaysSince(series: Series, since: string): DayRow[] {
    return this.readDays(series).filter(({ updatedAt }) => updatedAt >= since)
  }

  readRevisionsSince(series: Series, since: string): RevisionRow[] {
    return (this.#find(series)?.revisions ?? [])
      .filter(({ replacedAt }) => replacedAt >= since)
      .sort((a, b) => (a.day === b.day ? a.revision - b.revision : a.day < b.day ? -1 : 1))
  }

  listRuns(): RunRow[] {
    this.#check()
    return [...this.#runs.values()]
  }

  lastDayWithBars(series: Series): UtcDay | null {
    return this.readDays(series).findLast(({ rows }) => rows > 0)?.day ?? null
  }

  listBeginnings({ market, symbol }: Pick<Series, 'market' | 'symbol'>): BeginningRow[] {
    return [...this.#beginnings.values()].filter((row) => row.market === market && row.symbol === symbol)
  }

  async commit(batch: readonly CatalogWrite[]): Promise<void> {
    this.#check()
    await new Promise((resolve) => setImmediate(resolve))
    const next = new Map(this.#known)
    for (const write of batch) next.set(seriesLabel(write.row), withChunk(next.get(seriesLabel(write.row)) ?? nothingOf(write.row), write))
    this.#known = next
  }

  putSeries(row: SeriesRow): void {
    this.#known.set(seriesLabel(row), { ...(this.#find(row) ?? nothingOf(row)), row })
  }

  putBeginning(row: BeginningRow): void {
    this.#check()
    this.#beginnings.set(seriesLabel(row), row)
  }

  setAccepted(series: Series, day: UtcDay, accepted: string): void {
    const known = this.#find(series)
    const row = known?.days.get(day)
    if (known !== undefined && row !== undefined) known.days = new Map(known.days).set(day, { ...row, accepted })
  }

  deleteDay(series: Series, day: UtcDay): void {
    const known = this.#find(series)
    if (known === undefined) return
    known.days = new Map([...known.days].filter(([one]) => one !== day))
    known.gaps = outside(known.gaps, series, day)
    known.revisions = known.revisions.filter((one) => one.day !== day)
  }

  deleteSeries(series: Series): void {
    this.#check()
    this.#known.delete(seriesLabel(series))
    this.#beginnings.delete(seriesLabel(series))
  }

  startRun({ startedAt, command }: Parameters<Ledger['startRun']>[0]): number {
    this.#check()
    const id = this.#runs.size + 1
    this.#runs.set(id, { id, startedAt, endedAt: null, command, counts: null, exit: null })
    return id
  }

  endRun(id: number, { endedAt, counts, exit }: Parameters<Ledger['endRun']>[1]): void {
    this.#check()
    const run = this.#runs.get(id)
    if (run !== undefined) this.#runs.set(id, { ...run, endedAt, counts: JSON.stringify(counts), exit })
  }

  #find(series: Series): Known | undefined {
    this.#check()
    return this.#known.get(seriesLabel(series))
  }

  #inOrder(): Known[] {
    this.#check()
    return [...this.#known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, known]) => known)
  }

  #check(): void {
    if (!this.#isOpen) throw new CkvdError('CKVD_CATALOG', `${this.place} is closed.`)
  }
}

function nothingOf({ market, symbol, interval }: Series): Known {
  return { series: { market, symbol, interval }, row: undefined, days: new Map(), gaps: [], revisions: [] }
}

function withChunk(known: Known, { row, gaps, revision }: CatalogWrite): Known {
  const { startUs, endUs } = chunkRange(row.day, row)
  if (!CONDITIONS.includes(row.condition)) throw new CkvdError('CKVD_BUG', `No condition: ${row.condition}.`)
  if (gaps.some((gap) => gap.startUs < startUs || gap.startUs >= endUs)) throw new CkvdError('CKVD_BUG', `A gap outside of ${row.day}.`)
  const before = known.days.get(row.day)
  const isSame = before?.condition === row.condition && !isExplained(row.condition)
  const accepted = row.accepted ?? (isSame ? before.accepted : null)
  return {
    ...known,
    days: new Map(known.days).set(row.day, { ...row, accepted }),
    gaps: [...outside(known.gaps, row, row.day), ...gaps],
    revisions: revision === undefined ? known.revisions : [...known.revisions, revision],
  }
}

/** The gaps that are of other chunks. */
function outside(gaps: readonly EvidencedGap[], series: Series, day: UtcDay): EvidencedGap[] {
  const { startUs, endUs } = chunkRange(day, series)
  return gaps.filter((gap) => gap.startUs < startUs || gap.startUs >= endUs)
}
