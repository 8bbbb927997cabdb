import { nextChunk } from '../../dataset/chunk.ts'
import { datasetOf } from '../../dataset/registry.ts'
import type { LedgerReader } from '../../lake/ledger.ts'
import { isAccepted } from '../../lake/day-facts.ts'
import type { DayState } from '../../pages/coverage/coverage-data.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { ALL_LISTED, readRequested } from '../../lake/requested.ts'
import type { LakeFilter } from '../../lake/selection.ts'

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Chunks in a row (days, or months for `3d`, `1w`, `1M`) that show the same. */
export interface CalendarRun {
  readonly start: UtcDay
  readonly chunks: number
  readonly state: DayState
  /** a person has accepted these unexplained chunks */
  readonly accepted: boolean
  /** bars that are stored of them; where a grid says how many there are, each chunk has the same number */
  readonly bars: number
}

/** The chunks of a series as runs, in order. Chunks before and after all that are recorded or listed are in none. Reads the catalog only. */
export function readCalendar(catalog: LedgerReader, series: Series, filter: LakeFilter = {}): CalendarRun[] {
  const runs: Writable<CalendarRun>[] = []
  // rows that are as published differ from day to day: a run a day would tell no more
  const isEven = hasGrid(series)
  let next: UtcDay | undefined
  const add = (run: CalendarRun): void => {
    const last = runs.at(-1)
    if (last !== undefined && run.start === next && joins(last, run, isEven)) {
      last.chunks += run.chunks
      last.bars += run.bars
    } else runs.push({ ...run })
  }
  for (const { row, never } of readRequested(catalog, series, filter, { ...ALL_LISTED, end: filter.end ?? ALL_LISTED.end })) {
    if (never === undefined) add({ start: row.day, chunks: 1, state: row.condition, accepted: isAccepted(row), bars: row.rows })
    else add({ start: never.first, chunks: never.days, state: 'never_requested', accepted: false, bars: 0 })
    next = nextChunk(never === undefined ? row.day : never.last, series)
  }
  return runs
}

/** True where the rows of a chunk can be counted beforehand. */
export function hasGrid(series: Series): boolean {
  return datasetOf(series).completeness.kind === 'grid'
}

function joins(last: CalendarRun, run: CalendarRun, isEven: boolean): boolean {
  const alike = last.state === run.state && last.accepted === run.accepted
  return alike && (!isEven || last.bars * run.chunks === run.bars * last.chunks)
}
