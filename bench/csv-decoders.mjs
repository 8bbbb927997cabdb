/** Ways of decoding a CSV of klines to eleven columns of numbers. Each is created by ({bytes, path, load, dist}) and gives {decode, columns}. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const COLUMNS = 11
const itself = (columns) => columns

export const CSV_DECODERS = {
  async 'ours-wasm'({ bytes, load, dist }) {
    const { WasmDecoder } = await load('src/codec/csv/csv-wasm.js')
    const decoder = new WasmDecoder(readFileSync(new URL('workers/decoder.wasm', dist)))
    return { decode: () => Object.values(decoder.decodeCsv(bytes).columns), columns: itself }
  },
  async 'ours-js'({ bytes, load }) {
    const { decodeCsv } = await load('src/codec/csv/csv.js')
    return { decode: () => Object.values(decodeCsv(bytes).columns), columns: itself }
  },
  'split-number': ({ bytes }) => ({
    decode: () => toColumns(bytes.toString('latin1').trimEnd().split('\n'), (line) => line.split(',')),
    columns: itself,
  }),
  async 'csv-parse'({ bytes }) {
    const { parse } = await import('csv-parse/sync')
    return { decode: () => toColumns(parse(bytes), itself), columns: itself }
  },
  async papaparse({ bytes }) {
    const { default: papa } = await import('papaparse')
    return { decode: () => toColumns(papa.parse(bytes.toString('latin1'), { skipEmptyLines: true }).data, itself), columns: itself }
  },
  async udsv({ bytes }) {
    const { initParser, inferSchema } = await import('udsv')
    // it takes the first row for names: the file gets one, made once
    const named = Buffer.concat([Buffer.from(`${Array.from({ length: COLUMNS + 1 }, (_, i) => `c${i}`).join(',')}\n`), bytes])
    const schema = inferSchema(named.toString('latin1'))
    for (const column of schema.cols) column.type = 'n' // a column of 0 and 1 would be taken for truth values
    const parser = initParser(schema)
    return { decode: () => parser.typedCols(named.toString('latin1')), columns: (columns) => columns.slice(0, COLUMNS) }
  },
  'polars-1-thread': polars,
  'polars-2-threads': polars,
  'duckdb-1-thread': (o) => duckdb(o, 1),
  'duckdb-2-threads': (o) => duckdb(o, 2),
}

/** The number of threads is in POLARS_MAX_THREADS. */
function polars({ bytes }) {
  const pl = require('nodejs-polars')
  return {
    decode: () => pl.readCSV(bytes, { hasHeader: false }),
    columns: (frame) =>
      frame
        .getColumns()
        .slice(0, COLUMNS)
        .map((column) => column.toArray()),
  }
}

/** Into a table in memory, whose columns are told beforehand: DuckDB reads files only, so this one reads its file from the page cache. */
async function duckdb({ path }, threads) {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const connection = await (await DuckDBInstance.create(':memory:', { threads: String(threads) })).connect()
  const names = Array.from({ length: COLUMNS + 1 }, (_, i) => `c${i}`)
  const types = names.map((name, i) => `'${name}': '${i === 0 || i === 6 || i === 8 ? 'BIGINT' : 'DOUBLE'}'`)
  const source = `read_csv('${path}', header = false, delim = ',', auto_detect = false, columns = {${types.join(', ')}})`
  return {
    decode: () => connection.run(`CREATE OR REPLACE TABLE klines AS SELECT * EXCLUDE (c${COLUMNS}) FROM ${source}`),
    columns: async () => (await connection.runAndReadAll('SELECT * FROM klines ORDER BY c0')).getColumns(),
  }
}

function toColumns(rows, cellsOf) {
  const columns = Array.from({ length: COLUMNS }, () => new Float64Array(rows.length))
  for (let row = 0; row < rows.length; row++) {
    const cells = cellsOf(rows[row])
    for (let i = 0; i < COLUMNS; i++) columns[i][row] = Number(cells[i])
  }
  return columns
}
