/** How many of the shown symbols were live on each day: a line for each market, from a symbol's first to its last day. */
import type { Row } from './availability-rows.ts'
import { SHOWN_MARKETS, SPAN } from './availability-rows.ts'
import { byId, el, svg } from '../dom.ts'
import { createTicks, yearStarts } from '../time-axis.ts'
import { count, dayName, dayNumber } from '../words.ts'

const HEIGHT = 100
const LENGTH = SPAN.end - SPAN.first
const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -30, ArrowRight: 30, Home: -Infinity, End: Infinity }

/** Live symbols of a market, by the days of the span. */
interface Line {
  readonly market: Row['market']
  readonly live: readonly number[]
}

const told = el('p', { class: 'told', role: 'status' })
const drawing = el('div', { class: 'drawing' })
const legend = el('p', { class: 'legend' })
let lines: readonly Line[] = []
let cursor = LENGTH - 1

/** Puts the curve into the page; `drawCurve` draws it. */
export function createCurve(): void {
  byId('curve').append(legend, drawing, createTicks(SPAN), told)
}

/** Draws the curve of the shown symbols. */
export function drawCurve(rows: readonly Row[]): void {
  lines = SHOWN_MARKETS.map((market) => ({ market, live: countLive(rows.filter((row) => row.market === market)) }))
  const most = Math.max(1, ...lines.flatMap(({ live }) => live.reduce((a, b) => Math.max(a, b), 0)))
  const curve = svg('svg', {
    ...{ viewBox: `0 0 ${LENGTH} ${HEIGHT}`, preserveAspectRatio: 'none', tabindex: 0, role: 'img', 'aria-label': describe(LENGTH - 1) },
  })
  for (const year of yearStarts(SPAN))
    curve.append(svg('line', { class: 'year', x1: year - SPAN.first, x2: year - SPAN.first, y1: 0, y2: HEIGHT }))
  curve.append(...lines.map(({ market, live }) => svg('path', { class: `live ${market}`, d: pathOf(live, most) })))
  const mark = svg('line', { class: 'mark', y1: 0, y2: HEIGHT, visibility: 'hidden' })
  curve.append(mark)
  listen(curve, mark)
  drawing.replaceChildren(curve, el('span', { class: 'most' }, count(most)))
  legend.replaceChildren(...lines.map(({ market, live }) => legendKey(market, live.at(-1) ?? 0)))
  told.textContent = describe(LENGTH - 1)
}

function countLive(rows: readonly Row[]): number[] {
  const changes = new Array<number>(LENGTH + 1).fill(0)
  for (const row of rows) {
    change(changes, dayNumber(row.first), 1)
    if (!row.live) change(changes, dayNumber(row.last) + 1, -1)
  }
  let live = 0
  return changes.slice(0, LENGTH).map((by) => (live += by))
}

function change(changes: number[], day: number, by: number): void {
  const at = Math.min(LENGTH, day - SPAN.first)
  changes[at] = (changes[at] ?? 0) + by
}

/** Steps: a point where the number changes. */
function pathOf(live: readonly number[], most: number): string {
  const y = (number: number): number => Math.round((HEIGHT - 2 - ((HEIGHT - 4) * number) / most) * 100) / 100
  let path = `M0 ${y(live[0] ?? 0)}`
  for (let day = 1; day < live.length; day++) if (live[day] !== live[day - 1]) path += `H${day}V${y(live[day] ?? 0)}`
  return `${path}H${LENGTH}`
}

function legendKey(market: Row['market'], now: number): HTMLElement {
  const sample = svg('svg', { width: 26, height: 10, 'aria-hidden': 'true' }, svg('path', { class: `live ${market}`, d: 'M0 5H26' }))
  return el('span', { class: 'key' }, sample, `${market} ${count(now)}`)
}

function describe(at: number): string {
  return `${dayName(SPAN.first + at)}: ${lines.map(({ market, live }) => `${market} ${count(live[at] ?? 0)}`).join(', ')}`
}

function listen(curve: SVGElement, mark: SVGElement): void {
  const go = (at: number): void => {
    cursor = Math.min(LENGTH - 1, Math.max(0, at))
    mark.setAttribute('visibility', 'visible')
    for (const end of ['x1', 'x2']) mark.setAttribute(end, String(cursor + 0.5))
    told.textContent = describe(cursor)
  }
  curve.addEventListener('pointermove', (event) => {
    const box = curve.getBoundingClientRect()
    go(Math.floor((LENGTH * (event.clientX - box.left)) / box.width))
  })
  curve.addEventListener('keydown', (event) => {
    const step = STEPS[event.key]
    if (step === undefined) return
    go(cursor + step)
    event.preventDefault()
  })
}
