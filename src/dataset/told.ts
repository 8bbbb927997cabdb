import type { Interval } from '../model/interval.ts'
import { intervalPathName } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { OfDataset } from './registry.ts'
import { datasetOf, named } from './registry.ts'

/*
 * What a person and `--json` are told of a series and of its rows, by its data set. The one place that says it, for every command and result.
 */

/** A series in a result. */
export interface ToldSeries extends Omit<Series, 'interval'> {
  /** `1s` to `1M`; null: the data set has no intervals */
  readonly interval: Interval | null
}

/** What is told as a series' interval: null where its data set has none, and `Series.interval` is the grid of its times. */
export function toldInterval({ dataset, interval }: Pick<ToldSeries, 'dataset' | 'interval'>): Interval | null {
  return datasetOf({ dataset }).hasInterval ? interval : null
}

/** As `toldInterval`, as paths have it: `1mo` for a month. */
export function toldPathName(series: Pick<ToldSeries, 'dataset' | 'interval'>): string | null {
  const interval = toldInterval(series)
  return interval === null ? null : intervalPathName(interval)
}

/** A series as results name it. */
export function toldSeries<T extends Pick<ToldSeries, 'dataset' | 'interval'>>(
  series: T,
): Omit<T, 'interval'> & Pick<ToldSeries, 'interval'> {
  return { ...series, interval: toldInterval(series) }
}

/** The series that a result names. */
export function seriesOf({ dataset, market, symbol, interval }: ToldSeries): Series {
  const described = datasetOf({ dataset })
  return { ...named(described), market, symbol, interval: interval ?? described.grid }
}

/** What one row is called. */
export function rowWord(of: OfDataset): 'bar' | 'row' {
  return datasetOf(of).rules === null ? 'row' : 'bar'
}

/** What one row of any of several series is called: a bar is a row, too. */
export function rowWordOfAll(all: readonly OfDataset[]): 'bar' | 'row' {
  return all.every((of) => rowWord(of) === 'bar') ? 'bar' : 'row'
}

/** `3 of 1440 bars are missing`; of what is as published a chunk lacks all, and nobody knows how many they were. */
export function missingRows(of: OfDataset, missing: number, expected: number): string {
  const word = rowWord(of)
  return tellsExpected(of) ? `${missing} of ${expected} ${word}s are missing` : `all ${word}s are missing`
}

/**
 * True where it can be said how many rows a chunk should have. Of what is as published nobody knows it: then neither `expected` nor the number
 * of missing rows is told, since a 0 would look like a proof.
 */
export function tellsExpected(of: OfDataset): boolean {
  return datasetOf(of).completeness.kind !== 'as-published'
}
