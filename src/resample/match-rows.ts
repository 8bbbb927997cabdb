import { toDoubles } from '../memory/int64.ts'
import type { Columns } from '../model/columns.ts'
import { columnOf } from '../model/columns.ts'

/** Rows of `trades` or `aggTrades` in the order of their ids. */
export interface MatchPiece {
  readonly columns: Columns
  /** of the day that is compared; else of a day beside it: such trades complete an aggregate, such aggregates are not compared themselves */
  readonly isOwn: boolean
}

/** Stands on one row after the other. */
export class Cursor<Rows extends { readonly length: number }> {
  /** of the piece in which the row stands */
  rows: Rows
  isOwn = true
  row = 0
  isDone = false
  readonly #pieces: Generator<MatchPiece, void>
  readonly #open: (columns: Columns) => Rows

  constructor(pieces: Generator<MatchPiece, void>, open: (columns: Columns) => Rows) {
    this.#pieces = pieces
    this.#open = open
    this.rows = { length: 0 } as Rows
    this.#load()
  }

  next(): void {
    if (++this.row >= this.rows.length) this.#load()
  }

  #load(): void {
    for (;;) {
      const next: IteratorResult<MatchPiece, void> = this.#pieces.next()
      this.isDone = next.done === true
      if (next.done === true) return
      const { value } = next
      if (value.columns.openTime.length === 0) continue
      this.rows = this.#open(value.columns)
      this.isOwn = value.isOwn
      this.row = 0
      return
    }
  }
}

/** Rows of trades, by column. */
export interface TradeRows {
  readonly length: number
  readonly id: Float64Array
  readonly price: Float64Array
  readonly quantity: Float64Array
  readonly timeUs: Float64Array
  readonly isMaker: Uint8Array
}

/** Rows of aggregates, by column. */
export interface AggregateRows extends TradeRows {
  readonly first: Float64Array
  readonly last: Float64Array
}

function rowsIn(columns: Columns, id: string, quantity: string): TradeRows {
  return {
    length: columns.openTime.length,
    id: toDoubles(columnOf(columns, id) as BigInt64Array),
    price: columnOf(columns, 'price') as Float64Array,
    quantity: columnOf(columns, quantity) as Float64Array,
    timeUs: toDoubles(columns.openTime),
    isMaker: columnOf(columns, 'isBuyerMaker') as Uint8Array,
  }
}

export function tradesIn(columns: Columns): TradeRows {
  return rowsIn(columns, 'id', 'qty')
}

export function aggregatesIn(columns: Columns): AggregateRows {
  const idsOf = (key: string): Float64Array => toDoubles(columnOf(columns, key) as BigInt64Array)
  return { ...rowsIn(columns, 'aggTradeId', 'quantity'), first: idsOf('firstTradeId'), last: idsOf('lastTradeId') }
}
