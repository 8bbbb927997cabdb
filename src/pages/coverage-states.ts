/** What the page of `ckvd coverage` was made with, and how its days look. */
import { US_PER_DAY } from '../model/utc-day.ts'
import type { CoverageData, CoverageRow, CoverageRun, DayState, StateLook } from './coverage-data.ts'
import { readData, svg } from './dom.ts'
import { sum } from './words.ts'

export const DATA = readData<CoverageData>()

/** What a day shows. */
export interface ShownDay {
  readonly state: DayState
  readonly accepted: boolean
}

export function lookOf(state: DayState): StateLook {
  return DATA.looks[state]
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

/** A day's square with its sign. */
export function dayCell({ state, accepted }: ShownDay, x: number, y: number, size: number): SVGElement[] {
  const square = svg('rect', { class: `${state}${accepted ? ' accepted' : ''}`, x, y, width: size, height: size, rx: 2 })
  const sign = accepted ? '\u2713' : lookOf(state).sign
  if (sign === '') return [square]
  return [square, svg('text', { class: 'glyph', x: x + size / 2, y: y + size / 2 + 3.2, 'aria-hidden': 'true' }, sign)]
}

// ---- days are counted from 1970, months from year 0, so that a strip is the same whatever its series' chunks are

const MS_PER_DAY = US_PER_DAY / 1000

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
    const [start, chunks, , accepted] = run
    const shown = { state: stateOf(run), accepted: accepted === 1 }
    for (let i = 0; i < chunks; i++) days.set(row.monthly ? monthStart(monthOf(start) + i) : start + i, shown)
  }
  return days
}
