import type { Condition } from '../../model/condition.ts'
import type { Interval } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import type { UtcDay } from '../../model/utc-day.ts'

/** What a chunk of a calendar shows: its condition, or that it was never requested. */
export type DayState = Condition | 'never_requested'

/** How the page shows a state, beside its colour: no meaning rests on a colour alone. */
export interface StateLook {
  /** in a day's cell */
  readonly sign: string
  readonly meaning: string
  /** of a month in a strip of 18 */
  readonly height: number
}

/** What the page of `ckvd coverage` gets as data. Evidence is the same text for many gaps: it stands once, in `texts`. */
export interface CoverageData {
  readonly states: readonly DayState[]
  /** worst last: a strip shows each month by its worst day */
  readonly looks: Readonly<Record<DayState, StateLook>>
  readonly unexplained: readonly Condition[]
  readonly rows: readonly CoverageRow[]
  readonly texts: readonly string[]
}

/** A series. */
export interface CoverageRow {
  /** as all commands call it */
  readonly name: string
  readonly market: Market
  readonly symbol: string
  /** null: its data set has none */
  readonly interval: Interval | null
  readonly first: UtcDay | null
  readonly last: UtcDay | null
  readonly days: Readonly<Record<Condition, number>>
  readonly accepted: number
  readonly never: number
  readonly rows: number
  readonly bytes: number
  /** missing rows; null: nobody can say it */
  readonly missing: number | null
  /** what a row is called */
  readonly word: 'bar' | 'row'
  /** its chunks are months */
  readonly monthly: boolean
  /** the chunks of a run have the same number of bars */
  readonly even: boolean
  readonly runs: readonly CoverageRun[]
  /** start and end as ISO text, bars (null: nobody knows how many), index of the evidence in `texts` */
  readonly gaps: readonly (readonly [start: string, end: string, bars: number | null, text: number])[]
  readonly unexplained: readonly (readonly [day: UtcDay, condition: Condition, accepted: 0 | 1, text: number])[]
}

/**
 * Chunks in a row that show the same: start (days since 1970), how many, index in `states`, 1 when a person has accepted them, bars that
 * are stored of all of them.
 */
export type CoverageRun = readonly [start: number, chunks: number, state: number, accepted: 0 | 1, bars: number]
