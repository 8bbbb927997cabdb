import type { Beginnings } from '../acquire/life/series-life.ts'
import type { Ledger } from '../lake/ledger.ts'
import type { Interval } from '../model/interval.ts'
import { INTERVALS, nestsIn } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { UniverseLine } from './universe.ts'

/** REST's answers to "the first bar of all", of a run: kept in the catalog, asked once a symbol, for its shortest interval. */
export function createBeginnings(catalog: Ledger, universe: readonly UniverseLine[]): Beginnings {
  const turns = new Map<string, Promise<unknown>>()
  const shortest = new Map<string, Interval>()
  for (const line of universe.filter(({ dataset }) => dataset === undefined)) {
    const key = keyOf(line)
    const wanted = line.intervals === 'all' ? (['1m'] as const) : line.intervals
    for (const interval of wanted) if (isShorter(interval, shortest.get(key))) shortest.set(key, interval)
  }
  return {
    list: (series) => catalog.listBeginnings(series),
    put: (row) => catalog.putBeginning(row),
    inTurn: (series, work) => {
      const before = turns.get(keyOf(series)) ?? Promise.resolve()
      // whether the one before failed is its own affair
      const turn = before.then(work, work)
      turns.set(keyOf(series), turn)
      return turn
    },
    intervalFor: (series) => {
      if (series.dataset !== undefined) return series.interval
      const found = shortest.get(keyOf(series))
      return found !== undefined && nestsIn(found, series.interval) ? found : series.interval
    },
  }
}

function keyOf({ market, symbol }: Pick<Series, 'market' | 'symbol'>): string {
  return `${market} ${symbol}`
}

function isShorter(a: Interval, b: Interval | undefined): boolean {
  return b === undefined || INTERVALS.indexOf(a) < INTERVALS.indexOf(b)
}
