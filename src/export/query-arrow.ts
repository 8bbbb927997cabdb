import type { Data, DataType } from 'apache-arrow'
import {
  Bool,
  DateDay,
  Field,
  Float64,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { ShardWriter } from '../codec/arrow/arrow-writer.ts'
import { CkvdError } from '../errors.ts'
import type { QueryRows } from './query.ts'
import type { PlainValue } from './query-value.ts'
import { cellText } from './query-value.ts'

/** Rows of a record batch: chunks of DuckDB are of 2,048 rows, too few for readers to be fast. */
const BATCH_ROWS = 65_536
const US_PER_MS = 1000n
const INTEGERS = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER)$/
const FLOATS = /^(FLOAT|DOUBLE|DECIMAL.*)$/

/** A column: its Arrow type and how plain values become its values. */
interface ArrowColumn {
  readonly field: Field
  readonly build: (values: readonly PlainValue[]) => Data
}

/** An answer in Arrow's form. */
interface QueryBatches {
  readonly schema: Schema
  /** at least one */
  readonly batches: readonly RecordBatch[]
  readonly rows: number
}

/**
 * The answer to a query as record batches: integers as int64 (of more than 64 bits they are refused), floats and decimals as float64,
 * times as microseconds, dates, flags and texts as themselves, everything else (lists, structs) as JSON text. All columns are nullable.
 * Throws CKVD_QUERY.
 */
export async function readQueryBatches({ columns, chunks }: QueryRows): Promise<QueryBatches> {
  const built = columns.map(arrowColumn)
  const schema = new Schema(built.map(({ field }) => field))
  const batches: RecordBatch[] = []
  let pending: (readonly PlainValue[])[] = []
  let rows = 0
  const flush = (): void => {
    const children = built.map(({ build }, i) => build(pending.map((row) => row[i] ?? null)))
    batches.push(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: pending.length, nullCount: 0, children })))
    rows += pending.length
    pending = []
  }
  for await (const chunk of chunks) {
    pending.push(...chunk)
    if (pending.length >= BATCH_ROWS) flush()
  }
  if (pending.length > 0 || rows === 0) flush()
  return { schema, batches, rows }
}

/** Record batches as an Arrow IPC file. */
export function encodeArrowFile(batches: readonly RecordBatch[]): Uint8Array {
  const writer = new ShardWriter()
  for (const batch of batches) writer.write(batch)
  writer.finish()
  return writer.toUint8Array(true)
}

function arrowColumn({ name, type }: QueryRows['columns'][number]): ArrowColumn {
  const column = <T extends DataType>(arrowType: T, value: (plain: NonNullable<PlainValue>) => unknown): ArrowColumn => ({
    field: new Field(name, arrowType, true),
    build: (values) => {
      const converted = values.map((plain) => (plain === null ? null : value(plain)))
      return (
        (vectorFromArray(converted as never, arrowType as never) as unknown as { data: Data[] }).data[0] ??
        makeData({ type: arrowType as never })
      )
    },
  })
  if (INTEGERS.test(type)) return column(new Int64(), (plain) => int64Of(name, plain))
  if (FLOATS.test(type)) return column(new Float64(), Number)
  if (type === 'BOOLEAN') return column(new Bool(), (plain) => plain)
  if (type === 'DATE') return column(new DateDay(), (plain) => Date.parse(`${cellText(plain)}T00:00:00Z`))
  if (type === 'TIMESTAMP WITH TIME ZONE') return timeColumn(name, 'UTC')
  if (type === 'TIMESTAMP') return timeColumn(name, null)
  return column(new Utf8(), cellText)
}

function timeColumn(name: string, zone: 'UTC' | null): ArrowColumn {
  const type = new TimestampMicrosecond(zone)
  return {
    field: new Field(name, type, true),
    build: (values) => {
      const data = BigInt64Array.from(values, (plain) => (plain === null ? 0n : microsOf(cellText(plain))))
      const nullCount = values.filter((plain) => plain === null).length
      const nullBitmap = new Uint8Array(Math.ceil(values.length / 8))
      values.forEach((plain, i) => {
        if (plain !== null) nullBitmap[i >> 3] = (nullBitmap[i >> 3] ?? 0) | (1 << (i & 7))
      })
      return makeData({ type, length: values.length, nullCount, data, ...(nullCount === 0 ? {} : { nullBitmap }) })
    },
  }
}

/** Microseconds of an ISO text with six digits after the point. */
function microsOf(text: string): bigint {
  const zoned = text.endsWith('Z') ? text : `${text}Z`
  const ms = Date.parse(`${zoned.slice(0, -4)}Z`)
  if (Number.isNaN(ms))
    throw new CkvdError('CKVD_QUERY', `Expected a time that Arrow can hold, got ${text}. Cast the column to VARCHAR, or leave the row out.`)
  return BigInt(ms) * US_PER_MS + BigInt(zoned.slice(-4, -1))
}

function int64Of(name: string, plain: NonNullable<PlainValue>): bigint {
  const value = typeof plain === 'bigint' ? plain : BigInt(plain as number)
  if (BigInt.asIntN(64, value) === value) return value
  throw new CkvdError('CKVD_QUERY', `Expected column ${name} to fit into 64 bits for Arrow, got ${value}. Cast it to DOUBLE or VARCHAR.`)
}
