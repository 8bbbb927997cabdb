import type { ColumnType } from '../model/columns.ts'
import type { Interval } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import type { Packaging } from '../model/series.ts'
import type { Schedule } from './schedule.ts'
import type { Sequence } from './sequence.ts'

/** A column of a data set, in the order in which archives and shards have it. */
export interface DatasetColumn {
  /** in memory; one column of each data set is its time, `openTime` */
  readonly key: string
  /** in shards and tables */
  readonly name: string
  /** `bool` is written as `true` and `false`, or as `True` and `False`; `word` and `text` are of data sets whose chunks are Parquet alone */
  readonly type: ColumnType
  /** of `word`: all that it may be, at most 256; in shards and tables it is text */
  readonly words?: readonly string[]
  /** in the header of a CSV; default: `name` */
  readonly header?: string
  /** bounds of a value that may be believed, both included; default: none */
  readonly least?: number
  readonly most?: number
  /** two sources may tell it differently without contradicting each other; default false */
  readonly loose?: boolean
  /** of float64: an empty cell is no value, which is NaN in memory and null in shards, tables and exports; default false */
  readonly nullable?: boolean
  /** of a timestamp: written as `2024-01-01 00:05:00`, UTC; default: as digits */
  readonly isText?: boolean
  /** of a timestamp: its cell has a date alone, `2024-01-01`, and the one behind it, whose header this is, the hour, UTC, 0 to 23 */
  readonly hour?: string
}

/** What must be there, and what is missing when it is not. */
export type Completeness =
  /** a row in each slot of the grid */
  | { readonly kind: 'grid' }
  /** a row so many hours after the one before it as it says itself */
  | ({ readonly kind: 'schedule' } & Schedule)
  /** ids that ascend by one, inside a chunk and from one to the next: the rows are told apart by them, and several may have one time */
  | ({ readonly kind: 'sequence' } & Sequence)
  /**
   * nothing inside a chunk can be proved missing; a chunk without a row lacks one. Rows are told apart by the column `id`, or by their times and,
   * of one time, by the columns `apart`: keys; absent: by their times alone
   */
  | { readonly kind: 'as-published'; readonly id?: string; readonly apart?: readonly string[] }

/**
 * What of a data set differs from others, and nothing else: plain data, so that it crosses to the threads that decode. Everything that
 * plans, fetches, decodes, explains, stores, verifies and shows asks it once an archive or a chunk, never a row.
 */
export interface Dataset {
  /** as Vision calls it, and as `Series.dataset` has it */
  readonly name: string
  /** folder in the bucket and in the lake */
  readonly folder: string
  /** the last day that was published, by market, of a data set that has ended; what the archives have behind it is taken all the same */
  readonly until?: Readonly<Partial<Record<Market, string>>>
  /** its series have an interval, which stands in paths and names: of others `Series.interval` is `grid` */
  readonly hasInterval: boolean
  /** the grid on which times are told where a series has no interval */
  readonly grid: Interval
  readonly markets: readonly Market[]
  /** what stands in the names of its symbols, and in those of no other data set of its markets: `BVOL`; absent: nothing */
  readonly symbolPart?: string
  /** what a chunk is; `interval`: a month for bars longer than a day, a day for others */
  readonly chunking: 'interval' | 'day' | 'month'
  /** the forms of its archives, that which is read first before the other; absent: both, the form of its chunks first */
  readonly packagings?: readonly Packaging[]
  /** the form that is taken where a chunk stands in both; absent: of a month of which all is wanted that of the month, else that of the day */
  readonly preferred?: Packaging
  /** which chunks of a series share a file of the lake; `interval`: as their interval says; absent: each has its own */
  readonly pack?: 'interval' | 'month' | 'year'
  /** the files of its chunks; of `parquet` none are packed; default: Arrow */
  readonly storage?: 'parquet'
  readonly columns: readonly DatasetColumn[]
  /** who reads its CSV: the scanners of klines, or the one that is driven by the columns */
  readonly csv: 'klines' | 'columns'
  /** place, from 0, of a column of its CSV that names the symbol in each row: checked, and not stored */
  readonly symbolAt?: number
  /**
   * its archives call each row by its slot, and hold the rows of their own period alone: markets whose archives of days before this one call
   * it by the end of the slot, all others by its start, as memory, shards and tables do
   */
  readonly endLabels?: Readonly<Partial<Record<Market, string>>>
  /** what one row must be in itself: a bar has rules, a signed one may have prices below 0; null: nothing but its types */
  readonly rules: 'bar' | 'signed-bar' | null
  readonly completeness: Completeness
  /** markets that have its series by the pair of contracts (`BTCUSD`), not by contract (`BTCUSD_PERP`); REST then calls it `pair` in every market */
  readonly pairs?: readonly Market[]
  /**
   * what of REST tells its rows, by their times, so that of a sequence it tells nothing yet: bars, at the path that is called as the data set
   * is, funding rates, or the statistics of futures; null: no source can be asked for what the archives lack, which is then `unexplainable`
   */
  readonly rest: 'klines' | 'fundingRate' | 'statistics' | null
  /** REST has the last so many days alone: what is older is `unexplainable` where the archives lack it, and archives tell where a series begins; absent: it has all */
  readonly restDays?: number
  /** markets of whose contracts REST is asked for the perpetual ones alone */
  readonly restPerpetuals?: readonly Market[]
  /** what differs in a market */
  readonly inMarket?: Readonly<Partial<Record<Market, Partial<Pick<Dataset, 'columns' | 'completeness' | 'rest'>>>>>
}
