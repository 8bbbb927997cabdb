import type { Table } from 'apache-arrow'
import { chunkEndUs, chunkOfUs } from '../dataset/chunk.ts'
import { isStoredAsParquet } from '../dataset/registry.ts'
import { isCkvdError } from '../errors.ts'
import type { TimeRange } from '../model/series.ts'
import { nextMonth } from '../model/utc-day.ts'
import type { GetDataOptions, KlineQuery } from '../question/query.ts'
import { wrongOption } from '../question/query.ts'

/** What `getBatches` takes. */
export interface GetBatchesOptions extends Omit<GetDataOptions, 'returnPolars'> {
  /** rows of a table at most; default 65,536 */
  readonly batchRows?: number | undefined
}

/** Rows of a table at most, where a call does not say: those of a row group. */
const BATCH_ROWS = 65_536

/** Throws CKVD_USAGE for what is no number of rows. */
export function parseBatchRows(value: unknown): number {
  if (value === undefined) return BATCH_ROWS
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  throw wrongOption('batchRows', 'a whole number of rows, 1 or more', value)
}

/**
 * The rows of a query in tables of at most so many rows, in order, a part of its range after the other: what is in memory at once is a day where
 * days have hundreds of thousands of rows, else a month.
 * @param read gives the table of a part of the range
 */
export async function* readBatches(
  query: KlineQuery,
  batchRows: number,
  read: (range: TimeRange) => Promise<Table>,
): AsyncGenerator<Table, void> {
  let given = 0
  let refusal: Error | undefined
  for (const range of partsOf(query)) {
    let table: Table
    try {
      table = await read(range)
    } catch (error) {
      // a part before the series' first row, or behind its end, is none of the answer, unless there is no other
      if (!isCkvdError(error, 'CKVD_UNAVAILABLE')) throw error
      refusal ??= error
      continue
    }
    for (let row = 0; row < table.numRows; row += batchRows) yield table.slice(row, Math.min(row + batchRows, table.numRows))
    given += table.numRows
  }
  if (given === 0 && refusal !== undefined) throw refusal
}

/** A range in parts, each in one period of files. */
function* partsOf({ series, range }: KlineQuery): Generator<TimeRange> {
  for (let { startUs } = range; startUs < range.endUs;) {
    const periodEndUs = isStoredAsParquet(series) ? chunkEndUs(chunkOfUs(startUs, series), series) : nextMonth(startUs)
    const endUs = Math.min(periodEndUs, range.endUs)
    yield { startUs, endUs }
    startUs = endUs
  }
}
