import type { IdFacts } from '../../../config/markets.ts'
import { decodeRestTicks } from '../../codec/rest-ticks.ts'
import { idsOf } from '../../dataset/expected.ts'
import { createRows } from '../../dataset/registry.ts'
import { areAscending } from '../../dataset/sequence.ts'
import { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import { joinColumns, sliceColumns } from '../../model/columns.ts'
import { lowerBound } from '../../model/lower-bound.ts'
import type { Series } from '../../model/series.ts'
import type { HttpAnswer } from '../http/http-exchange.ts'
import { isUnlisted } from './klines-answer.ts'

/** 1,000 rows of some 200 bytes. */
const MAX_BODY_BYTES = 1 << 20
/** Times in microseconds, as archives of spot have them since 2025. Source: Binance's API documents of spot, "General API Information". */
const HEADERS = { 'X-MBX-TIME-UNIT': 'MICROSECOND' } as const
/** Pages may be shorter than they were asked for, and more of them be needed by so much. */
const PAGES_FACTOR = 2
const PAGES_MORE = 8

/** Most pages of rows that lie in a range of times, whose number nobody knows. */
const MOST_PAGES = 2000

/** What is asked of a sequence whose rows have ids. */
export type IdsAsk =
  /** the rows between two that are held */
  | { readonly before: number; readonly after: number }
  /** the rows behind one that is held, up to the first one at a time or later, us */
  | { readonly before: number; readonly untilUs: number }
  /** the rows before one that is held, back to the last one before a time, us */
  | { readonly after: number; readonly sinceUs: number }

/** What REST has of them. */
export interface IdRows {
  /** in order of their ids, those that are held among them where REST has them */
  readonly rows: Columns
  /** true when one answer has both rows, next to each other */
  readonly linked: (before: number, after: number) => boolean
}

/** Asks, with retries. */
type FetchAnswer = (
  url: string,
  ask: { weight: number; maxBytes: number; headers: Readonly<Record<string, string>> },
) => Promise<HttpAnswer>

/**
 * Walks through the rows of a sequence by their ids: from one that is held on, each page beginning with the last row of the page before it, or
 * back from one, each page ending with the first row of that. A page that brings nothing new ends the walk. Null when the exchange does not know
 * the symbol.
 * @throws CKVD_REST_BODY, also for pages that are too short to ever come to the end, and as `fetchAnswer`
 */
export async function walkIds(series: Series, ask: IdsAsk, facts: IdFacts, base: string, fetchAnswer: FetchAnswer): Promise<IdRows | null> {
  const walk = new IdWalk(series, facts, base, fetchAnswer)
  const isWalked = await ('sinceUs' in ask ? walk.back(ask.after, ask.sinceUs) : walk.on(ask))
  return isWalked ? walk.rows() : null
}

class IdWalk {
  readonly #series: Series
  readonly #facts: IdFacts
  readonly #base: string
  readonly #fetchAnswer: FetchAnswer
  /** in order */
  readonly #parts: Columns[] = []
  readonly #links = new Map<number, number>()

  constructor(series: Series, facts: IdFacts, base: string, fetchAnswer: FetchAnswer) {
    this.#series = series
    this.#facts = facts
    this.#base = base
    this.#fetchAnswer = fetchAnswer
  }

  rows(): IdRows {
    const rows = joinColumns(this.#parts, createRows(this.#series, 0))
    return { rows, linked: (one, other) => this.#links.get(one) === other }
  }

  /** False when the exchange does not know the symbol. */
  async on(ask: Exclude<IdsAsk, { readonly sinceUs: number }>): Promise<boolean> {
    const { pageRows } = this.#facts
    const after = 'after' in ask ? ask.after : Infinity
    const untilUs = 'untilUs' in ask ? ask.untilUs : Infinity
    const mostPages = Math.min(MOST_PAGES * PAGES_FACTOR, PAGES_FACTOR * Math.ceil((after - ask.before) / (pageRows - 1))) + PAGES_MORE
    let from = ask.before
    for (let pages = 0; pages < mostPages; pages++) {
      // the row behind the one that is held tells whether more are missing
      const limit = after < Infinity ? Math.min(pageRows, after - from + 1) : pages === 0 ? 2 : pageRows
      const page = await this.#fetchPage(from, limit)
      if (page === null) return false
      const ids = this.#idsOf(page)
      const isAgain = this.#parts.length > 0 && Number(ids[0]) === from
      this.#parts.push(sliceColumns(page, isAgain ? 1 : 0, after < Infinity ? lowerBound(ids, after + 1) : ids.length))
      const last = Number(ids.at(-1) ?? from)
      if (last <= from || last >= after || Number(page.openTime.at(-1)) >= untilUs) return true
      from = last
    }
    throw this.#tooMany(mostPages)
  }

  /** False when the exchange does not know the symbol. */
  async back(after: number, sinceUs: number): Promise<boolean> {
    let to = after
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      // the row before the one that is held tells whether more are missing
      const limit = Math.min(pages === 0 ? 2 : this.#facts.pageRows, to + 1)
      const page = await this.#fetchPage(to - limit + 1, limit)
      if (page === null) return false
      const ids = this.#idsOf(page)
      this.#parts.unshift(sliceColumns(page, 0, lowerBound(ids, pages === 0 ? to + 1 : to)))
      const first = Number(ids[0] ?? to)
      if (first >= to || first === 0 || Number(page.openTime[0]) < sinceUs) return true
      to = first
    }
    throw this.#tooMany(MOST_PAGES)
  }

  async #fetchPage(from: number, limit: number): Promise<Columns | null> {
    const { path, endpoint, weight } = this.#facts
    const query = new URLSearchParams({ symbol: this.#series.symbol, fromId: String(from), limit: String(limit) })
    const url = `${this.#base}${path}?${query.toString()}`
    const refuse = (expected: string, found: string): CkvdError =>
      new CkvdError('CKVD_REST_BODY', `Expected ${expected} from ${url}, got ${found}. Check the REST URL.`, { details: { url, found } })
    const answer = await this.#fetchAnswer(url, { weight, maxBytes: MAX_BODY_BYTES, headers: HEADERS })
    if (isUnlisted(answer, endpoint, url)) return null
    const page = decodeRestTicks(endpoint, answer.body, url)
    const ids = this.#idsOf(page)
    const isInOrder = areAscending(ids) && page.openTime.every((time, row) => row === 0 || time >= (page.openTime[row - 1] ?? time))
    if (!isInOrder) throw refuse('rows in ascending order of ids and times', 'others')
    if (ids.length > limit) throw refuse(`at most ${limit} rows`, `${ids.length} rows`)
    if (ids[0] !== undefined && Number(ids[0]) < from) throw refuse(`rows from ${from} on`, `the row ${ids[0]}`)
    for (let i = 1; i < ids.length; i++) if (Number(ids[i]) > Number(ids[i - 1]) + 1) this.#links.set(Number(ids[i - 1]), Number(ids[i]))
    return page
  }

  #idsOf(page: Columns): BigInt64Array {
    return idsOf(page, this.#series) ?? new BigInt64Array()
  }

  #tooMany(pages: number): CkvdError {
    return new CkvdError('CKVD_REST_BODY', `Expected the rows that were asked for within ${pages} pages of ${this.#base}, found no end.`, {
      details: { pages },
    })
  }
}
