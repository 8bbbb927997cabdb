import { chunkEndUs, chunkRange, nextChunk } from '../dataset/chunk.ts'
import type { DayRow, SeriesRow } from '../lake/catalog/catalog-rows.ts'
import { countsAsExplained, reasonOf } from '../lake/day-facts.ts'
import type { LedgerReader } from '../lake/ledger.ts'
import type { EvidencedGap } from '../model/evidence.ts'
import { isProof } from '../model/evidence.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs } from '../model/utc-day.ts'
import { DataSource } from '../question/names.ts'
import type { KlineQuery } from '../question/query.ts'
import type { DayPart } from './day-parts.ts'
import { storedPart } from './day-parts.ts'
import { wordGap } from './gap-evidence.ts'

/*
 * What the lake alone tells of a chunk of a query: its rows, that the series had not begun or was over, or that there is nothing.
 */

/**
 * A stored chunk whose rows may be returned as they are: it is explained, or it is partial or disputed and nothing is unexplained that is
 * missing in the part that is asked for. A pending one is asked for again; a disputed one is for `ingest` to settle, here it is told.
 */
export function usablePart({ series, range }: KlineQuery, row: DayRow, catalog: LedgerReader): DayPart | undefined {
  if (row.condition === 'pending') return undefined
  const gaps =
    row.condition === 'complete' || row.condition === 'provisional' ? [] : catalog.listGaps(series, row.day, nextChunk(row.day, series))
  if (countsAsExplained(row)) return storedPart(series, row, gaps)
  if (row.shardSha256 === null || (row.condition !== 'partial' && row.condition !== 'disputed')) return undefined
  const touches = gaps.some((gap) => !isProof(gap.evidence) && gap.startUs < range.endUs && gap.endUs > range.startUs)
  return touches ? undefined : storedPart(series, row, gaps)
}

/**
 * True when the whole chunk lies before the series' first bar. What the archives told while REST could not be asked holds for the lake
 * alone: REST may know earlier bars.
 */
export function isUnborn({ series, source }: KlineQuery, day: UtcDay, known: SeriesRow | undefined): boolean {
  if (known?.firstOpenUs == null || chunkEndUs(day, series) > known.firstOpenUs) return false
  return known.firstSource === 'rest' || known.firstSource === 'archives' || source === DataSource.CACHE
}

/**
 * True of a chunk after the series' end, as the lake has it, of which nothing else is told. That holds for the lake alone, too: whether the
 * series is still over, the exchange is asked.
 */
export function isOver({ source }: KlineQuery, day: UtcDay, row: DayRow | undefined, known: SeriesRow | undefined): boolean {
  return source === DataSource.CACHE && row === undefined && known?.endedUs != null && dayStartUs(day) >= known.endedUs
}

/** A chunk of which the lake alone is asked, and which it has not, or not so that it could be returned. */
export function absentPart(
  series: Series,
  day: UtcDay,
  row: DayRow | undefined,
  isDamaged: boolean,
  gapsOf: (day: UtcDay) => readonly EvidencedGap[],
): DayPart {
  const range: TimeRange = chunkRange(day, series)
  const why = isDamaged
    ? 'its shard in the lake is damaged, or missing'
    : row === undefined
      ? 'not in the lake'
      : `${row.condition} in the lake: ${reasonOf(row, gapsOf(day))}`
  const evidence = [wordGap({ ...range, bars: 0 }, why, false)]
  return { day, rows: 0, columns: null, row: null, runs: [], range, isFull: false, isDisputed: false, isUnlisted: false, evidence }
}
