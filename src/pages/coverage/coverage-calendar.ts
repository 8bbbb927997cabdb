/** A year of a series: a square for each day, or for each month where its chunks are months. */
import type { CoverageRow, DayState } from './coverage-data.ts'
import type { ShownDay } from './coverage-states.ts'
import { dayCell, monthOf, monthStart, nameOf, yearOf } from './coverage-states.ts'
import { el, svg } from '../dom.ts'
import { count, MONTH_NAMES } from '../words.ts'

const LABEL_HEIGHT = 14
const DAY_SIZE = 13
const MONTH_SIZE = 26

/** Where the days of a year lie: weeks side by side, or months in one line. */
interface Layout {
  readonly size: number
  readonly columns: number
  readonly lines: number
  /** column and line of a day */
  readonly placeOf: (day: number) => readonly [column: number, line: number]
  readonly dayAt: (column: number, line: number) => number
  /** by how many days an arrow key moves */
  readonly steps: Readonly<Record<string, number>>
}

function layoutOf(year: number, monthly: boolean): Layout {
  if (monthly) {
    return {
      ...{ size: MONTH_SIZE, columns: 12, lines: 1 },
      placeOf: (day) => [monthOf(day) % 12, 0],
      dayAt: (column) => monthStart(year * 12 + column),
      steps: { ArrowLeft: -1, ArrowRight: 1 },
    }
  }
  const newYear = monthStart(year * 12)
  const firstMonday = newYear - weekday(newYear)
  return {
    ...{ size: DAY_SIZE, columns: 54, lines: 7 },
    placeOf: (day) => [Math.floor((day - firstMonday) / 7), weekday(day)],
    dayAt: (column, line) => firstMonday + column * 7 + line,
    steps: { ArrowLeft: -7, ArrowRight: 7, ArrowUp: -1, ArrowDown: 1 },
  }
}

/** Monday is 0; 1970-01-01 was a Thursday. */
function weekday(day: number): number {
  return (day + 3) % 7
}

/** @param tell is told the day that is pointed at */
export function createYear(row: CoverageRow, year: number, shown: ReadonlyMap<number, ShownDay>, tell: (day: number) => void): HTMLElement {
  const layout = layoutOf(year, row.monthly)
  const days = [...shown.keys()].filter((day) => yearOf(day) === year)
  const calendar = drawDays(year, layout, days, shown)
  const cursor = new Cursor(calendar, layout, days, tell)
  calendar.addEventListener('keydown', (event) => cursor.onKey(event, row.monthly))
  calendar.addEventListener('focus', () => cursor.onFocus())
  calendar.addEventListener('pointermove', (event) => cursor.onPointer(event))
  return el('div', { class: 'year' }, el('b', {}, String(year)), el('div', { class: 'scroll' }, calendar))
}

function drawDays(year: number, { size, columns, lines, placeOf }: Layout, days: readonly number[], shown: ReadonlyMap<number, ShownDay>) {
  const calendar = svg('svg', {
    ...{ class: 'calendar', width: columns * size, height: LABEL_HEIGHT + lines * size },
    ...{ tabindex: 0, role: 'group', 'aria-roledescription': 'calendar' },
  })
  for (const [month, name] of MONTH_NAMES.entries()) {
    const x = placeOf(monthStart(year * 12 + month))[0] * size
    calendar.append(svg('text', { class: 'label', x, y: 9, 'aria-hidden': 'true' }, name))
  }
  const counts = new Map<DayState, number>()
  for (const day of days) {
    const found = shown.get(day)
    if (found === undefined) continue
    counts.set(found.state, (counts.get(found.state) ?? 0) + 1)
    const [column, line] = placeOf(day)
    calendar.append(...dayCell(found, column * size, LABEL_HEIGHT + line * size, size - 2))
  }
  const words = [...counts].map(([state, number]) => `${count(number)} ${nameOf(state)}`)
  calendar.setAttribute('aria-label', `${year}: ${words.join(', ')}`)
  return calendar
}

/** The day of a calendar that is pointed at. Of all calendars of the page one shows it. */
class Cursor {
  readonly #calendar: SVGElement
  readonly #layout: Layout
  readonly #days: readonly number[]
  readonly #tell: (day: number) => void
  readonly #frame: SVGElement
  /** index in `days` */
  #at = -1

  constructor(calendar: SVGElement, layout: Layout, days: readonly number[], tell: (day: number) => void) {
    this.#calendar = calendar
    this.#layout = layout
    this.#days = days
    this.#tell = tell
    const size = layout.size - 2
    this.#frame = svg('rect', { class: 'cursor', width: size, height: size, rx: 2, visibility: 'hidden' })
    calendar.append(this.#frame)
  }

  onKey(event: KeyboardEvent, monthly: boolean): void {
    const step = this.#layout.steps[event.key]
    if (event.key === 'Home') this.#go(0)
    else if (event.key === 'End') this.#go(this.#days.length - 1)
    else if (step === undefined) return
    else if (this.#at < 0) this.#go(0)
    else this.#go(monthly ? this.#at + step : this.#indexFrom((this.#days[this.#at] ?? 0) + step))
    event.preventDefault()
  }

  onFocus(): void {
    if (this.#at < 0 && this.#calendar.matches(':focus-visible')) this.#go(0)
  }

  onPointer(event: PointerEvent): void {
    const { size, lines, dayAt } = this.#layout
    const box = this.#calendar.getBoundingClientRect()
    const column = Math.floor((event.clientX - box.left) / size)
    const line = Math.floor((event.clientY - box.top - LABEL_HEIGHT) / size)
    if (line >= 0 && line < lines) this.#go(this.#days.indexOf(dayAt(column, line)))
  }

  /** Index of the first day from `day` on; -1 outside of the days. */
  #indexFrom(day: number): number {
    return day < (this.#days[0] ?? 0) ? -1 : this.#days.findIndex((one) => one >= day)
  }

  #go(index: number): void {
    const day = this.#days[index]
    if (day === undefined) return
    this.#at = index
    for (const other of document.querySelectorAll('.cursor')) other.setAttribute('visibility', 'hidden')
    const [column, line] = this.#layout.placeOf(day)
    this.#frame.setAttribute('x', String(column * this.#layout.size))
    this.#frame.setAttribute('y', String(LABEL_HEIGHT + line * this.#layout.size))
    this.#frame.setAttribute('visibility', 'visible')
    this.#tell(day)
  }
}
