import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import type * as Polars from 'nodejs-polars'
import { readShardFile } from './foreign-reader.ts'

// the package has no ESM entry that Node can resolve
const polars = createRequire(import.meta.url)('nodejs-polars') as typeof Polars

/** Klines as a foreign engine read them: one array a column, times in microseconds. */
export type ForeignColumns = readonly (readonly (bigint | number)[])[]

/** A Parquet file through polars: the eleven columns in order, their types, how many nulls. */
export function readParquetWithPolars(path: string): { schema: string[]; nulls: number; columns: ForeignColumns } {
  const frame = polars.readParquet(path)
  const schema = Object.entries(frame.schema as Record<string, unknown>).map(([name, type]) => `${name} ${String(type)}`)
  const nulls = frame.columns.reduce((sum, name) => sum + frame.getColumn(name).nullCount(), 0)
  const columns = frame.columns.map((name) => {
    const isInteger = name.endsWith('_time') || name === 'count'
    const series = isInteger ? frame.getColumn(name).cast(polars.Int64) : frame.getColumn(name)
    const values = series.toArray() as (bigint | number)[]
    return isInteger ? values.map(BigInt) : values
  })
  return { schema, nulls, columns }
}

/** The whole dataset below `data/` by Hive partitions, as polars counts it. */
export function countWithPolars(glob: string): number {
  const frame = polars.scanParquet(glob).select(polars.len()).collectSync()
  return Number(frame.getColumn('len').get(0))
}

/** DuckDB over an export, as a user of its own would open it: nothing of `ckvd query`. */
export interface ForeignDuckDb extends Disposable {
  /** rows as arrays; a bigint for 64-bit integers, microseconds for times */
  rows(sql: string): Promise<unknown[][]>
}

export async function openDuckDb(): Promise<ForeignDuckDb> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  return {
    async rows(sql) {
      const reader = await connection.runAndReadAll(sql)
      return reader.getRows().map((row) => row.map(plain))
    },
    [Symbol.dispose]() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

function plain(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'micros' in value ? value.micros : value
}

/** DuckDB's words for all Parquet files of klines of an export. */
export function hiveTable(out: string): string {
  return `read_parquet('${join(out, 'data', '**', '*.parquet').replaceAll("'", "''")}', hive_partitioning = true)`
}

/** Rows of a gzipped CSV of klines, split at commas: times as microseconds, counts as integers. */
export function readCsvRows(path: string): (bigint | number)[][] {
  const [header, ...lines] = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split('\n')
  const names = header?.split(',') ?? []
  return lines.map((line) =>
    line.split(',').map((cell, i) => {
      const name = names[i] ?? ''
      return name.endsWith('_time') ? microsOf(cell) : name === 'count' ? BigInt(cell) : Number(cell)
    }),
  )
}

/** Microseconds of `2024-01-01T00:00:59.999000Z`. */
function microsOf(text: string): bigint {
  const [, seconds = '', micros = ''] = /^(.{19})\.(\d{6})Z$/.exec(text) ?? []
  return BigInt(Date.parse(`${seconds}Z`)) * 1000n + BigInt(micros)
}

/** Rows of an Arrow file of klines, through the Arrow project's own library. */
export function readArrowRows(path: string): (bigint | number)[][] {
  const { columns } = readShardFile(readFileSync(path))
  return Array.from({ length: columns[0]?.length ?? 0 }, (_, row) => columns.map((column) => column[row]!))
}
