import type { Columns } from '../model/columns.ts'
import type { Dataset } from './dataset.ts'
import { FUNDING_RATE } from './funding.ts'
import { KLINES } from './klines.ts'
import { METRICS } from './metrics.ts'
import { INDEX_PRICE_KLINES, MARK_PRICE_KLINES, PREMIUM_INDEX_KLINES } from './price-klines.ts'

const DATASETS = new Map<string, Dataset>(
  [KLINES, FUNDING_RATE, MARK_PRICE_KLINES, INDEX_PRICE_KLINES, PREMIUM_INDEX_KLINES, METRICS].map((dataset) => [dataset.name, dataset]),
)

/** Describes one more data set, in this thread. */
export function registerDataset(dataset: Dataset): void {
  DATASETS.set(dataset.name, dataset)
}

/** Names of all data sets that are described. */
export function datasetNames(): string[] {
  return [...DATASETS.keys()]
}

/** What names a data set; absent: `klines`. A `Series` is one. */
export interface OfDataset {
  readonly dataset?: string | undefined
}

/** The description of a data set, `klines` where none is named; undefined: nobody has described it. */
export function findDataset(name: string | undefined): Dataset | undefined {
  return name === undefined ? KLINES : DATASETS.get(name)
}

/** The description of a series' data set. Throws RangeError for one that nobody has described. */
export function datasetOf({ dataset }: OfDataset): Dataset {
  const found = findDataset(dataset)
  if (found === undefined) throw new RangeError(`no data set is called ${dataset}`)
  return found
}

/** The data set of a folder in the bucket; undefined: nobody has described one that lies there. */
export function datasetIn(folder: string): Dataset | undefined {
  return [...DATASETS.values()].find((dataset) => dataset.folder === folder)
}

/** A data set as a `Series` names it. */
export function named({ name }: Dataset): OfDataset {
  return name === KLINES.name ? {} : { dataset: name }
}

/** Keys of the columns that two sources may tell differently without contradicting each other. */
export function looseColumnsOf(series: OfDataset): readonly string[] {
  return datasetOf(series).columns.flatMap(({ key, loose }) => (loose === true ? [key] : []))
}

/** Columns of `length` rows, all zero. */
export function createRows(series: OfDataset, length: number): Columns {
  const entries = datasetOf(series).columns.map(({ key, type }) => [
    key,
    type === 'float64' ? new Float64Array(length) : new BigInt64Array(length),
  ])
  return Object.fromEntries(entries) as Columns
}
