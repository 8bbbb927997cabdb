import { idsOf } from '../../dataset/expected.ts'
import { isFailure } from '../../errors.ts'
import { createRows } from '../../dataset/registry.ts'
import { mergeRows, rowsWithin } from '../../dataset/rows.ts'
import type { ChunkEnds } from '../../dataset/sequence.ts'
import type { Columns } from '../../model/columns.ts'
import { joinColumns, pickRows } from '../../model/columns.ts'
import type { Evidence } from '../../model/evidence.ts'
import { doubt } from '../../model/evidence.ts'
import type { Gap, IdRange } from '../../model/gaps.ts'
import type { RestSeries, Series, TimeRange } from '../../model/series.ts'
import type { IdRows } from '../../sources/rest/id-rows.ts'
import type { RestSource } from '../../sources/rest/rest.ts'
import type { RestAnswer } from './rest-answer.ts'

/** More missing rows of a chunk are not asked for: of `aggTrades` they cost 8,000 of the 6,000 of weight that an address has in a minute. */
const MOST_IDS = 2_000_000

/** Holes closer than this are asked for as one stretch: a page carries more rows than that. */
const NEAR_IDS = 250

/**
 * Asks REST for the rows that holes of a sequence lack, from the row before each to the row after it, both of which are held.
 * @param gaps with their ids; of one without them REST can tell nothing
 */
export async function askIds(series: RestSeries, gaps: readonly Gap[], rest: RestSource | null, signal: AbortSignal): Promise<RestAnswer> {
  const silent = { kind: 'silent' as const, reachUs: -Infinity, note: null, passing: false, error: null }
  const ranges = gaps.flatMap(({ ids }) => ids ?? [])
  if (ranges.length === 0) return { ...silent, reason: 'no-source' }
  if (rest === null) return { ...silent, reason: 'rest-off' }
  const missing = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  if (missing > MOST_IDS)
    return { ...silent, reason: 'not-asked', note: `${missing} rows are more than the ${MOST_IDS} that it is asked for` }
  const stretches: IdRows[] = []
  try {
    for (const { first, last } of nearOnes(ranges)) {
      const stretch = await rest.fetchIds(series, { before: first - 1, after: last + 1 }, { signal })
      if (stretch === null) return { ...silent, reason: 'unknown-symbol' }
      stretches.push(stretch)
    }
  } catch (error) {
    if (!isFailure(error)) throw error
    return { ...silent, reason: 'rest-failed', note: `${error.code}: ${error.message}`, passing: true, error }
  }
  const none = createRows(series, 0)
  const rows = joinColumns(
    stretches.map((stretch) => stretch.rows),
    none,
  )
  return {
    ...{ kind: 'asked', reachUs: -Infinity, rows, sound: rows, odd: new Map(), silentAfterUs: null, linked: () => false },
    seen: Array.from(rows.openTime, Number),
    explain: (gap) => explainIds(gap, stretches, timesById(rows, series)),
  }
}

/** In order, near ones as one. */
function nearOnes(ranges: readonly IdRange[]): IdRange[] {
  const stretches: IdRange[] = []
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const last = stretches.at(-1)
    if (last !== undefined && range.first - last.last <= NEAR_IDS)
      stretches[stretches.length - 1] = { first: last.first, last: Math.max(last.last, range.last) }
    else stretches.push(range)
  }
  return stretches
}

function timesById(rows: Columns, series: Series): ReadonlyMap<number, number> {
  const ids = idsOf(rows, series) ?? new BigInt64Array()
  return new Map(Array.from(ids, (id, row) => [Number(id), Number(rows.openTime[row])]))
}

/** What of a hole REST has not filled: proved where it has the rows on both sides of it next to each other. */
function explainIds({ ids }: Gap, stretches: readonly IdRows[], times: ReadonlyMap<number, number>): Evidence {
  if (ids === undefined) return doubt('no-source')
  const witnesses = ids.flatMap(({ first, last }) => [first - 1, last + 1])
  const isDenied = ids.every(({ first, last }) => stretches.some(({ linked }) => linked(first - 1, last + 1)))
  const told = witnesses.map((id) => times.get(id)).filter((time) => time !== undefined)
  if (!isDenied || told.length < witnesses.length) return doubt('no-witness')
  return { source: 'rest', beforeUs: Math.min(...told), afterUs: Math.max(...told) }
}

/** Sides of a chunk on which no other chunk is known. */
export interface OpenSides {
  readonly before: boolean
  readonly after: boolean
}

/**
 * Rows of REST that lie in a chunk before its first row, or behind its last one, by the rows next to these: what an archive that was cut lacks.
 * None where REST cannot be asked.
 * @param held rows of the chunk, in order
 */
export async function askEdges(
  series: RestSeries,
  held: ChunkEnds,
  { startUs, endUs }: TimeRange,
  sides: OpenSides,
  rest: RestSource,
  signal: AbortSignal,
): Promise<Columns> {
  const idAt = (row: Columns): number => Number(idsOf(row, series)?.[0])
  const none = createRows(series, 0)
  const [first, last] = [idAt(held.first), idAt(held.last)]
  const asks = [
    ...(sides.before && first > 0 ? [{ after: first, sinceUs: startUs }] : []),
    ...(sides.after ? [{ before: last, untilUs: endUs }] : []),
  ]
  const parts: Columns[] = []
  for (const ask of asks) {
    const edge = 'after' in ask ? held.first : held.last
    try {
      const rows = withHeldTimes((await rest.fetchIds(series, ask, { signal }))?.rows ?? none, edge, series)
      const ids = idsOf(rows, series) ?? new BigInt64Array()
      const beyond = [...ids.keys()].filter((row) => Number(ids[row]) < first || Number(ids[row]) > last)
      // REST is believed where it has the row that is held
      if (mergeRows(edge, rows, series).agreeing > 0) parts.push(rowsWithin(pickRows(rows, beyond), { startUs, endUs }))
    } catch (error) {
      if (!isFailure(error)) throw error
    }
  }
  return joinColumns(parts, none)
}

/** Rows of REST with the times of those that are held, where both are of one millisecond: it may tell no finer ones. */
export function withHeldTimes(rows: Columns, held: Columns, series: Series): Columns {
  const ids = idsOf(rows, series)
  if (ids === undefined) return rows
  const known = timesById(held, series)
  const openTime = rows.openTime.map((time, row) => {
    const heldUs = known.get(Number(ids[row]))
    return heldUs !== undefined && Math.floor(heldUs / 1000) === Math.floor(Number(time) / 1000) ? BigInt(heldUs) : time
  })
  return { ...rows, openTime }
}
