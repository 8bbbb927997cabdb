import type { Condition } from '../../model/condition.ts'
import type { Interval } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'

/** What a stretch of the chart is shaded for: bars that are missing, with or without explanation, or days of a condition other than complete. */
export type ShadeKind = 'missing' | 'unexplained' | Condition

/** A stretch that is shaded; times in seconds since 1970, the end excluded. */
export interface ChartShade {
  readonly kind: ShadeKind
  readonly start: number
  readonly end: number
  /** why, in the words of all commands */
  readonly text: string
}

/** A slot of the grid: its open time in seconds since 1970, and its bar where there is one. */
export type ChartSlot =
  readonly [time: number] | readonly [time: number, open: number, high: number, low: number, close: number, volume: number]

/** What the page of `ckvd chart` gets as data. */
export interface ChartData {
  readonly market: Market
  readonly symbol: string
  readonly interval: Interval
  /** ascending */
  readonly slots: readonly ChartSlot[]
  /** those of missing bars first, each kind in order of time; those of a kind do not overlap */
  readonly shades: readonly ChartShade[]
}
