/** The time that lines of a list stand in, side by side, and the ticks above them. Days are counted from 1970. */
import { el } from './dom.ts'
import { dayName } from './words.ts'

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

const MONTH_NAMES = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** More days than these have ticks of years, of months. */
const YEARS_FROM = 800
const MONTHS_FROM = 62
/** Labels that fit side by side on a phone. */
const MOST_LABELS = 7
/** Width of a label in hundredths of the whole: on a screen, and on a phone, where the style leaves out what is `tight`. */
const LABEL_WIDTH = 5
const NARROW_LABEL_WIDTH = 8

/** The ticks of a span: every year, or months, or days where it is short. */
export function createTicks(span: TimeSpan): HTMLElement[] {
  const ticks = findTicks(span)
  return ticks.map(({ day, label }, i) => {
    const at = placeIn(span, day)
    const next = ticks[i + 1]
    const room = (next === undefined ? Infinity : placeIn(span, next.day)) - at
    const isTight = (i === 0 && room < NARROW_LABEL_WIDTH) || (label.length > 4 && at > 100 - 1.5 * NARROW_LABEL_WIDTH)
    const name = at > 100 - LABEL_WIDTH ? 'tick last' : isTight ? 'tick tight' : 'tick'
    return el('span', { class: name, style: `left:${at}%` }, room < LABEL_WIDTH ? '' : label)
  })
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
    const day = Date.UTC(Math.floor(at / 12), at % 12, 1) / 86_400_000
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
