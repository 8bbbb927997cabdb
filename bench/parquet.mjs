/**
 * Which library writes Parquet best from our columns, in one thread: a month of 1m bars (a real archive, if the folder ../shared lies
 * beside the project, else of the sandbox exchange). Each file is read back by DuckDB, and its sums compared, before its time counts.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const REAL = 'vision/data/futures/um/monthly/klines/ALGOUSDT/1m/ALGOUSDT-1m-2024-02.zip'

export async function measureParquet({ root, dist, folder, archives, rounds }) {
  const built = (path) => import(new URL(path, pathToFileURL(`${dist}/`)))
  const { WasmDecoder } = await built('src/codec/csv/csv-wasm.js')
  const { KLINE_COLUMNS, concatColumns } = await built('src/model/kline.js')
  const { encodeKlines, toRecordBatch } = await built('src/codec/arrow/arrow-writer.js')
  const { encodeRowsParquet, encodeParquet } = await built('src/codec/export/parquet.js')
  const duckdb = require('@duckdb/node-api')
  const polars = require('nodejs-polars')
  const decoder = new WasmDecoder(readFileSync(new URL('workers/decoder.wasm', pathToFileURL(`${dist}/`))))
  const real = join(root, '..', 'shared', REAL)
  const zips = existsSync(real) ? [real] : archives.slice(0, 31).map(({ path }) => path)
  const columns = concatColumns(
    zips.map((zip) => copyOf(decoder.decodeCsv(execFileSync('unzip', ['-p', zip], { maxBuffer: 1 << 28 })).columns)),
  )
  const rows = columns.openTime.length
  const batch = toRecordBatch(columns, new Map())
  const connection = await (await duckdb.DuckDBInstance.create(':memory:', { threads: '1' })).connect()

  const write = {
    'parquet-wasm, ours': (path) => writeFileSync(path, encodeRowsParquet(batch, KLINE_COLUMNS)),
    'parquet-wasm, default': (path) => writeFileSync(path, encodeParquet(batch.schema, [batch])),
    'nodejs-polars': (path) => polars.readIPC(Buffer.from(encodeKlines(columns, new Map()))).writeParquet(path, { compression: 'zstd' }),
    DuckDB: async (path) => {
      const types = KLINE_COLUMNS.map(({ type }) =>
        type === 'float64' ? duckdb.DOUBLE : type === 'int64' ? duckdb.BIGINT : duckdb.TIMESTAMPTZ,
      )
      await connection.run(`CREATE OR REPLACE TABLE t (${KLINE_COLUMNS.map(({ name }, i) => `"${name}" ${types[i]} NOT NULL`).join(', ')})`)
      const appender = await connection.createAppender('t')
      for (let start = 0; start < rows; start += 2048) {
        const count = Math.min(2048, rows - start)
        const chunk = duckdb.DuckDBDataChunk.create(types, count)
        const values = ({ key, type }) =>
          Array.from(columns[key].subarray(start, start + count), (value) =>
            type === 'timestamp' ? new duckdb.DuckDBTimestampTZValue(value) : value,
          )
        chunk.setColumns(KLINE_COLUMNS.map(values))
        appender.appendDataChunk(chunk)
      }
      appender.closeSync()
      await connection.run(`COPY t TO '${path}' (FORMAT parquet, COMPRESSION zstd)`)
    },
  }
  const contenders = {}
  let expected
  for (let round = -1; round < rounds; round++) {
    for (const [name, run] of Object.entries(write)) {
      const path = join(folder, 'writer.parquet')
      const start = performance.now()
      await run(path)
      const ms = performance.now() - start
      if (round >= 0) contenders[name].ms.push(ms)
      else {
        const reader = await connection.runAndReadAll(`SELECT count(*), max(high), min(open_time)::TEXT, sum(count) FROM '${path}'`)
        const found = JSON.stringify(reader.getRowsJson())
        expected ??= found
        if (found !== expected) throw new Error(`Expected ${expected} in the file of ${name}, found ${found}.`)
        contenders[name] = { ms: [], bytes: statSync(path).size }
      }
    }
  }
  return {
    name: `Parquet (zstd) of ${rows} rows of 1m, one thread`,
    unit: 'rows/s',
    amount: rows * 1000,
    baseline: 'parquet-wasm, ours',
    contenders,
  }
}

/** The decoder's columns are views of its memory, which the next archive overwrites. */
function copyOf(columns) {
  return Object.fromEntries(Object.entries(columns).map(([key, values]) => [key, values.slice()]))
}
