import type { Interval } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import type { Bars } from '../synthetic/bars.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'

/** A data set that has daily archives alone, whose rows are made of the bars of their day. */
export interface Table {
  readonly dataset: string
  readonly markets: readonly Market[]
  /** whether a symbol of these markets has it; default: each has */
  readonly isOf?: (symbol: string) => boolean
  /** the bars that rows are made of */
  readonly interval: Interval
  /** first and last day of which there are archives, `2024-01-01`; no last one: they go on */
  readonly from: string
  readonly until?: string
  /** rows that are made of one bar, and bytes that one takes in an archive, deflated: at most */
  readonly rowsPerBar: number
  readonly rowBytes: number
  /** the CSV of a day, header included */
  encode(bars: Bars, listed: ListedSymbol): string
}

/** A time as some data sets write it, `2024-01-01 00:05:00`. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
}
