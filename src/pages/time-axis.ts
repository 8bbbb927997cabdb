/** The time that lines of a list stand in, side by side, and the ticks above them. Days are counted from 1970. */
import { el } from './dom.ts'
import { dayName, MONTH_NAMES, MS_PER_DAY } from './words.ts'

/** Days from `first` on, `end` excluded. */
export interface TimeSpan {
  readonly first: number
  readonly end: number
}

/** Where a day stands, in hundredths of the whole. */
export function placeIn({ first, end }: TimeSpan, day: number): number {
  return (100 * (day - first)) / Math.max(1, end - first)
}

interface Tick {
  readonly day: number
  readonly label: string
}

/** More days than these have ticks of years, of months. */
const YEARS_FROM = 800
const MONTHS_FROM = 62
/** Labels that fit side by side on a phone. */
const MOST_LABELS = 7
/** Pixels between two labels. */
const LABEL_GAP = 4

/** The ticks of a span, in a box as wide as what they are about: every year, or months, or days where it is short. Labels without room are hidden, their ticks are not. */
export function createTicks(span: TimeSpan): HTMLElement {
  const ticks = findTicks(span).map(({ day, label }) => ({ at: placeIn(span, day) / 100, label: el('span', { class: 'label' }, label) }))
  const nodes = ticks.map(({ at, label }) => el('span', { class: 'tick', style: `left:${100 * at}%` }, label))
  const box = el('div', { class: 'ticks', 'aria-hidden': 'true' }, ...nodes)
  new ResizeObserver(() => fitLabels(ticks, box.clientWidth)).observe(box)
  return box
}

interface PlacedTick {
  /** share of the whole */
  readonly at: number
  readonly label: HTMLElement
}

/** The first label, of a part of a year, gives way to the next one; the last one stands inside of the box. */
function fitLabels(ticks: readonly PlacedTick[], boxWidth: number): void {
  let free = -Infinity
  for (const [i, { at, label }] of ticks.entries()) {
    const width = label.offsetWidth
    const next = ticks[i + 1]
    const left = Math.min(at * boxWidth, boxWidth - width)
    const hasRoom = left >= free && (next === undefined || i > 0 || left + width + LABEL_GAP <= next.at * boxWidth)
    label.style.visibility = hasRoom ? '' : 'hidden'
    label.style.marginLeft = `${left - at * boxWidth}px`
    if (hasRoom) free = left + width + LABEL_GAP
  }
}

/** Days on which a year begins, for lines below the ticks. */
export function yearStarts({ first, end }: TimeSpan): number[] {
  return startsOf({ first, end }, 12)
}

function findTicks(span: TimeSpan): Tick[] {
  const days = span.end - span.first
  if (days > YEARS_FROM) return [span.first, ...yearStarts(span)].map((day) => ({ day, label: dayName(day).slice(0, 4) }))
  if (days > MONTHS_FROM) {
    return [span.first, ...startsOf(span, days > 365 ? 3 : 1)].map((day) => ({ day, label: monthLabel(day) }))
  }
  const step = Math.ceil(days / MOST_LABELS)
  return Array.from({ length: Math.ceil(days / step) }, (_, i) => ({ day: span.first + i * step, label: dayLabel(span.first + i * step) }))
}

/** First days, after that of the span, of every `months`-th month of the calendar. */
function startsOf({ first, end }: TimeSpan, months: number): number[] {
  const starts: number[] = []
  const [year = 0, month = 0] = dayName(first).split('-').map(Number)
  for (let at = year * 12 + Math.ceil(month / months) * months; ; at += months) {
    const day = Date.UTC(Math.floor(at / 12), at % 12, 1) / MS_PER_DAY
    if (day >= end) return starts
    if (day > first) starts.push(day)
  }
}

function partsOf(day: number): { readonly year: string; readonly month: string; readonly date: number } {
  const name = dayName(day)
  return { year: name.slice(0, 4), month: MONTH_NAMES[Number(name.slice(5, 7)) - 1] ?? '', date: Number(name.slice(8)) }
}

function monthLabel(day: number): string {
  const { year, month } = partsOf(day)
  return month === 'Jan' ? year : month
}

function dayLabel(day: number): string {
  const { month, date } = partsOf(day)
  return `${date} ${month}`
}
