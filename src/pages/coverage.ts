/** The script of the page of `ckvd coverage`: totals, a legend, and the series with their calendars. */
import type { CoverageRow } from './coverage-data.ts'
import { createSeries } from './coverage-series.ts'
import { DATA, dayCell, daysIn, lookOf, nameOf, unexplainedDays } from './coverage-states.ts'
import { createAxis } from './coverage-strip.ts'
import { byId, chosen, el, fillSelect, listenControls, searched, svg } from './dom.ts'
import { bytes, byText, count, sum } from './words.ts'

/** Series that are drawn at once. */
const PAGE = 300

const { rows } = DATA
const used = DATA.states.filter((state) => rows.some((row) => daysIn(row, state) > 0))

function tile(value: string, name: string, isBad = false): HTMLElement {
  return el('div', { class: isBad ? 'tile bad' : 'tile' }, el('b', {}, value), name)
}

const unexplained = sum(rows, unexplainedDays)
byId('totals').append(
  tile(count(rows.length), 'series'),
  tile(count(sum(rows, (row) => row.rows)), 'bars'),
  tile(bytes(sum(rows, (row) => row.bytes)), 'in shards'),
  tile(count(sum(rows, (row) => row.missing)), 'bars missing'),
  tile(count(sum(rows, (row) => row.gaps.length)), 'gaps'),
  tile(count(unexplained), 'days unexplained', unexplained > 0),
  tile(count(sum(rows, (row) => row.accepted)), 'days accepted by a person (\u2713)'),
)
byId('legend').append(
  ...used.map((state) => {
    const { meaning } = lookOf(state)
    const cell = dayCell({ state, accepted: false }, 1, 1, 14)
    const square = svg('svg', { class: 'calendar', width: 16, height: 16, 'aria-hidden': 'true' }, ...cell)
    const total = count(sum(rows, (row) => daysIn(row, state)))
    return el('span', { class: 'key', title: meaning }, square, `${nameOf(state)} ${total}`, el('span', { class: 'dim' }, meaning))
  }),
)
byId('axis').append(el('span'), createAxis())

// ---- the list

const list = byId('series')
const more = byId('more', HTMLButtonElement)
const nodes = new Map<CoverageRow, HTMLLIElement>()
let shown: readonly CoverageRow[] = []
let drawn = 0

function nodeOf(row: CoverageRow): HTMLLIElement {
  const node = nodes.get(row) ?? createSeries(row)
  nodes.set(row, node)
  return node
}

function drawMore(): void {
  const next = shown.slice(drawn, drawn + PAGE)
  drawn += next.length
  list.append(...next.map(nodeOf))
  more.hidden = drawn >= shown.length
  more.textContent = `Show ${count(Math.min(PAGE, shown.length - drawn))} more of ${count(shown.length)}`
}

/** The rows that the controls ask for. */
function findShown(): CoverageRow[] {
  const [text, market, interval, wanted] = [searched(), chosen('market'), chosen('interval'), chosen('state')]
  const state = used.find((one) => one === wanted)
  return rows.filter(
    (row) =>
      row.symbol.includes(text) &&
      (market === '' || row.market === market) &&
      (interval === '' || row.interval === interval) &&
      (wanted !== 'unexplained' || unexplainedDays(row) > 0) &&
      (state === undefined || daysIn(row, state) > 0),
  )
}

/** Orders of the list, by the value of its control; the one of the data has none. */
const ORDERS: Readonly<Record<string, (a: CoverageRow, b: CoverageRow) => number>> = {
  first: (a, b) => byText(a.first ?? '9', b.first ?? '9'),
  unexplained: (a, b) => unexplainedDays(b) - unexplainedDays(a),
  missing: (a, b) => b.missing - a.missing,
  never: (a, b) => b.never - a.never,
}

function draw(): void {
  const found = findShown()
  const order = ORDERS[chosen('order')]
  if (order !== undefined) found.sort(order)
  shown = found
  list.replaceChildren()
  drawn = 0
  drawMore()
  if (shown.length === 0) {
    const text = rows.length === 0 ? 'The lake holds no series yet.' : 'No series matches. Reset the filters to see all.'
    list.append(el('li', { class: 'dim' }, text))
  }
  byId('status').textContent = `${count(shown.length)} of ${count(rows.length)} series`
}

/** The line of a series that opens it. */
function headAt(index: number): HTMLElement | null {
  return list.children[index]?.querySelector('button') ?? null
}

fillSelect('market', [...new Set(rows.map((row) => row.market))])
fillSelect('interval', [...new Set(rows.map((row) => row.interval))])
byId('state').append(
  el('option', { value: '' }, 'all'),
  el('option', { value: 'unexplained' }, 'with unexplained days'),
  ...used.map((state) => el('option', { value: state }, `with ${nameOf(state)} days`)),
)
more.addEventListener('click', () => {
  const before = drawn
  drawMore()
  headAt(before)?.focus()
})
listenControls(draw)
draw()
headAt(0)?.click()
