import type { Beginnings, SeriesLifeOptions } from '../../../src/acquire/life/series-life.ts'
import { SeriesLife } from '../../../src/acquire/life/series-life.ts'
import type { BeginningRow } from '../../../src/lake/catalog/catalog-rows.ts'
import type { Interval } from '../../../src/model/interval.ts'
import { at, HOURS } from './bars.ts'

/** What was told of the beginnings of a symbol, in memory. */
export function beginningsOf(rows: readonly BeginningRow[] = [], interval?: Interval): Beginnings & { readonly rows: BeginningRow[] } {
  const known = [...rows]
  let last: Promise<unknown> = Promise.resolve()
  return {
    rows: known,
    list: () => known,
    put: (row) => void known.push(row),
    inTurn: (_series, work) => {
      const turn = last.then(work)
      last = turn.catch(() => undefined)
      return turn
    },
    intervalFor: (series) => interval ?? series.interval,
  }
}

/** The life of a series of hours of which nothing is known, in archives that begin where it does. */
export function lifeOf(options: Partial<SeriesLifeOptions>): SeriesLife {
  return new SeriesLife({
    series: HOURS,
    known: undefined,
    beginnings: beginningsOf(),
    rest: null,
    earliestInArchives: (heldUs) => Promise.resolve(heldUs),
    latestInArchives: (heldUs) => Promise.resolve(heldUs),
    isListingBehind: () => Promise.resolve(false),
    lastKnownDay: null,
    goesOn: false,
    nowUs: at('2024-03-20T00:00:00Z'),
    signal: new AbortController().signal,
    ...options,
  })
}
