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

/** Two rows of a sequence that are held, by their ids. */
export interface IdsAsk {
  readonly before: number
  readonly after: number
}

/** What REST has from one row to another. */
export interface IdRows {
  /** in order of their ids, the two that are held among them where REST has them */
  readonly rows: Columns
  /** true when one answer has both rows, next to each other */
  readonly linked: (before: number, after: number) => boolean
}

/** Asks, with retries. */
type FetchAnswer = (url: string, ask: { weight: number; maxBytes: number; headers: Readonly<Record<string, string>> }) => Promise<HttpAnswer>

/**
 * Walks from one row of a sequence to another; each page begins with the last row of the page before it. Null when the exchange does not know
 * the symbol. A page that brings nothing new ends the walk.
 * @throws CKVD_REST_BODY, also for pages that are too short to ever come to the end, and as `fetchAnswer`
 */
export async function walkIds(
  series: Series,
  { before, after }: IdsAsk,
  { path, endpoint, weight, pageRows }: IdFacts,
  base: string,
  fetchAnswer: FetchAnswer,
): Promise<IdRows | null> {
  const parts: Columns[] = []
  const links = new Map<number, number>()
  const mostPages = PAGES_FACTOR * Math.ceil((after - before) / (pageRows - 1)) + PAGES_MORE
  let from = before
  for (let pages = 0; ; pages++) {
    const limit = Math.min(pageRows, after - from + 1)
    const url = `${base}${path}?${new URLSearchParams({ symbol: series.symbol, fromId: String(from), limit: String(limit) }).toString()}`
    const refuse = (expected: string, found: string): CkvdError =>
      new CkvdError('CKVD_REST_BODY', `Expected ${expected} from ${url}, got ${found}. Check the REST URL.`, { details: { url, found } })
    if (pages === mostPages) throw refuse(`the row ${after} within ${mostPages} pages`, `the row ${from}`)
    const got = await fetchAnswer(url, { weight, maxBytes: MAX_BODY_BYTES, headers: HEADERS })
    if (isUnlisted(got, endpoint, url)) return null
    const page = decodeRestTicks(endpoint, got.body, url)
    const ids = idsOf(page, series) ?? new BigInt64Array()
    const isInOrder = areAscending(ids) && page.openTime.every((time, row) => row === 0 || time >= (page.openTime[row - 1] ?? time))
    if (!isInOrder) throw refuse('rows in ascending order of ids and times', 'others')
    if (ids.length > limit) throw refuse(`at most ${limit} rows`, `${ids.length} rows`)
    if (ids[0] !== undefined && Number(ids[0]) < from) throw refuse(`rows from ${from} on`, `the row ${ids[0]}`)
    for (let i = 1; i < ids.length; i++) if (Number(ids[i]) > Number(ids[i - 1]) + 1) links.set(Number(ids[i - 1]), Number(ids[i]))
    const isAgain = parts.length > 0 && Number(ids[0]) === from
    parts.push(sliceColumns(page, isAgain ? 1 : 0, lowerBound(ids, after + 1)))
    const last = Number(ids.at(-1) ?? from)
    if (last <= from || last >= after) break
    from = last
  }
  return { rows: joinColumns(parts, createRows(series, 0)), linked: (one, other) => links.get(one) === other }
}
