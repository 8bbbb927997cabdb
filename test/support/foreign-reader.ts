import { createRequire } from 'node:module'
import { tableFromIPC } from 'apache-arrow'
import type * as Polars from 'nodejs-polars'

// the package has no ESM entry that Node can resolve
const polars = createRequire(import.meta.url)('nodejs-polars') as typeof Polars

/** The columns of a shard with their types, as the contract has them and polars prints them. */
export const SHARD_SCHEMA: readonly string[] = [
  'open_time DataType(Datetime(us,UTC))',
  'open DataType(Float64)',
  'high DataType(Float64)',
  'low DataType(Float64)',
  'close DataType(Float64)',
  'volume DataType(Float64)',
  'close_time DataType(Datetime(us,UTC))',
  'quote_asset_volume DataType(Float64)',
  'count DataType(Int64)',
  'taker_buy_volume DataType(Float64)',
  'taker_buy_quote_volume DataType(Float64)',
]

/** Schema and rows as polars sees them. */
export function readWithPolars(shard: Buffer): {
  readonly schema: string[]
  readonly rows: number
  readonly nulls: number
  readonly closes: number[]
} {
  const frame = polars.readIPC(shard)
  const schema = Object.entries(frame.schema as Record<string, unknown>).map(([name, type]) => `${name} ${String(type)}`)
  const nulls = frame.columns.reduce((sum, name) => sum + frame.getColumn(name).nullCount(), 0)
  return { schema, rows: frame.height, nulls, closes: frame.getColumn('close').toArray() as number[] }
}

/** A shard read by the Arrow project's own library: its metadata and the values of each column, in order. */
export interface ForeignShard {
  readonly metadata: ReadonlyMap<string, string>
  readonly nullable: readonly string[]
  readonly batches: number
  readonly columns: readonly (BigInt64Array | Float64Array)[]
}

export function readShardFile(shard: Uint8Array): ForeignShard {
  const table = tableFromIPC(shard)
  const { fields, metadata } = table.schema
  return {
    metadata,
    nullable: fields.filter((field) => field.nullable).map((field) => field.name),
    batches: table.batches.length,
    columns: table.batches.length === 1 ? fields.map((_, i) => table.getChildAt(i)!.data[0]!.values as Float64Array) : [],
  }
}
