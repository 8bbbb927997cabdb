/** The script of the page of `ckvd coverage`: totals, a legend, and the series with their calendars. */
import { listenAddress, writeAddress } from '../address.ts'
import type { CoverageRow, DayState } from './coverage-data.ts'
import type { SeriesNode } from './coverage-series.ts'
import { createSeries } from './coverage-series.ts'
import { barsIn, DATA, dayCell, daysIn, describeChunks, lookOf, nameOf, recordedDays, unexplainedDays } from './coverage-states.ts'
import { partsOf, spanOf } from './coverage-strip.ts'
import { byId, chosen, el, fillSelect, listenControls, searched, svg } from '../dom.ts'
import { createTicks } from '../time-axis.ts'
import { bytes, byText, count, dayName, plural, sum } from '../words.ts'

/** Series that are drawn at once. */
const PAGE = 300

const { rows } = DATA
const used = DATA.states.filter((state) => rows.some((row) => daysIn(row, state) > 0))

function tile(value: string, name: string, isBad = false): HTMLElement {
  return el('div', { class: isBad ? 'tile bad' : 'tile' }, el('b', {}, value), ` ${name}`)
}

/** A number with its word, which is left out where there is none of it. */
function tileOf(number: number, word: string): HTMLElement[] {
  return number === 0 ? [] : [tile(count(number), number === 1 ? word : `${word}s`)]
}

const total = (pick: (row: CoverageRow) => number): number => sum(rows, pick)
/** a bar is a row, too */
const word = rows.every((row) => row.word === 'bar') ? 'bar' : 'row'
const [unexplained, accepted, gaps] = [total(unexplainedDays), total((row) => row.accepted), total((row) => row.gaps.length)]
byId('totals').append(
  tile(count(unexplained), unexplained === 1 ? 'day unexplained' : 'days unexplained', unexplained > 0),
  tile(count(rows.length), 'series'),
  ...tileOf(
    total((row) => (row.monthly ? 0 : recordedDays(row))),
    'day',
  ),
  ...tileOf(
    total((row) => (row.monthly ? recordedDays(row) : 0)),
    'month',
  ),
  tile(count(total((row) => row.rows)), `${word}s`),
  ...(rows.length > 0 && rows.every(({ missing }) => missing === null)
    ? []
    : [tile(count(total((row) => row.missing ?? 0)), `${word}s missing${gaps === 0 ? '' : ` in ${plural(gaps, 'gap')}`}`)]),
  tile(bytes(total((row) => row.bytes)), 'in shards'),
  ...(accepted === 0 ? [] : [tile(count(accepted), `${accepted === 1 ? 'day' : 'days'} accepted by a person (\u2713)`)]),
)

function legendKey(state: DayState): HTMLElement {
  const cell = dayCell({ state, accepted: false }, 1, 1, 14)
  const square = svg('svg', { class: 'calendar', width: 16, height: 16, 'aria-hidden': 'true' }, ...cell)
  const bars = total((row) => barsIn(row, state))
  const held = `${describeChunks(rows, (row) => daysIn(row, state))}${bars === 0 ? '' : ` \u00b7 ${plural(bars, word)}`}`
  return el('span', { class: 'key', title: lookOf(state).meaning }, square, `${nameOf(state)} `, el('span', { class: 'dim' }, held))
}

byId('legend').append(...used.map(legendKey))
byId('meanings')
  .querySelector('dl')
  ?.append(...used.flatMap((state) => [el('dt', {}, nameOf(state)), el('dd', {}, lookOf(state).meaning)]))

// ---- the list

const list = byId('series')
const more = byId('more', HTMLButtonElement)
const listed = byId('listed', HTMLInputElement)
const nodes = new Map<CoverageRow, SeriesNode>()
let shown: readonly CoverageRow[] = []
let span = spanOf(rows, false)
let drawn = 0

function nodeOf(row: CoverageRow): HTMLLIElement {
  const series = nodes.get(row) ?? createSeries(row)
  nodes.set(row, series)
  series.setSpan(span, listed.checked)
  return series.node
}

function drawMore(): void {
  const next = shown.slice(drawn, drawn + PAGE)
  drawn += next.length
  list.append(...next.map(nodeOf))
  more.hidden = drawn >= shown.length
  more.textContent = `Show ${count(Math.min(PAGE, shown.length - drawn))} more of ${count(shown.length)}`
}

function drawAxis(): void {
  byId('axis').replaceChildren(el('span'), createTicks(span))
  byId('unit').textContent = partsOf(span).name
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

/** Orders of the list, by the value of its control; the one of the data, by name, has none. */
const ORDERS: Readonly<Record<string, (a: CoverageRow, b: CoverageRow) => number>> = {
  '': (a, b) => unexplainedDays(b) - unexplainedDays(a),
  first: (a, b) => byText(a.first ?? '9', b.first ?? '9'),
  missing: (a, b) => (b.missing ?? 0) - (a.missing ?? 0),
  never: (a, b) => b.never - a.never,
}

function draw(): void {
  const found = findShown()
  const order = ORDERS[chosen('order')]
  if (order !== undefined) found.sort(order)
  shown = found
  span = spanOf(shown.length === 0 ? rows : shown, listed.checked)
  list.replaceChildren()
  drawn = 0
  drawAxis()
  drawMore()
  if (shown.length === 0) {
    const text = rows.length === 0 ? 'The lake holds no series yet.' : 'No series matches. Reset the filters to see all.'
    list.append(el('li', { class: 'dim' }, text))
  }
  byId('status').textContent = `${count(shown.length)} of ${count(rows.length)} series, ${dayName(span.first)} to ${dayName(span.end - 1)}`
  writeAddress()
}

/** The line of a series that opens it. */
function headAt(index: number): HTMLElement | null {
  return list.children[index]?.querySelector('button') ?? null
}

fillSelect('market', [...new Set(rows.map((row) => row.market))])
fillSelect('interval', [...new Set(rows.flatMap((row) => row.interval ?? []))])
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
listenAddress(draw)
draw()
