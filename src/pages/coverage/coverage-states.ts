/** What the page of `ckvd coverage` was made with, and how its days look. */
import type { CoverageData, CoverageRow, CoverageRun, DayState, StateLook } from './coverage-data.ts'
import { readData, svg } from '../dom.ts'
import { MS_PER_DAY, plural, sum } from '../words.ts'

export const DATA = readData<CoverageData>()

/** What a day shows. */
export interface ShownDay {
  readonly state: DayState
  readonly accepted: boolean
  /** bars that are stored of it; null where nobody knows how many each has */
  readonly bars: number | null
}

export function lookOf(state: DayState): StateLook {
  return DATA.looks[state]
}

/** Days and months in words: chunks of some series are months. */
export function describeChunks(rows: readonly CoverageRow[], countIn: (row: CoverageRow) => number): string {
  const months = sum(rows, (row) => (row.monthly ? countIn(row) : 0))
  const days = sum(rows, countIn) - months
  const parts = [days > 0 || months === 0 ? plural(days, 'day') : '', months > 0 ? plural(months, 'month') : '']
  return parts.filter((part) => part !== '').join(', ')
}

/** A state in words. */
export function nameOf(state: DayState): string {
  return state.replace('_', ' ')
}

export function textAt(index: number): string {
  return DATA.texts[index] ?? ''
}

/** Days of a series that are in a state. */
export function daysIn(row: CoverageRow, state: DayState): number {
  return state === 'never_requested' ? row.never : row.days[state]
}

/** Days that are not explained, without those that a person has accepted. */
export function unexplainedDays(row: CoverageRow): number {
  return sum(DATA.unexplained, (state) => row.days[state]) - row.accepted
}

export function stateOf([, , state]: CoverageRun): DayState {
  const found = DATA.states[state]
  if (found === undefined) throw new Error(`Expected one of ${DATA.states.length} states, found number ${state}.`)
  return found
}

/** Bars that are stored of the days of a series that are in a state. */
export function barsIn(row: CoverageRow, state: DayState): number {
  return sum(row.runs, (run) => (stateOf(run) === state ? run[4] : 0))
}

/** Days, or months, of a series that were requested. */
export function recordedDays(row: CoverageRow): number {
  return sum(Object.values(row.days), (days) => days)
}

/** A day's square with its sign. */
export function dayCell({ state, accepted }: Omit<ShownDay, 'bars'>, x: number, y: number, size: number): SVGElement[] {
  const square = svg('rect', { class: `${state}${accepted ? ' accepted' : ''}`, x, y, width: size, height: size, rx: 2 })
  const sign = accepted ? '\u2713' : lookOf(state).sign
  if (sign === '') return [square]
  return [square, svg('text', { class: 'glyph', x: x + size / 2, y: y + size / 2 + 3.2, 'aria-hidden': 'true' }, sign)]
}

// ---- days are counted from 1970, months from year 0, so that a strip is the same whatever its series' chunks are

export function yearOf(day: number): number {
  return new Date(day * MS_PER_DAY).getUTCFullYear()
}

export function monthOf(day: number): number {
  const date = new Date(day * MS_PER_DAY)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

/** First day of a month. */
export function monthStart(month: number): number {
  return Date.UTC(Math.floor(month / 12), month % 12, 1) / MS_PER_DAY
}

/** The day after a run. */
export function runEnd(row: CoverageRow, [start, chunks]: CoverageRun): number {
  return row.monthly ? monthStart(monthOf(start) + chunks) : start + chunks
}

/** Each chunk of a series by its first day, in order. */
export function daysOf(row: CoverageRow): Map<number, ShownDay> {
  const days = new Map<number, ShownDay>()
  for (const run of row.runs) {
    const [start, chunks, , accepted, bars] = run
    const shown = { state: stateOf(run), accepted: accepted === 1, bars: row.even || chunks === 1 ? bars / chunks : null }
    for (let i = 0; i < chunks; i++) days.set(row.monthly ? monthStart(monthOf(start) + i) : start + i, shown)
  }
  return days
}
