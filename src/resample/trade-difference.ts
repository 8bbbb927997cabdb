import { DecimalSum } from '../model/decimal-sum.ts'

/** How an aggregate differs from its trades, or trades from what the aggregates name. */
export interface TradeDifference {
  /**
   * - `missing-trades`: aggregates name trades, or count more than there is of their trades, and these ids are not there;
   * - `no-aggregate`: there are trades that no aggregate names;
   * - `value`: a cell of an aggregate is not what its trades say;
   * - `range`: an aggregate names trades that are not behind those of the one before it.
   */
  readonly kind: 'missing-trades' | 'no-aggregate' | 'value' | 'range'
  /** ISO time of the aggregate, or of the first trade without one */
  readonly time: string
  /** the aggregate, or the first one of several that lack all of their trades; null: there is none */
  readonly aggregate_id: number | null
  /** the first one of the trades that are missing or have no aggregate, else the first one that the aggregate names */
  readonly first_trade_id: number
  /** the last one of them */
  readonly last_trade_id: number
  /** name of the cell of the aggregate; null: not a cell alone */
  readonly column: string | null
  /** what its trades say */
  readonly trades: number | string | boolean | null
  /** what the aggregate says */
  readonly aggregate: number | string | boolean | null
}

/** Differences of a day that are told one by one. */
const MOST_DIFFERENCES = 1000

/** The differences of a day, as they are found. */
export class TradeDifferences {
  readonly #told: TradeDifference[] = []
  #found = 0
  /** what the next difference of its kind may go on with; not told yet */
  #open: TradeDifference | undefined

  /** Ids that follow each other are one difference: trades without an aggregate, and all trades of aggregates that have none. */
  tell(difference: TradeDifference): void {
    const open = this.#open
    const { kind, first_trade_id: first, last_trade_id: last } = difference
    const goesOn = open?.kind === kind && (kind === 'no-aggregate' || isWhole(open, difference)) && open.last_trade_id + 1 === first
    if (goesOn) {
      this.#open = { ...open, last_trade_id: last, aggregate: sumOf(open.aggregate, difference.aggregate) }
      return
    }
    this.#close()
    this.#open = difference
  }

  #close(): void {
    if (this.#open === undefined) return
    if (this.#found++ < MOST_DIFFERENCES) this.#told.push(this.#open)
    this.#open = undefined
  }

  /** The first ones, and how many more there are. Nothing is told after it. */
  all(): { readonly differences: readonly TradeDifference[]; readonly further: number } {
    this.#close()
    return { differences: this.#told, further: this.#found - this.#told.length }
  }
}

/** True for two aggregates that lack all of their trades. */
function isWhole(open: TradeDifference, next: TradeDifference): boolean {
  return open.kind === 'missing-trades' && open.trades === 0 && next.trades === 0
}

function sumOf(a: TradeDifference['aggregate'], b: TradeDifference['aggregate']): TradeDifference['aggregate'] {
  if (typeof a !== 'number' || typeof b !== 'number') return null
  const sum = new DecimalSum()
  sum.add(a)
  sum.add(b)
  return sum.value()
}
