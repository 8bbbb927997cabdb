/** The script of the page of `ckvd availability`: totals, a curve of live symbols, and a table of symbols with their lives as bars. */
import type { UtcDay } from '../../model/utc-day.ts'
import { listenAddress, writeAddress } from '../address.ts'
import { createCurve, drawCurve } from './availability-curve.ts'
import type { Row } from './availability-rows.ts'
import { DATA, ROWS, SHOWN_MARKETS, SPAN } from './availability-rows.ts'
import { setTaken } from './availability-take.ts'
import { button, byId, chosen, el, fillSelect, listenControls, searched } from '../dom.ts'
import { createTicks, placeIn, yearStarts } from '../time-axis.ts'
import { byText, count, dayName, dayNumber, plural, sum } from '../words.ts'

const MARKET_NAMES = { spot: 'spot', um: 'um (USD-margined)', cm: 'cm (coin-margined)', option: 'option' }

const yearLines = yearStarts(SPAN).map((day) => `linear-gradient(var(--line) 0 0) ${placeIn(SPAN, day)}% 0/1px 100% no-repeat`)
document.documentElement.style.setProperty('--years', yearLines.length === 0 ? 'none' : yearLines.join(','))

// ---- totals and problems

const TOTALS = ['market', 'symbols', 'live', 'ended', 'with missing days', 'missing days', 'first day', 'last day']

function totalsOf(market: Row['market']): HTMLTableRowElement {
  const own = ROWS.filter((row) => row.market === market)
  const live = own.filter((row) => row.live).length
  const numbers = [own.length, live, own.length - live, own.filter(isHoled).length, sum(own, (row) => row.missing ?? 0)]
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, MARKET_NAMES[market]),
    ...numbers.map((number) => el('td', { class: 'num' }, count(number))),
    el('td', {}, own.map((row) => row.first).sort()[0] ?? ''),
    el(
      'td',
      {},
      own
        .map((row) => row.last)
        .sort()
        .at(-1) ?? '',
    ),
  )
}

function isHoled(row: Row): boolean {
  return (row.missing ?? 0) > 0
}

byId('totals').append(
  el('thead', {}, el('tr', {}, ...TOTALS.map((name, i) => el('th', { scope: 'col', class: i > 0 && i < 6 ? 'num' : null }, name)))),
  el('tbody', {}, ...SHOWN_MARKETS.map(totalsOf)),
)

const { problems } = DATA
if (problems.length > 0) {
  const head = `Could not be listed and ${problems.length === 1 ? 'is' : 'are'} not below:`
  const lines = problems.map(({ market, symbol, message }) => el('li', {}, `${market} ${symbol ?? '(all symbols)'}: ${message}`))
  byId('problems').append(el('div', { class: 'note' }, el('strong', {}, head), el('ul', {}, ...lines)))
}

// ---- the table

interface Column {
  readonly key: 'market' | 'symbol' | 'base' | 'quote' | 'kind' | 'first' | 'last' | 'days' | 'missing'
  readonly name: string
  /** how wide a window must be for it */
  readonly wide?: 'wide' | 'widest'
  readonly num?: true
}

const COLUMNS: readonly Column[] = [
  { key: 'market', name: 'market' },
  { key: 'symbol', name: 'symbol' },
  { key: 'base', name: 'base', wide: 'widest' },
  { key: 'quote', name: 'quote', wide: 'wide' },
  { key: 'kind', name: 'kind', wide: 'wide' },
  { key: 'first', name: 'first day' },
  { key: 'last', name: 'last day' },
  { key: 'days', name: 'days', num: true },
  { key: 'missing', name: 'missing', num: true },
]

/** The column by which the table is sorted; null: the order of the data. */
let sortKey: Column['key'] | null = null
let isDown = false

const table = byId('symbols', HTMLTableElement)
const tableBody = byId('symbols').querySelector('tbody') as HTMLTableSectionElement
const headings = COLUMNS.map((column) => {
  const sort = (): void => {
    isDown = sortKey === column.key ? !isDown : column.num === true
    sortKey = column.key
    draw()
  }
  return el('th', { scope: 'col', class: `${column.wide ?? ''}${column.num === true ? ' num' : ''}` }, button({}, sort, column.name))
})
table.tHead?.append(
  el(
    'tr',
    {},
    ...headings,
    el('th', { scope: 'col', class: 'line', 'aria-label': 'timeline' }, el('div', { class: 'track' }, createTicks(SPAN))),
  ),
)

function timeline(row: Row): HTMLElement {
  const missing = isHoled(row) ? `, ${plural(row.missing ?? 0, 'day')} missing` : ''
  const bar = span(`bar ${row.live ? 'live' : 'ended'}`, dayNumber(row.first), dayNumber(row.last) + 1)
  const holes = row.holes.map(([day, days]) => span('hole', dayNumber(day), dayNumber(day) + days, holeText(day, days)))
  return el('div', { class: 'track', role: 'img', 'aria-label': `${row.first} to ${row.last}${missing}` }, bar, ...holes)
}

function span(name: string, from: number, to: number, title: string | null = null): HTMLElement {
  return el('span', { class: name, title, style: `left:${placeIn(SPAN, from)}%;width:${placeIn(SPAN, to) - placeIn(SPAN, from)}%` })
}

function holeText(day: UtcDay, days: number): string {
  return days === 1 ? day : `${day} to ${dayName(dayNumber(day) + days - 1)} (${count(days)} days)`
}

/** The row of a symbol, which opens below it what there is to say; made when it is shown first. */
class SymbolRow {
  readonly node: HTMLTableRowElement
  readonly #row: Row
  readonly #button: HTMLButtonElement
  #more: HTMLElement | undefined

  constructor(row: Row) {
    this.#row = row
    this.#button = button({ 'aria-expanded': 'false' }, () => this.#toggle(), row.symbol)
    this.node = el(
      'tr',
      { class: 'row' },
      el('td', {}, row.market),
      el('th', { scope: 'row' }, this.#button),
      el('td', { class: 'widest' }, row.base ?? '\u2013'),
      el('td', { class: 'wide' }, row.quote ?? '\u2013'),
      el('td', { class: 'wide' }, row.kind),
      el('td', {}, row.first),
      el('td', {}, row.last),
      el('td', { class: 'num' }, count(row.days)),
      el('td', { class: 'num' }, count(row.missing)),
      el('td', { class: 'line' }, timeline(row)),
    )
  }

  close(): void {
    this.#more?.remove()
    this.#more = undefined
    this.#button.setAttribute('aria-expanded', 'false')
  }

  #toggle(): void {
    if (this.#more !== undefined) {
      this.close()
      return
    }
    this.#more = el('tr', { class: 'more' }, el('td', { colspan: COLUMNS.length + 1 }, describe(this.#row), holeList(this.#row)))
    this.node.after(this.#more)
    this.#button.setAttribute('aria-expanded', 'true')
  }
}

function describe({ live, first, last, interval, intervals, delivery }: Row): string {
  const own = interval === null ? '.' : `, told by its ${interval} archives. Intervals: ${intervals}.`
  return `${live ? 'Live' : 'Ended'}: ${DATA.archives} archives from ${first} to ${last}${own}${delivery === null ? '' : ` Delivery on ${delivery}.`}`
}

function holeList({ holes }: Row): HTMLElement {
  if (holes.length === 0) return el('div', { class: 'dim' }, 'No day is missing in between.')
  return el('ul', {}, ...holes.map(([day, days]) => el('li', {}, holeText(day, days))))
}

// ---- what is shown of it

const drawn = new Map<Row, SymbolRow>()

function symbolRow(row: Row): SymbolRow {
  const made = drawn.get(row) ?? new SymbolRow(row)
  drawn.set(row, made)
  return made
}

/** True for a symbol that the search names: in part, by its base asset, or, in a list of several, as it is. */
function isNamed({ symbol, base }: Row, words: readonly string[]): boolean {
  const [only] = words
  if (only === undefined) return true
  return words.length === 1 ? symbol.includes(only) || base === only : words.includes(symbol) || words.includes(base ?? '')
}

/** The rows that the controls ask for. */
function findShown(): Row[] {
  const words = searched()
    .split(/[\s,;]+/)
    .filter((word) => word !== '')
  const [market, kind, quote, state] = [chosen('market'), chosen('kind'), chosen('quote'), chosen('state')]
  const leastDays = Number(byId('days', HTMLInputElement).value)
  return ROWS.filter(
    (row) =>
      isNamed(row, words) &&
      (market === '' || row.market === market) &&
      (kind === '' || row.kind === kind) &&
      (quote === '' || row.quote === quote) &&
      (leastDays === 0 || (row.days ?? 0) >= leastDays) &&
      (state === '' || (state === 'live' ? row.live : state === 'ended' ? !row.live : isHoled(row))),
  )
}

function compareBy(key: Column['key'], a: Row, b: Row): number {
  const [left, right] = [a[key], b[key]]
  return typeof left === 'number' && typeof right === 'number' ? left - right : byText(String(left ?? ''), String(right ?? ''))
}

function draw(): void {
  const shown = findShown()
  const key = sortKey
  if (key !== null) shown.sort((a, b) => (isDown ? -1 : 1) * compareBy(key, a, b))
  for (const [i, heading] of headings.entries()) {
    if (COLUMNS[i]?.key === key) heading.setAttribute('aria-sort', isDown ? 'descending' : 'ascending')
    else heading.removeAttribute('aria-sort')
  }
  const symbols = shown.map(symbolRow)
  for (const symbol of symbols) symbol.close()
  tableBody.replaceChildren(...symbols.map(({ node }) => node))
  if (shown.length === 0) {
    const text = 'No symbol matches. Reset the filters to see all.'
    tableBody.append(el('tr', { class: 'empty' }, el('td', { colspan: COLUMNS.length + 1 }, text)))
  }
  byId('status').textContent = `${count(shown.length)} of ${plural(ROWS.length, 'symbol')}`
  drawCurve(shown)
  setTaken(shown)
  writeAddress()
}

const distinct = (key: 'kind' | 'quote'): string[] => [...new Set(ROWS.flatMap((row) => row[key] ?? []))]
fillSelect('market', SHOWN_MARKETS)
fillSelect('kind', distinct('kind'))
fillSelect('quote', distinct('quote').sort(byText))
listenControls(draw, () => (sortKey = null))
listenAddress(draw)
createCurve()
draw()
