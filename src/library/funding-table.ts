import type { Data, Table } from 'apache-arrow'
import { Field, Utf8, vectorFromArray } from 'apache-arrow'
import { arrowType } from '../codec/arrow/arrow-writer.ts'
import { FUNDING_COLUMNS, fundingColumns } from '../codec/funding.ts'
import type { FundingResult } from '../funding/funding-reader.ts'
import type { FundingQuery } from '../question/query.ts'
import { makeColumn, SOURCE_COLUMN, tableOf } from './table.ts'

/**
 * Funding rates as an Arrow Table: `funding_time` (timestamp us, UTC), `funding_interval_hours` (int64, null where neither the archive nor
 * a neighbouring rate tells it), `funding_rate` (float64).
 */
export function createFundingTable({ market, symbol }: FundingQuery, { rows, gaps }: FundingResult, includeSourceInfo: boolean): Table {
  const length = rows.length
  const columns = fundingColumns(rows.map(({ row }) => row))
  const bits = new Uint8Array(Math.ceil(length / 8))
  rows.forEach(({ row }, i) => {
    if (row[1] > 0) bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7))
  })
  const nullCount = rows.filter(({ row }) => row[1] === 0).length
  const fields = FUNDING_COLUMNS.map(({ name, type, key }) => new Field(name, arrowType(type), key === 'intervalHours'))
  const children: Data[] = FUNDING_COLUMNS.map(({ key, type }) =>
    makeColumn(arrowType(type), length, columns[key], key === 'intervalHours' && nullCount > 0 ? { bits, nullCount } : undefined),
  )
  if (includeSourceInfo) {
    fields.push(new Field(SOURCE_COLUMN, new Utf8(), false))
    children.push(
      vectorFromArray(
        rows.map(({ source }) => source),
        new Utf8(),
      ).data[0] as unknown as Data,
    )
  }
  const told = gaps.map(({ startUs, endUs, bars, evidence }) => ({ start: startUs, end: endUs, bars, evidence }))
  return tableOf(
    fields,
    children,
    length,
    new Map([
      ['ckvd.market', market],
      ['ckvd.symbol', symbol],
      ['ckvd.chart', 'fundingRate'],
      ['ckvd.gaps', JSON.stringify(told)],
    ]),
  )
}
