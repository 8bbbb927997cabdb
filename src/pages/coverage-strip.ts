/** A series in one line: each month by its worst day, under the years of all series. */
import type { CoverageRow, DayState } from './coverage-data.ts'
import { DATA, lookOf, monthOf, runEnd, stateOf } from './coverage-states.ts'
import { el, svg } from './dom.ts'

const RANK = Object.keys(DATA.looks) as DayState[]
const HEIGHT = 18

let firstMonth = Infinity
let lastMonth = -Infinity
for (const row of DATA.rows) {
  const [first, last] = [row.runs[0], row.runs.at(-1)]
  if (first === undefined || last === undefined) continue
  firstMonth = Math.min(firstMonth, monthOf(first[0]))
  lastMonth = Math.max(lastMonth, monthOf(runEnd(row, last) - 1))
}
const months = Math.max(1, lastMonth - firstMonth + 1)

/** The years above the strips. */
export function createAxis(): HTMLElement {
  const axis = el('div')
  if (firstMonth === Infinity) return axis
  for (let year = Math.ceil(firstMonth / 12); year * 12 <= lastMonth; year++)
    axis.append(el('span', { style: `left:${(100 * (year * 12 - firstMonth)) / months}%` }, String(year)))
  return axis
}

export function createStrip(row: CoverageRow): SVGElement {
  const ranks = worstByMonth(row)
  const strip = svg('svg', { class: 'strip', viewBox: `0 0 ${months} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' })
  for (let month = firstMonth; month <= lastMonth;) {
    const rank = ranks.get(month)
    let width = 1
    while (month + width <= lastMonth && ranks.get(month + width) === rank) width++
    const state = rank === undefined ? undefined : RANK[rank]
    if (state !== undefined) strip.append(bar(state, month - firstMonth, width))
    month += width
  }
  return strip
}

function bar(state: DayState, x: number, width: number): SVGElement {
  const { height } = lookOf(state)
  return svg('rect', { class: state, x, y: HEIGHT - height, width, height, 'vector-effect': 'non-scaling-stroke' })
}

function worstByMonth(row: CoverageRow): Map<number, number> {
  const worst = new Map<number, number>()
  for (const run of row.runs) {
    const rank = RANK.indexOf(stateOf(run))
    const last = monthOf(runEnd(row, run) - 1)
    for (let month = monthOf(run[0]); month <= last; month++) worst.set(month, Math.max(worst.get(month) ?? -1, rank))
  }
  return worst
}
