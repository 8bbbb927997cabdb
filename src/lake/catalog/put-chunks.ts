import { chunkRange, nextChunk } from '../../dataset/chunk.ts'
import { seriesLabel } from '../../dataset/names.ts'
import { toEvidenceData } from '../../model/evidence.ts'
import type { Series } from '../../model/series.ts'
import { dayNumber, dayStartUs } from '../../model/utc-day.ts'
import type { CatalogWrite, DayRow } from './catalog-rows.ts'
import { DAY_COLUMNS, gapOutside, KLINES } from './catalog-rows.ts'
import type { Binding, Statements } from './catalog-statements.ts'
import { saysTheSame, storedTogether, storedValues } from './stored-rows.ts'

/*
 * How chunks are written into the catalog, inside of a transaction: those that follow each other as a run, and of a run by one statement
 * those that say the same.
 */

const DAY_KEYS = Object.values(DAY_COLUMNS)

/** Chunks that follow each other, in order. */
export function runsOf(batch: readonly CatalogWrite[]): CatalogWrite[][] {
  const runs: CatalogWrite[][] = []
  let label = ''
  let next = ''
  for (const write of batch) {
    const own = seriesLabel(write.row)
    const last = runs.at(-1)
    if (last !== undefined && own === label && write.row.day === next) last.push(write)
    else runs.push([write])
    label = own
    next = nextChunk(write.row.day, write.row)
  }
  return runs
}

/** @param run chunks that follow each other */
export function putRun(sql: Statements, run: readonly CatalogWrite[]): void {
  const [first, last] = [run[0], run.at(-1)]
  if (first === undefined || last === undefined) return
  const key = keyOf(first.row)
  sql.nameSeries.run(key)
  // of all of them at once: nearly no chunk has gaps
  sql.deleteGaps.run([...key, dayStartUs(first.row.day), chunkRange(last.row.day, last.row).endUs])
  const [id] = sql.getId.get(key) as [number]
  for (const rows of alikeOf(run)) putRows(sql, id, rows)
  for (const write of run) putBeside(sql, key, write)
}

/** The rows of chunks that follow each other, those together that say the same. */
function alikeOf(run: readonly CatalogWrite[]): DayRow[][] {
  const groups: DayRow[][] = []
  for (const { row } of run) {
    const last = groups.at(-1)
    if (last?.[0] !== undefined && saysTheSame(last[0], row)) last.push(row)
    else groups.push([row])
  }
  return groups
}

/** @param rows of one series, which say the same */
function putRows(sql: Statements, id: number, rows: readonly DayRow[]): void {
  const together = storedTogether(rows)
  if (together !== undefined) return void sql.putStoredTogether.run([id, together.own, ...together.values])
  for (const row of rows) {
    const stored = storedValues(row)
    if (stored === undefined) sql.putDay.run([row.dataset ?? KLINES, ...DAY_KEYS.map((name) => row[name])])
    else sql.putStored.run([id, dayNumber(row.day), ...stored])
  }
}

/** What hangs on a chunk. Its gaps of before are deleted already. */
function putBeside(sql: Statements, key: readonly Binding[], { row, gaps, revision }: CatalogWrite): void {
  if (gaps.length === 0 && revision === undefined) return
  const { startUs, endUs } = chunkRange(row.day, row)
  for (const gap of gaps) {
    if (gap.startUs < startUs || gap.startUs >= endUs) throw gapOutside(row, gap)
    sql.putGap.run([...key, gap.startUs, gap.endUs, gap.bars, JSON.stringify(toEvidenceData(gap.evidence, { notes: true }))])
  }
  if (revision === undefined) return
  const { archiveEtag, archiveSha256, shardSha256, changedRows, replacedAt } = revision
  sql.putRevision.run([...key, row.day, revision.revision, archiveEtag, archiveSha256, shardSha256, changedRows, replacedAt])
}

/** What names a series in every statement, in this order. */
export function keyOf(series: Series): Binding[] {
  return [series.dataset ?? KLINES, series.market, series.symbol, series.interval]
}
