/**
 * One way of decoding a CSV of klines, in a process of its own: `node bench/decode-contender.mjs NAME CSV DIST MILLISECONDS`.
 * Prints {digest, ms, rssMb}: what it found, the fastest of its repetitions, its peak of memory.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [name, path, dist, limitMs] = process.argv.slice(2)
const csv = readFileSync(path)
const built = (file) => import(new URL(file, pathToFileURL(`${dist}/`)))

/** Each gives a function that decodes the CSV to eleven columns. */
const CONTENDERS = {
  async 'ours-wasm'() {
    const { WasmDecoder } = await built('src/codec/csv-wasm.js')
    const decoder = new WasmDecoder(readFileSync(new URL('workers/decoder.wasm', pathToFileURL(`${dist}/`))))
    return () => Object.values(decoder.decodeCsv(csv).columns)
  },
  async 'ours-js'() {
    const { decodeCsv } = await built('src/codec/csv.js')
    return () => Object.values(decodeCsv(csv).columns)
  },
  'split-number'() {
    return () => toColumns(csv.toString('latin1').trimEnd().split('\n'), (line) => line.split(','))
  },
  async 'csv-parse'() {
    const { parse } = await import('csv-parse/sync')
    return () => toColumns(parse(csv), (cells) => cells)
  },
  'polars-1-thread': polars,
  'polars-2-threads': polars,
}

function polars() {
  const pl = createRequire(import.meta.url)('nodejs-polars')
  return () => {
    const frame = pl.readCSV(csv, { hasHeader: false })
    return Array.from({ length: 11 }, (_, i) => ({ toArray: () => frame.getColumns()[i].toArray() }))
  }
}

function toColumns(rows, cellsOf) {
  const columns = Array.from({ length: 11 }, (_, i) => (i === 0 || i === 6 ? new Float64Array(rows.length) : new Float64Array(rows.length)))
  for (let row = 0; row < rows.length; row++) {
    const cells = cellsOf(rows[row])
    for (let i = 0; i < 11; i++) columns[i][row] = Number(cells[i])
  }
  return columns
}

/** Rows, and the sum of each column one after the other: exact decoders agree in the last bit. Times in milliseconds. */
function digestOf(columns) {
  const values = columns.map((column) => (typeof column.toArray === 'function' ? column.toArray() : column))
  const sums = values.map((column, i) => {
    let sum = 0
    for (const value of column) sum += i === 0 || i === 6 ? Math.floor(Number(value) / (Number(value) > 1e14 ? 1000 : 1)) : Number(value)
    return sum
  })
  return JSON.stringify([values[0].length, ...sums])
}

const decode = await CONTENDERS[name]()
const digest = digestOf(decode())
const times = []
const end = performance.now() + Number(limitMs)
do {
  const start = performance.now()
  decode()
  times.push(performance.now() - start)
} while (performance.now() < end)
console.log(JSON.stringify({ digest, ms: Math.min(...times), rssMb: process.resourceUsage().maxRSS / 1024 }))
