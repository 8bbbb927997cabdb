/** A series of the list: a line with its strip, which opens its calendars, its gaps and what is unexplained. */
import { createYear } from './coverage-calendar.ts'
import type { CoverageRow } from './coverage-data.ts'
import type { ShownDay } from './coverage-states.ts'
import { daysOf, lookOf, monthOf, monthStart, nameOf, recordedDays, textAt, unexplainedDays, yearOf } from './coverage-states.ts'
import { createStrip } from './coverage-strip.ts'
import { button, el } from '../dom.ts'
import type { TimeSpan } from '../time-axis.ts'
import { bytes, count, dayName, plural } from '../words.ts'

/** Lines of a table that are shown at once. */
const LISTED = 100

/** A line of the list. */
export interface SeriesNode {
  readonly node: HTMLLIElement
  /** draws it for another time than before */
  readonly setSpan: (span: TimeSpan, isListed: boolean) => void
}

export function createSeries(row: CoverageRow): SeriesNode {
  let opened: HTMLElement | undefined
  let strip: SVGElement | undefined
  let withListed = false
  const close = (): void => {
    opened?.remove()
    opened = undefined
  }
  const open = (): void => {
    opened = openSeries(row, withListed)
    node.append(opened)
  }
  const toggle = (): void => {
    if (opened === undefined) open()
    else close()
    head.setAttribute('aria-expanded', String(opened !== undefined))
  }
  const name = el('span', { class: 'name' }, row.name)
  const head = button({ class: 'head', 'aria-expanded': 'false' }, toggle, name, el('span', { class: 'sum' }, ...summarize(row)))
  const node = el('li', {}, head)
  const setSpan = (span: TimeSpan, isListed: boolean): void => {
    strip?.remove()
    strip = createStrip(row, span)
    name.after(strip)
    if (opened !== undefined && isListed !== withListed) close()
    withListed = isListed
    if (opened === undefined && head.getAttribute('aria-expanded') === 'true') open()
  }
  return { node, setSpan }
}

function summarize(row: CoverageRow): (Node | string)[] {
  const parts: (Node | string)[] = []
  const unexplained = unexplainedDays(row)
  if (unexplained > 0) parts.push(el('strong', {}, `${chunksOf(row, unexplained)} unexplained`))
  if (row.missing === null) parts.push('as published')
  else if (row.missing > 0) parts.push(`${plural(row.missing, row.word)} missing`)
  parts.push(`${chunksOf(row, recordedDays(row))}, ${plural(row.rows, row.word)}`)
  if (row.never > 0) parts.push(`${chunksOf(row, row.never)} never requested`)
  // a number stays with its unit
  return parts.map((part) => el('span', { class: 'whole' }, part)).flatMap((part, i) => (i === 0 ? [part] : [' \u2022 ', part]))
}

/** Days, or months, with their unit. */
function chunksOf({ monthly }: CoverageRow, chunks: number): string {
  return plural(chunks, monthly ? 'month' : 'day')
}

/** @param withListed also the years of which nothing was ever requested */
function openSeries(row: CoverageRow, withListed: boolean): HTMLElement {
  const shown = daysOf(row)
  const told = el('p', { class: 'told', role: 'status' }, 'Point at a day, or go there by arrow keys.')
  const tell = (day: number): void => {
    const found = shown.get(day)
    if (found !== undefined) told.textContent = describeDay(row, day, found)
  }
  const drawn = [...shown].filter(([, { state }]) => withListed || row.first === null || state !== 'never_requested')
  const years = [...new Set(drawn.map(([day]) => yearOf(day)))]
  const range = row.first === null ? 'Nothing was requested yet' : `${row.first} to ${row.last}`
  return el(
    'div',
    { class: 'open' },
    el('p', { class: 'dim' }, `${range} \u2022 ${plural(row.rows, row.word)} \u2022 ${bytes(row.bytes)} in shards`),
    told,
    ...years.map((year) => createYear(row, year, shown, tell)),
    el('div', { class: 'details' }, ...unexplainedTable(row), ...gapTable(row)),
  )
}

function describeDay(row: CoverageRow, day: number, { state, accepted, bars }: ShownDay): string {
  const start = dayName(day)
  const until = dayName(row.monthly ? monthStart(monthOf(day) + 1) : day + 1)
  const reason = row.unexplained.find(([one]) => one === start)?.[3]
  const gaps = row.gaps
    .filter(([from, to]) => from < until && to > start)
    .map(
      ([from, to, missing, text]) =>
        `${missing === null ? `${row.word}s` : plural(missing, row.word)} missing from ${short(from)} to ${short(to)}: ${textAt(text)}`,
    )
  const why = reason === undefined ? gaps.join('; ') : textAt(reason)
  const name = row.monthly ? start.slice(0, 7) : start
  const held = bars === null || state === 'never_requested' ? '' : `, ${plural(bars, row.word)}`
  return `${name} ${nameOf(state)}${accepted ? ' (accepted)' : ''}${held}: ${why === '' ? lookOf(state).meaning : why}`
}

function unexplainedTable({ unexplained }: CoverageRow): HTMLElement[] {
  const lines = unexplained.map(([day, condition, accepted, text]) =>
    line(day, `${condition}${accepted === 1 ? ' (accepted)' : ''}`, textAt(text)),
  )
  return listTable('Not explained by evidence', ['day', 'condition', 'reason'], lines)
}

function gapTable({ gaps, word }: CoverageRow): HTMLElement[] {
  const lines = gaps.map(([from, to, bars, text]) => line(short(from), short(to), bars ?? '\u2013', textAt(text)))
  return listTable('Gaps', ['from', 'to (excluded)', `${word}s`, 'evidence'], lines)
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
