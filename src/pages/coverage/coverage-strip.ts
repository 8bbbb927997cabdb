/** A series in one line: each day, week or month by its worst day, in the time that all series stand in. */
import type { CoverageRow, DayState } from './coverage-data.ts'
import { DATA, lookOf, monthOf, monthStart, runEnd, stateOf } from './coverage-states.ts'
import { svg } from '../dom.ts'
import type { TimeSpan } from '../time-axis.ts'

const RANK = Object.keys(DATA.looks) as DayState[]
const HEIGHT = 18

/** The parts of a strip: narrow ones could not be seen. */
interface Parts {
  readonly name: 'day' | 'week' | 'month'
  /** number of the part that a day is in */
  readonly partOf: (day: number) => number
  /** first day of a part */
  readonly startOf: (part: number) => number
}

const DAYS: Parts = { name: 'day', partOf: (day) => day, startOf: (day) => day }
/** Weeks open on Monday; 1970-01-01 was a Thursday. */
const WEEKS: Parts = { name: 'week', partOf: (day) => Math.floor((day + 3) / 7), startOf: (week) => week * 7 - 3 }
const MONTHS: Parts = { name: 'month', partOf: monthOf, startOf: monthStart }

/** What a strip over a span shows as one part. */
export function partsOf({ first, end }: TimeSpan): Parts {
  const days = end - first
  return days <= 200 ? DAYS : days <= 1100 ? WEEKS : MONTHS
}

/** The days that strips of series stand in: what is stored of them, or all that was ever listed. Where nothing is stored, what is listed. */
export function spanOf(rows: readonly CoverageRow[], isListed: boolean): TimeSpan {
  let first = Infinity
  let end = -Infinity
  for (const row of rows) {
    for (const run of row.runs) {
      if (!isListed && stateOf(run) === 'never_requested') continue
      first = Math.min(first, run[0])
      end = Math.max(end, runEnd(row, run))
    }
  }
  if (first < end) return { first, end }
  return isListed ? { first: 0, end: 1 } : spanOf(rows, true)
}

export function createStrip(row: CoverageRow, span: TimeSpan): SVGElement {
  const parts = partsOf(span)
  const ranks = worstByPart(row, span, parts)
  const strip = svg('svg', {
    ...{ class: 'strip', viewBox: `0 0 ${span.end - span.first} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
  })
  const last = parts.partOf(span.end - 1)
  for (let part = parts.partOf(span.first); part <= last;) {
    const rank = ranks.get(part)
    let next = part + 1
    while (next <= last && ranks.get(next) === rank) next++
    const state = rank === undefined ? undefined : RANK[rank]
    const from = Math.max(span.first, parts.startOf(part))
    if (state !== undefined) strip.append(bar(state, from - span.first, Math.min(span.end, parts.startOf(next)) - from))
    part = next
  }
  return strip
}

function bar(state: DayState, x: number, width: number): SVGElement {
  const { height } = lookOf(state)
  return svg('rect', { class: state, x, y: HEIGHT - height, width, height, 'vector-effect': 'non-scaling-stroke' })
}

function worstByPart(row: CoverageRow, span: TimeSpan, { partOf }: Parts): Map<number, number> {
  const worst = new Map<number, number>()
  for (const run of row.runs) {
    const rank = RANK.indexOf(stateOf(run))
    const last = partOf(Math.min(span.end, runEnd(row, run)) - 1)
    for (let part = partOf(Math.max(span.first, run[0])); part <= last; part++) worst.set(part, Math.max(worst.get(part) ?? -1, rank))
  }
  return worst
}
