/** Ways of decoding a CSV of aggregate trades to seven columns of numbers. Each is created by ({bytes, load, dist}) and gives {decode, columns}. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** The columns of USDⓈ-M and COIN-M. */
const AGG_TRADES = {
  name: 'aggTrades',
  csv: 'columns',
  columns: [
    { key: 'id', name: 'agg_trade_id', type: 'int64', least: 0 },
    { key: 'price', name: 'price', type: 'float64', least: 0 },
    { key: 'quantity', name: 'quantity', type: 'float64', least: 0 },
    { key: 'firstId', name: 'first_trade_id', type: 'int64' },
    { key: 'lastId', name: 'last_trade_id', type: 'int64' },
    { key: 'openTime', name: 'transact_time', type: 'timestamp' },
    { key: 'isBuyerMaker', name: 'is_buyer_maker', type: 'bool' },
  ],
}
const TIME_AT = AGG_TRADES.columns.findIndex(({ type }) => type === 'timestamp')
const PLACE = { market: 'um', symbol: 'BTCUSDT', period: { startUs: 0, endUs: 0 } }
const BATCH_ROWS = 65_536

export const TABLE_DECODERS = {
  async 'ours-wasm'(given) {
    const decoder = await createDecoder(given)
    return { decode: () => Object.values(decoder.decodeTable(given.bytes, AGG_TRADES, PLACE).columns), columns: itself }
  },
  /** The columns that are checked are put together outside of what is measured. */
  async 'ours-wasm-batches'(given) {
    const decoder = await createDecoder(given)
    const scan = (onBatch) => decoder.scanTable(given.bytes, { dataset: AGG_TRADES, place: PLACE, batchRows: BATCH_ROWS, onBatch })
    return {
      decode: () => scan(() => {}),
      columns() {
        const all = AGG_TRADES.columns.map(() => [])
        scan((columns) => Object.values(columns).forEach((values, i) => values.forEach((value) => all[i].push(value))))
        return all
      },
    }
  },
  async 'ours-exact'({ bytes, load }) {
    const { decodeTable } = await load('src/codec/csv/csv-table.js')
    return { decode: () => Object.values(decodeTable(bytes, AGG_TRADES, PLACE).columns), columns: itself }
  },
  'split-number': ({ bytes }) => ({ decode: () => splitRows(bytes), columns: itself }),
  'polars-1-thread': ({ bytes }) => {
    const pl = createRequire(import.meta.url)('nodejs-polars')
    return {
      decode: () => pl.readCSV(bytes, { hasHeader: true }),
      columns: (frame) => numbersOf(frame.getColumns().map((column) => column.toArray())),
    }
  },
  /** Reads its file from the page cache. */
  async 'duckdb-1-thread'({ path }) {
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
    const kinds = { int64: 'BIGINT', float64: 'DOUBLE', timestamp: 'BIGINT', bool: 'BOOLEAN' }
    const types = AGG_TRADES.columns.map(({ name, type }) => `'${name}': '${kinds[type]}'`)
    const source = `read_csv('${path}', header = true, delim = ',', auto_detect = false, columns = {${types.join(', ')}})`
    return {
      decode: () => connection.run(`CREATE OR REPLACE TABLE trades AS SELECT * FROM ${source}`),
      columns: async () => numbersOf((await connection.runAndReadAll('SELECT * FROM trades ORDER BY agg_trade_id')).getColumns()),
    }
  },
}

/** Values as ours are: times in microseconds, flags as 0 and 1. */
function numbersOf(columns) {
  return columns.map((values, i) => Array.from(values, (value) => (i === TIME_AT ? Number(value) * 1000 : Number(value))))
}

const itself = (columns) => columns

async function createDecoder({ load, dist }) {
  const { WasmDecoder } = await load('src/codec/csv/csv-wasm.js')
  return new WasmDecoder(readFileSync(new URL('workers/decoder.wasm', dist)))
}

function splitRows(bytes) {
  const lines = bytes.toString('latin1').trimEnd().split('\n')
  if (lines[0].startsWith('agg_trade_id')) lines.shift()
  const columns = AGG_TRADES.columns.map(() => new Float64Array(lines.length))
  for (let row = 0; row < lines.length; row++) {
    const cells = lines[row].split(',')
    for (let i = 0; i < columns.length; i++) {
      const cell = cells[i]
      columns[i][row] = cell === 'true' || cell === 'True' ? 1 : cell === 'false' || cell === 'False' ? 0 : Number(cell)
    }
    if (columns[TIME_AT][row] < 1e14) columns[TIME_AT][row] *= 1000
  }
  return columns
}

/** A day of aggregate trades as USDⓈ-M publishes it, the same each time. */
export function createTradesCsv(rows) {
  let state = 1
  const below = (limit) => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) % limit
  const lines = [`${AGG_TRADES.columns.map(({ name }) => name).join(',')}\n`]
  let tradeId = 5_123_456_789
  let cents = 422_835_0
  const startMs = Date.UTC(2024, 0, 1)
  for (let i = 0; i < rows; i++) {
    const trades = below(8) === 0 ? below(20) : 0
    cents += below(21) - 10
    const quantity =
      below(4) === 0 ? `${below(40)}.${String(below(1000)).padStart(3, '0')}` : `0.${String(1 + below(999)).padStart(3, '0')}`
    const timeMs = startMs + Math.floor((i / rows) * 86_400_000)
    lines.push(`${2_012_345_678 + i},${(cents / 100).toFixed(2)},${quantity},${tradeId},${tradeId + trades},${timeMs},${below(64) < 32}\n`)
    tradeId += trades + 1
  }
  return Buffer.from(lines.join(''), 'latin1')
}
