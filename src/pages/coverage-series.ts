/** A series of the list: a line with its strip, which opens its calendars, its gaps and what is unexplained. */
import { createYear } from './coverage-calendar.ts'
import type { CoverageRow } from './coverage-data.ts'
import type { ShownDay } from './coverage-states.ts'
import { daysOf, lookOf, monthOf, monthStart, nameOf, textAt, unexplainedDays, yearOf } from './coverage-states.ts'
import { createStrip } from './coverage-strip.ts'
import { button, el } from './dom.ts'
import { bytes, count, dayName, plural } from './words.ts'

/** Lines of a table that are shown at once. */
const LISTED = 100

export function createSeries(row: CoverageRow): HTMLLIElement {
  let opened: HTMLElement | undefined
  const head = button(
    { class: 'head', 'aria-expanded': 'false' },
    () => {
      head.setAttribute('aria-expanded', String(opened === undefined))
      if (opened === undefined) {
        opened = openSeries(row)
        node.append(opened)
      } else {
        opened.remove()
        opened = undefined
      }
    },
    el('span', { class: 'name' }, `${row.market} ${row.symbol} ${row.interval}`),
    createStrip(row),
    el('span', { class: 'sum' }, ...summarize(row)),
  )
  const node = el('li', {}, head)
  return node
}

function summarize(row: CoverageRow): (Node | string)[] {
  const parts: (Node | string)[] = []
  const unexplained = unexplainedDays(row)
  if (unexplained > 0) parts.push(el('strong', {}, `${plural(unexplained, 'day')} unexplained`))
  if (row.missing > 0) parts.push(`${plural(row.missing, 'bar')} missing`)
  if (row.never > 0) parts.push(`${plural(row.never, row.monthly ? 'month' : 'day')} never requested`)
  if (parts.length === 0) parts.push('all there')
  return parts.flatMap((part, i) => (i === 0 ? [part] : [' \u2022 ', part]))
}

function openSeries(row: CoverageRow): HTMLElement {
  const shown = daysOf(row)
  const told = el('p', { class: 'told', role: 'status' }, 'Point at a day, or go there by arrow keys.')
  const tell = (day: number): void => {
    const found = shown.get(day)
    if (found !== undefined) told.textContent = describeDay(row, day, found)
  }
  const years = [...new Set([...shown.keys()].map(yearOf))]
  const range = row.first === null ? 'Nothing was requested yet' : `${row.first} to ${row.last}`
  return el(
    'div',
    { class: 'open' },
    el('p', { class: 'dim' }, `${range} \u2022 ${count(row.rows)} bars \u2022 ${bytes(row.bytes)} in shards`),
    told,
    ...years.map((year) => createYear(row, year, shown, tell)),
    el('div', { class: 'details' }, ...unexplainedTable(row), ...gapTable(row)),
  )
}

function describeDay(row: CoverageRow, day: number, { state, accepted }: ShownDay): string {
  const start = dayName(day)
  const until = dayName(row.monthly ? monthStart(monthOf(day) + 1) : day + 1)
  const reason = row.unexplained.find(([one]) => one === start)?.[3]
  const gaps = row.gaps
    .filter(([from, to]) => from < until && to > start)
    .map(([from, to, bars, text]) => `${plural(bars, 'bar')} missing from ${short(from)} to ${short(to)}: ${textAt(text)}`)
  const why = reason === undefined ? gaps.join('; ') : textAt(reason)
  const name = row.monthly ? start.slice(0, 7) : start
  return `${name} ${nameOf(state)}${accepted ? ' (accepted)' : ''}: ${why === '' ? lookOf(state).meaning : why}`
}

function unexplainedTable({ unexplained }: CoverageRow): HTMLElement[] {
  const lines = unexplained.map(([day, condition, accepted, text]) =>
    line(day, `${condition}${accepted === 1 ? ' (accepted)' : ''}`, textAt(text)),
  )
  return listTable('Not explained by evidence', ['day', 'condition', 'reason'], lines)
}

function gapTable({ gaps }: CoverageRow): HTMLElement[] {
  const lines = gaps.map(([from, to, bars, text]) => line(short(from), short(to), bars, textAt(text)))
  return listTable('Gaps', ['from', 'to (excluded)', 'bars', 'evidence'], lines)
}

function line(...cells: readonly (string | number)[]): HTMLElement {
  return el('tr', {}, ...cells.map((cell) => (typeof cell === 'number' ? el('td', { class: 'num' }, count(cell)) : el('td', {}, cell))))
}

/** A table with its heading; none without lines. */
function listTable(name: string, head: readonly string[], lines: readonly HTMLElement[]): HTMLElement[] {
  if (lines.length === 0) return []
  const body = el('tbody', {}, ...lines.slice(0, LISTED))
  const heads = head.map((text) => el('th', { scope: 'col' }, text))
  const table = el('table', {}, el('thead', {}, el('tr', {}, ...heads)), body)
  const section = el('section', {}, el('h2', {}, name), el('div', { class: 'scroll' }, table))
  if (lines.length > LISTED) {
    const showAll = (): void => {
      body.append(...lines.slice(LISTED))
      more.remove()
    }
    const more = button({}, showAll, `Show all ${count(lines.length)}`)
    section.append(more)
  }
  return [section]
}

/** ISO text as people write times: seconds only where there are some. */
function short(time: string): string {
  return time.replace(/(:\d\d)(\.0+)?Z$/, (all, seconds) => (seconds === ':00' ? '' : all)).replace('T', ' ')
}
