import { nextChunk } from '../../dataset/chunk.ts'
import type { LedgerReader } from '../../lake/ledger.ts'
import { isAccepted } from '../../lake/day-facts.ts'
import type { DayState } from '../../pages/coverage-data.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { ALL_LISTED, readRequested } from '../../lake/requested.ts'
import type { LakeFilter } from '../../lake/selection.ts'

/** Chunks in a row (days, or months for `3d`, `1w`, `1M`) that show the same. */
export interface CalendarRun {
  readonly start: UtcDay
  readonly chunks: number
  readonly state: DayState
  /** a person has accepted these unexplained chunks */
  readonly accepted: boolean
}

/** The chunks of a series as runs, in order. Chunks before and after all that are recorded or listed are in none. Reads the catalog only. */
export function readCalendar(catalog: LedgerReader, series: Series, filter: LakeFilter = {}): CalendarRun[] {
  const runs: { start: UtcDay; chunks: number; state: DayState; accepted: boolean }[] = []
  let next: UtcDay | undefined
  const add = (start: UtcDay, chunks: number, state: DayState, accepted: boolean): void => {
    const last = runs.at(-1)
    if (last !== undefined && start === next && last.state === state && last.accepted === accepted) last.chunks += chunks
    else runs.push({ start, chunks, state, accepted })
  }
  for (const { row, never } of readRequested(catalog, series, filter, ALL_LISTED)) {
    if (never === undefined) add(row.day, 1, row.condition, isAccepted(row))
    else add(never.first, never.days, 'never_requested', false)
    next = nextChunk(never === undefined ? row.day : never.last, series)
  }
  return runs
}
