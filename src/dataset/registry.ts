import type { Columns } from '../model/columns.ts'
import { createValues } from '../model/columns.ts'
import type { Market } from '../model/market.ts'
import { BOOK_DEPTH, BOOK_TICKER } from './sets/book.ts'
import type { Dataset } from './dataset.ts'
import { FUNDING_RATE } from './sets/funding.ts'
import { KLINES } from './sets/klines.ts'
import { LIQUIDATIONS } from './sets/liquidations.ts'
import { METRICS } from './sets/metrics.ts'
import { OPTION_SUMMARY, VOLATILITY_INDEX } from './sets/options.ts'
import { INDEX_PRICE_KLINES, MARK_PRICE_KLINES, PREMIUM_INDEX_KLINES } from './sets/price-klines.ts'
import { AGG_TRADES, TRADES } from './sets/trades.ts'

/** A description, and what it is in the markets in which something differs. */
interface Described {
  readonly dataset: Dataset
  readonly inMarket: ReadonlyMap<string, Dataset>
}

const DATASETS = new Map<string, Described>(
  [
    KLINES,
    FUNDING_RATE,
    MARK_PRICE_KLINES,
    INDEX_PRICE_KLINES,
    PREMIUM_INDEX_KLINES,
    METRICS,
    AGG_TRADES,
    TRADES,
    BOOK_DEPTH,
    BOOK_TICKER,
    LIQUIDATIONS,
    VOLATILITY_INDEX,
    OPTION_SUMMARY,
  ].map((dataset) => [dataset.name, describe(dataset)]),
)

function describe(dataset: Dataset): Described {
  const others = Object.entries(dataset.inMarket ?? {}).map(([market, other]): [string, Dataset] => [market, { ...dataset, ...other }])
  return { dataset, inMarket: new Map(others) }
}

/** Describes one more data set, in this thread. */
export function registerDataset(dataset: Dataset): void {
  DATASETS.set(dataset.name, describe(dataset))
}

/** Names of all data sets that are described. */
export function datasetNames(): string[] {
  return [...DATASETS.keys()]
}

/** Names of the data sets that a market has. */
export function datasetsOf(market: Market): string[] {
  return [...DATASETS.values()].flatMap(({ dataset }) => (dataset.markets.includes(market) ? [dataset.name] : []))
}

/** What names a data set; absent: `klines`. */
export interface DatasetName {
  readonly dataset?: string | undefined
}

/** Whose description is wanted. A `Series` is one. */
export interface OfDataset extends DatasetName {
  /** in which it is what its description says of that market; absent: what it says of most */
  readonly market?: string | undefined
}

/** The description of a data set, `klines` where none is named; undefined: nobody has described it. */
export function findDataset(name: string | undefined, market?: string): Dataset | undefined {
  if (name === undefined) return KLINES
  const known = DATASETS.get(name)
  return (market === undefined ? undefined : known?.inMarket.get(market)) ?? known?.dataset
}

/** The description of a series' data set. Throws RangeError for one that nobody has described. */
export function datasetOf({ dataset, market }: OfDataset): Dataset {
  const found = findDataset(dataset, market)
  if (found === undefined) throw new RangeError(`no data set is called ${dataset}`)
  return found
}

/** The data set of a folder in the bucket; undefined: nobody has described one that lies there. */
export function datasetIn(folder: string): Dataset | undefined {
  for (const { dataset } of DATASETS.values()) if (dataset.folder === folder) return dataset
  return undefined
}

/** A data set as a `Series` names it. */
export function named({ name }: Dataset): DatasetName {
  return name === KLINES.name ? {} : { dataset: name }
}

/** True where the chunks of a data set are Parquet files. */
export function isStoredAsParquet(of: OfDataset): boolean {
  return datasetOf(of).storage === 'parquet'
}

/** Keys of the columns that two sources may tell differently without contradicting each other. */
export function looseColumnsOf(series: OfDataset): readonly string[] {
  return datasetOf(series).columns.flatMap(({ key, loose }) => (loose === true ? [key] : []))
}

/** Columns of `length` rows, all zero. */
export function createRows(series: OfDataset, length: number): Columns {
  const entries = datasetOf(series).columns.map(({ key, type }) => [key, createValues(type, length)])
  return Object.fromEntries(entries) as Columns
}
