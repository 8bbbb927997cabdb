import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Sandbox } from '../../src/sandbox/index.ts'
import { DuckDBInstance } from '@duckdb/node-api'
import { runHere } from './ckvd.ts'
import { startExchange, urlVariables } from './exchange.ts'
import type { Attack } from './hostile-front.ts'
import { startHostileFront } from './hostile-front.ts'
import { createTempDirectory, queryCatalog } from './temp-lake.ts'
import { buildArchive } from './zip-builder.ts'

const SAMPLES = new URL('../../../shared/samples/', import.meta.url)

/** A real day of ticks: its CSV as it was published. */
export async function readSample(name: string): Promise<string> {
  return gunzipSync(await readFile(new URL(`spot/${name}.csv.gz`, SAMPLES))).toString('latin1')
}

/** Names of the real days of a data set, in order. */
export async function sampleDays(stem: string): Promise<string[]> {
  const files = await readdir(new URL('spot/', SAMPLES))
  return files
    .filter((file) => file.startsWith(`${stem}-`))
    .map((file) => basename(file, '.csv.gz').slice(-10))
    .sort()
}

/** The real archive of COIN-M aggregate trades and its CHECKSUM. */
export async function readRealArchive(): Promise<{ zip: Buffer; checksum: Buffer }> {
  const zip = new URL('data/futures/cm/daily/aggTrades/BTCUSD_PERP/BTCUSD_PERP-aggTrades-2026-05-08.zip', SAMPLES)
  return { zip: await readFile(zip), checksum: await readFile(new URL(`${zip.href}.CHECKSUM`)) }
}

const FOLDERS: Readonly<Record<string, string>> = { spot: 'spot', um: 'futures/um', cm: 'futures/cm' }

/**
 * A bucket of archives that a test fills, and the commands on a lake of it.
 * @param rest answers requests in REST's place; by default it knows no trades
 */
export async function createTickWorld(now: string, rest?: Attack) {
  const temp = await createTempDirectory()
  const vision = join(temp.path, 'vision')
  const keyOf = (market: string, dataset: string, symbol: string, period: string): string =>
    `data/${FOLDERS[market]}/${period.length === 7 ? 'monthly' : 'daily'}/${dataset}/${symbol}/${symbol}-${dataset}-${period}.zip`
  const put = async (key: string, zip: Uint8Array, checksum: Uint8Array): Promise<void> => {
    await mkdir(dirname(join(vision, key)), { recursive: true })
    await writeFile(join(vision, key), zip)
    await writeFile(join(vision, `${key}.CHECKSUM`), checksum)
  }
  const run = async (...args: string[]) => {
    await using exchange = await startExchange(now, { archive: vision })
    await using front = await startHostileFront(exchange.sandbox, rest)
    const env = { ...exchange.env, ...urlVariables(front) }
    // a query reads an export
    return await runHere(args[0] === 'query' ? args : [...args, '--lake', temp.lake], { env, cwd: temp.path })
  }
  return {
    path: temp.path,
    lake: temp.lake,
    put,
    keyOf,
    publish: async (market: string, dataset: string, symbol: string, period: string, csv: string): Promise<void> => {
      const { zip, checksum } = buildArchive(`${symbol}-${dataset}-${period}`, csv)
      await put(keyOf(market, dataset, symbol, period), zip, checksum)
    },
    run,
    shardPath: (market: string, dataset: string, symbol: string, day: string): string =>
      join(temp.lake, keyOf(market, dataset, symbol, day).replace(/zip$/, 'parquet')),
    /** runs work with the URLs of its sources */
    withSources: async <T>(work: (urls: Sandbox['urls']) => Promise<T>): Promise<T> => {
      await using exchange = await startExchange(now, { archive: vision })
      await using front = await startHostileFront(exchange.sandbox, rest)
      return await work(front.urls)
    },
    days: () =>
      queryCatalog<{
        day: string
        condition: string
        source: string
        rows: number
        expected: number
        evidence: string | null
        duplicates: number
      }>(temp.lake, 'SELECT day, condition, source, rows, expected, evidence, duplicates FROM all_days ORDER BY day'),
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  }
}

/** The rows of a Parquet file as another program reads them; times in microseconds, integers as numbers. */
export async function readParquetRows(path: string): Promise<{ names: string[]; types: string[]; rows: unknown[][] }> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const result = await connection.runAndReadAll(`SELECT * FROM read_parquet('${path}', file_row_number = false)`)
    const plain = (value: unknown): unknown => {
      if (typeof value === 'bigint') return Number(value)
      return value !== null && typeof value === 'object' && 'micros' in value ? Number(value.micros) : value
    }
    return {
      names: result.columnNames(),
      types: result.columnTypes().map(String),
      rows: result.getRows().map((row) => row.map(plain)),
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
