import type { Data, Table } from 'apache-arrow'
import { Field, Utf8, vectorFromArray } from 'apache-arrow'
import { arrowType } from '../codec/arrow/arrow-writer.ts'
import { FUNDING_RATE } from '../dataset/sets/funding.ts'
import { slotOnHour, US_PER_HOUR } from '../dataset/schedule.ts'
import type { Columns } from '../model/columns.ts'
import { columnOf } from '../model/columns.ts'
import type { Series } from '../model/series.ts'
import type { SourceRun } from '../read/day-parts.ts'
import type { KlineRows } from '../read/kline-rows.ts'
import { describeGaps } from '../read/missing-bars.ts'
import { DISPUTED_KEY, makeColumn, SOURCE_COLUMN, tableOf } from './table.ts'

const HOURS = 'intervalHours'
/** Two rates that lie further apart lack one between them. */
const MOST_HOURS = 8

/**
 * Funding rates as an Arrow Table: `funding_time` (timestamp us, UTC), `funding_interval_hours` (int64, null where neither the archive nor
 * a neighbouring rate tells it), `funding_rate` (float64).
 */
export function createFundingTable(series: Series, { block, runs, gaps, disputed }: KlineRows, includeSourceInfo: boolean): Table {
  const length = block.openTime.length
  const hours = tellHours(block)
  const bits = new Uint8Array(Math.ceil(length / 8))
  hours.forEach((own, row) => {
    if (own > 0n) bits[row >> 3] = (bits[row >> 3] ?? 0) | (1 << (row & 7))
  })
  const nullCount = hours.filter((own) => own === 0n).length
  const fields = FUNDING_RATE.columns.map(({ name, type, key }) => new Field(name, arrowType(type), key === HOURS))
  const children: Data[] = FUNDING_RATE.columns.map(({ key, type }) => {
    const values = key === HOURS ? hours : columnOf(block, key)
    return makeColumn(arrowType(type), length, values, key === HOURS && nullCount > 0 ? { nullBitmap: bits, nullCount } : undefined)
  })
  if (includeSourceInfo) {
    fields.push(new Field(SOURCE_COLUMN, new Utf8(), false))
    children.push(sourceColumn(runs))
  }
  const metadata = [
    ['ckvd.market', series.market],
    ['ckvd.symbol', series.symbol],
    ['ckvd.chart', FUNDING_RATE.name],
    ['ckvd.gaps', JSON.stringify(describeGaps(series, gaps))],
    [DISPUTED_KEY, JSON.stringify(disputed)],
  ] as const
  return tableOf(fields, children, length, new Map(metadata))
}

/** Hours of each rate: where its source does not tell them the distance to the rate before, of the first one to that after; 0: not known. */
function tellHours(block: Columns): BigInt64Array {
  const times = Array.from(block.openTime, (time) => slotOnHour(Number(time)))
  return BigInt64Array.from(times, (time, row) => {
    const told = block[HOURS]?.[row]
    if (told !== undefined && Number(told) > 0) return BigInt(told)
    const hours = Math.abs(time - (times[row === 0 ? 1 : row - 1] ?? time)) / US_PER_HOUR
    return hours <= MOST_HOURS ? BigInt(hours) : 0n
  })
}

function sourceColumn(runs: readonly SourceRun[]): Data {
  const sources = runs.flatMap(({ source, end }, i) => Array<string>(end - (runs[i - 1]?.end ?? 0)).fill(source))
  return vectorFromArray(sources, new Utf8()).data[0] as unknown as Data
}
