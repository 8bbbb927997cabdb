import type { Data, DataType } from 'apache-arrow'
import {
  Bool,
  DateDay,
  Field,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import type { Condition } from '../../model/condition.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { dayStartUs, isoOfUs, US_PER_DAY } from '../../model/utc-day.ts'
import { csvLine } from './csv-text.ts'
import type { EvidencedGap } from '../../model/evidence.ts'
import { describeEvidence } from '../../model/evidence.ts'

/** What is known of one chunk, as the ledger beside an export tells it. */
export interface CoverageRow {
  readonly market: string
  readonly symbol: string
  /** as in paths: `1mo` for a month; null: the data set has none */
  readonly interval: string | null
  /** the chunk: a day, or of `3d`, `1w` and `1mo` the first day of a month */
  readonly day: UtcDay
  readonly condition: Condition
  /** by its condition, or because a person accepted it */
  readonly explained: boolean
  readonly accepted: boolean
  readonly source: string | null
  readonly rows: number
  /** null of what is as published: nobody knows how many rows there should be */
  readonly expected: number | null
  readonly gaps: readonly EvidencedGap[]
  readonly off_grid: number
  readonly duplicates: number
  readonly conflicts: number
  readonly differing_rows: number
  readonly revision: number
  readonly evidence: string | null
  readonly error: string | null
  readonly archive_key: string | null
  readonly archive_sha256: string | null
  readonly shard_sha256: string | null
  /** file of the export that holds its bars; null when there is none */
  readonly file: string | null
  /** as Vision calls it: `klines` */
  readonly dataset: string
}

/** A column: its name, its type and the value of a row. */
interface CoverageColumn {
  readonly name: string
  readonly kind: 'text' | 'day' | 'flag' | 'count' | 'gaps'
  readonly nullable: boolean
  readonly value: (row: CoverageRow) => string | number | boolean | null | readonly EvidencedGap[]
}

type PlainKey = Exclude<keyof CoverageRow, 'gaps'>

const column = (name: PlainKey, kind: CoverageColumn['kind'], nullable = false): CoverageColumn => ({
  name,
  kind,
  nullable,
  value: (row) => row[name],
})

/** The columns of `coverage`, in order. */
const COLUMNS: readonly CoverageColumn[] = [
  column('market', 'text'),
  column('symbol', 'text'),
  column('interval', 'text', true),
  column('day', 'day'),
  column('condition', 'text'),
  column('explained', 'flag'),
  column('accepted', 'flag'),
  column('source', 'text', true),
  column('rows', 'count'),
  column('expected', 'count', true),
  {
    name: 'missing_bars',
    kind: 'count',
    nullable: true,
    value: ({ expected, gaps }) => (expected === null ? null : gaps.reduce((sum, { bars }) => sum + bars, 0)),
  },
  { name: 'gaps', kind: 'gaps', nullable: false, value: ({ gaps }) => gaps },
  column('off_grid', 'count'),
  column('duplicates', 'count'),
  column('conflicts', 'count'),
  column('differing_rows', 'count'),
  column('revision', 'count'),
  column('evidence', 'text', true),
  column('error', 'text', true),
  column('archive_key', 'text', true),
  column('archive_sha256', 'text', true),
  column('shard_sha256', 'text', true),
  column('file', 'text', true),
  column('dataset', 'text'),
]

/** The ledger as CSV; gaps are JSON in one cell, their times ISO text. */
export function encodeCoverageCsv(rows: readonly CoverageRow[]): Uint8Array {
  const lines = rows.map((row) =>
    csvLine(
      COLUMNS.map(({ value }) => {
        const cell = value(row)
        return typeof cell === 'object' && cell !== null ? JSON.stringify(cell.map((gap) => plainGap(gap, row))) : cell
      }),
    ),
  )
  return Buffer.from(csvLine(COLUMNS.map(({ name }) => name)) + lines.join(''))
}

function plainGap({ startUs, endUs, bars, evidence }: EvidencedGap, { expected }: CoverageRow) {
  return { start: isoOfUs(startUs), end: isoOfUs(endUs), bars: expected === null ? null : bars, evidence: describeEvidence(evidence) }
}

/** The ledger as an Arrow record batch; `gaps` is a list of {start, end, bars, evidence}. */
export function coverageBatch(rows: readonly CoverageRow[], metadata: Map<string, string>): RecordBatch {
  const built = COLUMNS.map((column) => {
    const data = columnData(column, rows)
    return { data, field: new Field(column.name, data.type, column.nullable) }
  })
  const fields = built.map(({ field }) => field)
  const struct = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children: built.map(({ data }) => data) })
  return new RecordBatch(new Schema(fields, metadata), struct)
}

function columnData({ kind, value }: CoverageColumn, rows: readonly CoverageRow[]): Data {
  const length = rows.length
  switch (kind) {
    case 'text':
      return textData(rows.map((row) => value(row) as string | null))
    case 'day':
      return makeData({ type: new DateDay(), length, nullCount: 0, data: Int32Array.from(rows, ({ day }) => dayStartUs(day) / US_PER_DAY) })
    case 'flag':
      return (
        vectorFromArray(
          rows.map((row) => value(row) as boolean),
          new Bool(),
        ).data[0] ?? makeData({ type: new Bool() })
      )
    case 'count':
      return countData(rows.map((row) => value(row) as number | null))
    case 'gaps':
      return gapData(rows)
  }
}

function countData(values: readonly (number | null)[]): Data<Int64> {
  const counts = values.map((value) => (value === null ? null : BigInt(value)))
  return vectorFromArray(counts, new Int64()).data[0] ?? makeData({ type: new Int64() })
}

function textData(values: readonly (string | null)[]): Data<Utf8> {
  return vectorFromArray(values as string[], new Utf8()).data[0] ?? makeData({ type: new Utf8() })
}

function timeData(values: readonly number[]): Data<TimestampMicrosecond> {
  const type = new TimestampMicrosecond('UTC')
  return makeData({ type, length: values.length, nullCount: 0, data: BigInt64Array.from(values, BigInt) })
}

function gapData(rows: readonly CoverageRow[]): Data {
  const lists = rows.map(({ gaps }) => gaps)
  const flat = lists.flat()
  const counts = rows.flatMap(({ expected, gaps }) => gaps.map(({ bars }) => (expected === null ? null : bars)))
  const parts = [
    { name: 'start', data: timeData(flat.map(({ startUs }) => startUs)) },
    { name: 'end', data: timeData(flat.map(({ endUs }) => endUs)) },
    { name: 'bars', data: countData(counts) },
    { name: 'evidence', data: textData(flat.map(({ evidence }) => describeEvidence(evidence))) },
  ]
  const fields = parts.map(({ name, data }) => new Field(name, data.type as DataType, name === 'bars'))
  const child = makeData({ type: new Struct(fields), length: flat.length, nullCount: 0, children: parts.map(({ data }) => data) })
  const valueOffsets = new Int32Array(lists.length + 1)
  lists.forEach((list, i) => (valueOffsets[i + 1] = (valueOffsets[i] as number) + list.length))
  const type = new List(new Field('element', child.type, false))
  return makeData({ type, length: lists.length, nullCount: 0, valueOffsets, child })
}
