import { seriesLabel } from '../../dataset/names.ts'
import type { ToldSeries } from '../../dataset/told.ts'
import { toldInterval } from '../../dataset/told.ts'

/** What many series have in common, and what each is called beside it. */
export interface SeriesTitle {
  /** `spot 1h`; empty: they have nothing in common */
  readonly common: string
  nameOf(this: void, series: ToldSeries): string
}

/** Market, data set and interval stand in the title where all series share them, so that a table is narrow. */
export function titleOf(series: readonly ToldSeries[]): SeriesTitle {
  const parts = (one: ToldSeries): readonly (readonly [string, string])[] => [
    ['market', one.market],
    ['symbol', one.symbol],
    ['dataset', one.dataset ?? ''],
    ['interval', toldInterval(one) ?? ''],
  ]
  const [first] = series
  if (first === undefined || series.length < 2) return { common: '', nameOf: seriesLabel }
  const shared = new Set(
    parts(first).flatMap(([key, value]) =>
      key !== 'symbol' && series.every((one) => parts(one).some(([other, own]) => other === key && own === value)) ? [key] : [],
    ),
  )
  const wordsOf = (one: ToldSeries, wanted: (key: string) => boolean): string =>
    parts(one)
      .flatMap(([key, value]) => (value !== '' && wanted(key) ? [value] : []))
      .join(' ')
  return { common: wordsOf(first, (key) => shared.has(key)), nameOf: (one) => wordsOf(one, (key) => !shared.has(key)) }
}
