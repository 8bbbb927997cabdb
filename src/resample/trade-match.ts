import { DecimalSum } from '../model/decimal-sum.ts'
import { numberAt } from '../model/number-at.ts'
import type { TimeRange } from '../model/series.ts'
import { isoOfUs } from '../model/utc-day.ts'
import type { AggregateRows, MatchPiece, TradeRows } from './match-rows.ts'
import { aggregatesIn, Cursor, tradesIn } from './match-rows.ts'
import { areNeighbours } from './resample-check.ts'
import type { TradeDifference } from './trade-difference.ts'
import { TradeDifferences } from './trade-difference.ts'

/** What an aggregate at midnight, or a trade, may belong to. */
export type Neighbour = `${'trades' | 'aggTrades'} of the day ${'before' | 'after'}`

/** What came of a comparison. */
export interface TradeMatch {
  /** of the day */
  readonly trades: number
  readonly aggregates: number
  /** ids between the first and the last trade that no trade has and no aggregate counts: such trades are not published */
  readonly unpublished: number
  /** the first ones, by id */
  readonly differences: readonly TradeDifference[]
  /** how many more there are */
  readonly further: number
  /** rows around midnight belong to a day beside this one, which was not given */
  readonly needs: ReadonlySet<Neighbour>
}

/** An aggregate has one time for all of its trades, which are made within 100 ms: so near to midnight some may be of the day beside it. */
export const BORDER_US = 1_000_000

/**
 * Compares aggregates with the trades whose ids they name, both in the order of their ids. Each aggregate's trades have its price and its flag,
 * their quantities are its quantity to the last published decimal, its time lies within theirs, and its first and last trade are there. An id
 * between these may have no trade where the aggregate counts none for it: trades of the insurance fund and of auto-deleveraging take ids,
 * are not published, and "won't be aggregated" (Binance's documents of `aggTrades`). As a trade has a quantity above 0, one that the
 * aggregate counts and that is missing shows in the sum.
 * @param day its range in microseconds
 * @param known days beside it whose rows were given, or that have none
 */
export function matchTrades(
  trades: Generator<MatchPiece, void>,
  aggregates: Generator<MatchPiece, void>,
  day: TimeRange,
  known: ReadonlySet<Neighbour>,
): TradeMatch {
  return new Matcher(new Cursor(trades, tradesIn), day, known).match(new Cursor(aggregates, aggregatesIn))
}

/** A stretch of ids. */
interface Ids {
  first: number
  last: number
}

/** An aggregate, by itself. */
interface Aggregate extends Ids {
  readonly id: number
  readonly price: number
  readonly quantity: number
  readonly timeUs: number
  readonly isMaker: boolean
}

/** What the trades of an aggregate say. */
interface Traded {
  readonly sum: DecimalSum
  readonly missing: Ids[]
  count: number
  fromUs: number
  toUs: number
  /** a price, and a flag, that is not the aggregate's */
  otherPrice: number | undefined
  isOtherMaker: boolean
}

class Matcher {
  readonly #trades: Cursor<TradeRows>
  readonly #day: TimeRange
  readonly #known: ReadonlySet<Neighbour>
  readonly #needs = new Set<Neighbour>()
  readonly #differences = new TradeDifferences()
  readonly #sum = new DecimalSum()
  #own = 0
  #compared = 0
  #unpublished = 0
  /** the greatest id that a trade has, or an aggregate names; none yet: -1 */
  #lastId = -1
  #hasAggregate = false

  constructor(trades: Cursor<TradeRows>, day: TimeRange, known: ReadonlySet<Neighbour>) {
    this.#trades = trades
    this.#day = day
    this.#known = known
  }

  match(aggregates: Cursor<AggregateRows>): TradeMatch {
    for (; !aggregates.isDone; aggregates.next()) {
      const { rows, row, isOwn } = aggregates
      const aggregate: Aggregate = {
        id: numberAt(rows.id, row),
        price: numberAt(rows.price, row),
        quantity: numberAt(rows.quantity, row),
        first: numberAt(rows.first, row),
        last: numberAt(rows.last, row),
        timeUs: numberAt(rows.timeUs, row),
        isMaker: rows.isMaker[row] === 1,
      }
      this.#take(aggregate, isOwn)
      this.#hasAggregate = true
    }
    this.#passTrades(Infinity, true)
    return {
      trades: this.#own,
      aggregates: this.#compared,
      unpublished: this.#unpublished,
      ...this.#differences.all(),
      needs: this.#needs,
    }
  }

  #take(aggregate: Aggregate, isOwn: boolean): void {
    const { first, last } = aggregate
    this.#passTrades(first, false)
    if (isOwn) this.#compared++
    if (first <= this.#lastId || last < first) {
      if (isOwn) this.#differences.tell(differenceOf('range', aggregate))
      return
    }
    this.#skipIds(first, isOwn)
    this.#lastId = last
    const isFirst = this.#own === 0
    const traded = this.#trade(aggregate)
    if (isOwn) this.#judge(aggregate, traded, isFirst)
  }

  /** No trade has the ids before this one, and no aggregate names them. */
  #skipIds(id: number, isOwn: boolean): void {
    if (isOwn && this.#own > 0) this.#unpublished += id - this.#lastId - 1
  }

  /** Leaves trades behind that come before an id: no aggregate names them. */
  #passTrades(id: number, isEnd: boolean): void {
    const trades = this.#trades
    for (; !trades.isDone && numberAt(trades.rows.id, trades.row) < id; trades.next()) {
      const own = numberAt(trades.rows.id, trades.row)
      const timeUs = numberAt(trades.rows.timeUs, trades.row)
      this.#skipIds(own, trades.isOwn)
      this.#lastId = own
      if (!trades.isOwn) continue
      this.#own++
      if (!this.#hasAggregate && this.#isOpen('aggTrades', 'before', timeUs)) continue
      if (isEnd && this.#isOpen('aggTrades', 'after', timeUs)) continue
      this.#differences.tell({
        kind: 'no-aggregate',
        time: isoOfUs(timeUs),
        aggregate_id: null,
        first_trade_id: own,
        last_trade_id: own,
        column: null,
        trades: null,
        aggregate: null,
      })
    }
  }

  /** The trades that an aggregate names. */
  #trade({ first, last, price, isMaker }: Aggregate): Traded {
    const trades = this.#trades
    const sum = this.#sum
    sum.clear()
    const traded: Traded = { sum, missing: [], count: 0, fromUs: Infinity, toUs: -Infinity, otherPrice: undefined, isOtherMaker: false }
    let next = first
    for (; !trades.isDone; trades.next()) {
      const { rows, row } = trades
      const id = numberAt(rows.id, row)
      if (id > last) break
      if (id > next) traded.missing.push({ first: next, last: id - 1 })
      next = id + 1
      if (trades.isOwn) this.#own++
      const timeUs = numberAt(rows.timeUs, row)
      traded.count++
      traded.fromUs = Math.min(traded.fromUs, timeUs)
      traded.toUs = Math.max(traded.toUs, timeUs)
      sum.add(numberAt(rows.quantity, row))
      if (numberAt(rows.price, row) !== price) traded.otherPrice ??= numberAt(rows.price, row)
      if ((rows.isMaker[row] === 1) !== isMaker) traded.isOtherMaker = true
    }
    if (next <= last) traded.missing.push({ first: next, last })
    return traded
  }

  /** @param isFirst no trade of the day stands before its trades */
  #judge(aggregate: Aggregate, traded: Traded, isFirst: boolean): void {
    const { sum, missing, count } = traded
    const { first, last, quantity, timeUs } = aggregate
    const [from, to] = [missing[0], missing.at(-1)]
    const total = sum.value()
    const isSum = total === quantity || (!sum.isExact && areNeighbours(total, quantity))
    const lacksEnd = from?.first === first || to?.last === last
    if (from !== undefined && to !== undefined && (lacksEnd || (!isSum && total < quantity))) {
      if (from.first === first && isFirst && this.#isOpen('trades', 'before', timeUs)) return
      if (to.last === last && this.#trades.isDone && this.#isOpen('trades', 'after', timeUs)) return
      for (const ids of missing)
        this.#differences.tell({ ...differenceOf('missing-trades', aggregate), ...namesOf(ids), trades: total, aggregate: quantity })
      if (count === 0) return
    } else {
      this.#unpublished += missing.reduce((ids, one) => ids + one.last - one.first + 1, 0)
      if (!isSum) this.#tellCell(aggregate, 'quantity', total, quantity)
      if (timeUs < traded.fromUs || timeUs > traded.toUs)
        this.#tellCell(aggregate, 'transact_time', isoOfUs(timeUs < traded.fromUs ? traded.fromUs : traded.toUs), isoOfUs(timeUs))
    }
    if (traded.otherPrice !== undefined) this.#tellCell(aggregate, 'price', traded.otherPrice, aggregate.price)
    if (traded.isOtherMaker) this.#tellCell(aggregate, 'is_buyer_maker', !aggregate.isMaker, aggregate.isMaker)
  }

  /** True where a row at midnight may belong to a day beside its own, whose rows are not known: they are needed. */
  #isOpen(dataset: 'trades' | 'aggTrades', side: 'before' | 'after', timeUs: number): boolean {
    const { startUs, endUs } = this.#day
    if (side === 'before' ? timeUs >= startUs + BORDER_US : timeUs < endUs - BORDER_US) return false
    const neighbour: Neighbour = `${dataset} of the day ${side}`
    if (this.#known.has(neighbour)) return false
    this.#needs.add(neighbour)
    return true
  }

  #tellCell(aggregate: Aggregate, column: string, trades: number | string | boolean, own: number | string | boolean): void {
    this.#differences.tell({ ...differenceOf('value', aggregate), column, trades, aggregate: own })
  }
}

function differenceOf(kind: TradeDifference['kind'], aggregate: Aggregate): TradeDifference {
  return {
    kind,
    time: isoOfUs(aggregate.timeUs),
    aggregate_id: aggregate.id,
    ...namesOf(aggregate),
    column: null,
    trades: null,
    aggregate: null,
  }
}

function namesOf({ first, last }: Ids): { readonly first_trade_id: number; readonly last_trade_id: number } {
  return { first_trade_id: first, last_trade_id: last }
}
