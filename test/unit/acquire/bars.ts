import type { KlineSource } from '../../../src/sources/source.ts'
import type { Series, TimeRange } from '../../../src/model/series.ts'
import type { KlineColumns } from '../../../src/model/kline.ts'
import { createColumns } from '../../../src/model/kline.ts'
import { rowsWithin } from '../../../src/acquire/reconcile.ts'

export const HOURS: Series = { market: 'spot', symbol: 'AAAUSDT', interval: '1h' }
export const HOUR_US = 3_600_000_000

export function at(iso: string): number {
  return Date.parse(iso) * 1000
}

/** One-hour bars that open at the given times; `volume` tells versions apart. */
export function barsAt(openTimesUs: readonly number[], volume = 10): KlineColumns {
  const columns = createColumns(openTimesUs.length)
  for (const [row, openUs] of openTimesUs.entries()) {
    columns.openTime[row] = BigInt(openUs)
    columns.closeTime[row] = BigInt(openUs + HOUR_US - 1000)
    columns.open[row] = columns.high[row] = columns.low[row] = columns.close[row] = 100
    columns.volume[row] = volume
  }
  return columns
}

/** The hours of a day, `count` of them from `first` on. */
export function hoursOf(day: string, first = 0, count = 24): number[] {
  return Array.from({ length: count }, (_, i) => at(`${day}T00:00:00Z`) + (first + i) * HOUR_US)
}

export function opensOf(columns: KlineColumns): number[] {
  return Array.from(columns.openTime, Number)
}

/** A source that has some bars, by its contract; `asked` gathers the ranges. */
export function sourceOf(columns: KlineColumns): KlineSource & { readonly asked: TimeRange[] } {
  const asked: TimeRange[] = []
  return {
    name: 'rest',
    asked,
    fetchStretch: (_series, range) => {
      asked.push(range)
      return Promise.resolve({ kind: 'found', rows: rowsWithin(columns, range), missing: [], source: 'rest' })
    },
  }
}
