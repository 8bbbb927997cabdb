import type { Catalog } from '../lake/catalog.ts'
import { isAccepted } from '../lake/catalog-rows.ts'
import type { Condition } from '../model/condition.ts'
import type { Series } from '../model/series.ts'
import { chunkOfUs, nextChunk } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { dayStartUs } from '../model/utc-day.ts'
import type { LakeFilter } from '../lake/selection.ts'

/** What a chunk of a calendar shows: its condition, or that it is listed and was never requested. */
export type CalendarState = Condition | 'never_requested'

/** Chunks in a row (days, or months for `3d`, `1w`, `1M`) that show the same. */
export interface CalendarRun {
  readonly start: UtcDay
  readonly chunks: number
  readonly state: CalendarState
  /** a person has accepted these unexplained chunks */
  readonly accepted: boolean
}

/** The chunks of a series as runs, in order. Chunks that are neither recorded nor listed are in none. Reads the catalog only. */
export function readCalendar(catalog: Catalog, series: Series, filter: LakeFilter = {}): CalendarRun[] {
  const runs: { start: UtcDay; chunks: number; state: CalendarState; accepted: boolean }[] = []
  let next: UtcDay | undefined
  const add = (day: UtcDay, state: CalendarState, accepted: boolean): void => {
    const last = runs.at(-1)
    if (last !== undefined && day === next && last.state === state && last.accepted === accepted) last.chunks++
    else runs.push({ start: day, chunks: 1, state, accepted })
    next = nextChunk(day, series.interval)
  }
  const listed = listedChunks(catalog, series, filter)
  let expected = listed.next()
  const addUntil = (day: UtcDay | undefined): void => {
    for (; expected.done !== true && (day === undefined || expected.value < day); expected = listed.next())
      add(expected.value, 'never_requested', false)
    if (expected.done !== true && expected.value === day) expected = listed.next()
  }
  for (const row of catalog.iterateDays(series, filter.start, filter.end)) {
    addUntil(row.day)
    add(row.day, row.condition, isAccepted(row))
  }
  addUntil(undefined)
  return runs
}

/** The chunks from the series' first to its last one, as the listing had them, that the filter lets through. */
function* listedChunks(catalog: Catalog, series: Series, filter: LakeFilter): Generator<UtcDay, void> {
  const listed = catalog.getSeries(series)
  if (listed?.firstDay == null || listed.lastDay === null) return
  const born = chunkOfUs(Math.max(listed.firstOpenUs ?? 0, dayStartUs(listed.firstDay)), series.interval)
  for (let day = born; day <= listed.lastDay; day = nextChunk(day, series.interval)) {
    if ((filter.start === undefined || day >= filter.start) && (filter.end === undefined || day < filter.end)) yield day
  }
}
