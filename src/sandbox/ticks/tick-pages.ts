import type { TicksQuery } from '../bucket.ts'
import type { ListedSymbol } from '../synthetic/listed-symbol.ts'
import type { SyntheticTicks, Tick, TickMinute } from './synthetic-ticks.ts'
import { dayOfMs, rowsOf } from './synthetic-ticks.ts'
import { encodeTick } from './tick-rows.ts'

/*
 * Pages of trades and aggregates as REST gives them: only the minutes that a page needs are made.
 */

/** The rows of a page as JSON; undefined where the id that it shall begin with is of a row that is too old to be told. */
export function createTickPage(ticks: SyntheticTicks, listed: ListedSymbol, query: TicksQuery): readonly string[] | undefined {
  const { dataset, fromId, startMs, endMs, limit, sinceMs } = query
  if (endMs < listed.firstMs) return []
  const rows = fromId === undefined && startMs === undefined ? latestRows(ticks, listed, query) : rowsFrom(ticks, listed, query)
  const page = rows.slice(0, limit)
  if (fromId !== undefined && page[0] !== undefined && page[0].timeUs < sinceMs * 1000) return undefined
  return page.map((tick) => encodeTick(dataset, listed.profile, tick, query.isFine))
}

/** From an id or a time on. */
function rowsFrom(ticks: SyntheticTicks, listed: ListedSymbol, query: TicksQuery): Tick[] {
  const { dataset, fromId = 0, startMs = 0, endMs, limit } = query
  const lastDay = dayOfMs(Math.min(endMs, listed.endMs - 1))
  const firstDay = query.fromId === undefined ? dayOfMs(Math.max(startMs, listed.firstMs)) : ticks.dayOfId(listed, dataset, fromId, lastDay)
  const rows: Tick[] = []
  for (let day = firstDay; day <= lastDay; day++) {
    for (const minute of ticks.minutesOf(listed, day)) {
      if (minute.openMs > endMs || rows.length >= limit) return rows
      if (rowsOf(dataset, minute).endId <= fromId || minute.openMs + 60_000 <= startMs) continue
      rows.push(...rowsWithin(ticks, listed, query, minute).filter(({ id }) => id >= fromId))
    }
  }
  return rows
}

/** The last ones up to a time. */
function latestRows(ticks: SyntheticTicks, listed: ListedSymbol, query: TicksQuery): Tick[] {
  const { endMs, limit, sinceMs } = query
  const firstMs = Math.max(listed.firstMs, sinceMs)
  const parts: Tick[][] = []
  let sum = 0
  for (let day = dayOfMs(Math.min(endMs, listed.endMs - 1)); day >= dayOfMs(firstMs) && sum < limit; day--) {
    for (const minute of ticks.minutesOf(listed, day).reverse()) {
      if (minute.openMs > endMs) continue
      if (sum >= limit || minute.openMs + 60_000 <= firstMs) break
      const part = rowsWithin(ticks, listed, query, minute).filter(({ timeUs }) => timeUs >= firstMs * 1000)
      parts.push(part)
      sum += part.length
    }
  }
  return parts.reverse().flat().slice(-limit)
}

/** The rows of a minute that are in the range of times that was asked for, to the millisecond. */
function rowsWithin(ticks: SyntheticTicks, listed: ListedSymbol, { dataset, startMs = 0, endMs }: TicksQuery, minute: TickMinute): Tick[] {
  return [...ticks.ticksOf(listed, dataset, minute, 'rest')].filter(({ timeUs }) => timeUs >= startMs * 1000 && timeUs < (endMs + 1) * 1000)
}
