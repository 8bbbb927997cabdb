import type { ShardParts } from '../codec/parquet/parquet-shard.ts'
import { idsOf } from '../dataset/expected.ts'
import { rowsWithin } from '../dataset/rows.ts'
import { areAscending, rowsById } from '../dataset/sequence.ts'
import { CkvdError } from '../errors.ts'
import type { Columns } from '../model/columns.ts'
import { joinColumns, pickRows, sliceColumns } from '../model/columns.ts'
import type { Series, TimeRange } from '../model/series.ts'
import type { MatchPiece } from './match-rows.ts'

/** Rows of the days beside a day, in the order of their ids. */
export interface Beside {
  readonly before: Columns | undefined
  readonly after: Columns | undefined
}

/**
 * The rows of a day in the order of their ids, a piece at a time, between those of the days beside it. They are stored in the order of their
 * times, which is the same but where two moments were swapped: a row that stands further from its place than a part is long ends it.
 */
export class IdOrder {
  /** a row came that belongs before others that were given: the pieces have ended there */
  isBroken = false
  readonly #shard: ShardParts
  readonly #series: Series

  constructor(shard: ShardParts, series: Series) {
    this.#shard = shard
    this.#series = series
  }

  /** @throws CKVD_SHARD_FORMAT */
  *pieces({ before, after }: Beside): Generator<MatchPiece, void> {
    let lastId = -1
    for (const piece of this.#all(before, after)) {
      if (piece.columns.openTime.length === 0) continue
      const { first, last } = endIds(piece.columns, this.#series)
      this.isBroken = first <= lastId
      if (this.isBroken) return
      lastId = last
      yield piece
    }
  }

  *#all(before: Columns | undefined, after: Columns | undefined): Generator<MatchPiece, void> {
    if (before !== undefined) yield { columns: before, isOwn: false }
    for (const columns of this.#parts()) yield { columns, isOwn: true }
    if (after !== undefined) yield { columns: after, isOwn: false }
  }

  /** Each part in order, and in order with the one behind it. */
  *#parts(): Generator<Columns, void> {
    let held = inIdOrder(this.#shard.read(0), this.#series)
    for (let part = 1; part < this.#shard.count; part++) {
      const next = inIdOrder(this.#shard.read(part), this.#series)
      const { length } = held.openTime
      if (endIds(next, this.#series).first > endIds(held, this.#series).last) {
        yield held
        held = next
      } else {
        const both = inIdOrder(joinColumns([held, next], next), this.#series)
        yield sliceColumns(both, 0, length)
        held = sliceColumns(both, length, both.openTime.length)
      }
    }
    yield held
  }
}

/** The rows of a day that open in a range at its beginning or its end, in the order of their ids. @throws CKVD_SHARD_FORMAT */
export function rowsAtEnd(shard: ShardParts, series: Series, range: TimeRange, isLast: boolean): Columns {
  const parts: Columns[] = []
  for (let i = 0; i < shard.count; i++) {
    const part = shard.read(isLast ? shard.count - 1 - i : i)
    parts.push(rowsWithin(part, range))
    const reachedUs = Number(part.openTime.at(isLast ? 0 : -1))
    if (isLast ? reachedUs < range.startUs : reachedUs >= range.endUs) break
  }
  return inIdOrder(joinColumns(isLast ? parts.reverse() : parts, parts[0] as Columns), series)
}

function inIdOrder(columns: Columns, series: Series): Columns {
  const ids = requireIds(columns, series)
  return areAscending(ids) ? columns : pickRows(columns, rowsById(ids))
}

/** Of rows in the order of their ids, of which there is one at least. */
function endIds(columns: Columns, series: Series): { readonly first: number; readonly last: number } {
  const ids = requireIds(columns, series)
  return { first: Number(ids[0]), last: Number(ids.at(-1)) }
}

function requireIds(columns: Columns, series: Series): BigInt64Array {
  const ids = idsOf(columns, series)
  if (ids === undefined) throw new CkvdError('CKVD_BUG', `Expected rows with ids of ${String(series.dataset)}, found others.`)
  return ids
}
