/**
 * A year of 1m bars of one symbol: how fast it is exported in each form, how large it is then, and how fast each tool scans it, beside
 * the lake itself. Every scan must find the same sums before its time counts.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const SYMBOL = 'BTCUSDT'
const FORMS = {
  parquet: ['--format', 'parquet'],
  csv: ['--format', 'csv'],
  'csv.gz': ['--format', 'csv', '--gzip'],
  arrow: ['--format', 'arrow'],
}

/** @returns tables of exports and of scans; `o.end` is the day after the last one of 2024 */
export async function measureExport({ dist, folder, end, rounds }) {
  const lake = join(folder, 'export-lake')
  const { rows } = ckvd(dist, folder, [
    'ingest',
    '--universe',
    universe(folder),
    '--market',
    'spot',
    '--start',
    '2024-01-01',
    '--end',
    end,
    '--lake',
    lake,
    '--sandbox',
  ]).result
  const lakeBytes = sizeBelow(join(lake, 'data'))
  const exports = Object.fromEntries([...Object.keys(FORMS), 'polars to parquet'].map((name) => [name, { ms: [] }]))
  const folders = Object.fromEntries(Object.keys(FORMS).map((name) => [name, join(folder, `export-${name}`)]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, flags] of Object.entries(FORMS)) {
      rmSync(folders[name], { recursive: true, force: true })
      const { ms, rssMb, result } = ckvd(dist, folder, ['export', '--lake', lake, '--out', folders[name], ...flags])
      check(result.rows, rows, `rows of the export as ${name}`)
      Object.assign(exports[name], { rssMb: Math.max(exports[name].rssMb ?? 0, rssMb), bytes: sizeBelow(join(folders[name], 'data')) })
      exports[name].ms.push(ms)
    }
    const polars = node(folder, ['--input-type=commonjs', '-e', POLARS_EXPORT, shardGlob(lake), join(folder, 'polars.parquet')])
    exports['polars to parquet'].ms.push(polars.ms)
    Object.assign(exports['polars to parquet'], { rssMb: polars.rssMb, bytes: statSync(join(folder, 'polars.parquet')).size })
  }
  const scans = await measureScans({ dist, lake, folders, end, rows, rounds })
  for (const [name, { place }] of Object.entries(SCANS)) scans[name].bytes = place === 'lake' ? lakeBytes : exports[place].bytes
  const amount = rows * 1000
  return [
    { name: `export of ${rows} rows of 1m`, unit: 'rows/s', amount, baseline: 'polars to parquet', contenders: exports },
    {
      name: `scan of ${rows} rows: sum of volume, highest price, rows`,
      unit: 'rows/s',
      amount,
      baseline: 'lake, ckvd getColumns',
      contenders: scans,
    },
  ]
}

/** What polars does with the same shards: one file, no digests, no partitions, nothing synced. */
const POLARS_EXPORT = `
  const pl = require(${JSON.stringify(require.resolve('nodejs-polars'))})
  const [glob, out] = process.argv.slice(1)
  pl.scanIPC(glob).collectSync().writeParquet(out, { compression: 'zstd' })
`

/** Each gives rows, highest price and sum of volume, from a part of the folder. */
const SCANS = {
  'lake, ckvd getColumns': {
    place: 'lake',
    async open({ dist, lake, end }) {
      const { CryptoKlineVisionData, DataProvider, MarketType, Interval, DataSource } = await import(
        new URL('src/index.js', pathToFileURL(`${dist}/`))
      )
      const client = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake, logLevel: 'CRITICAL' })
      const query = { symbol: SYMBOL, interval: Interval.MINUTE_1, startTime: '2024-01-01T00:00:00Z', endTime: `${end}T00:00:00Z` }
      return async () => {
        const { columns } = await client.getColumns({ ...query, columns: ['high', 'volume'], enforceSource: DataSource.CACHE })
        return fold(columns.high, columns.volume)
      }
    },
  },
  'lake, polars': { place: 'lake', open: ({ lake }) => polarsScan((pl) => pl.scanIPC(shardGlob(lake))) },
  'arrow, apache-arrow': {
    place: 'arrow',
    async open({ folders }) {
      const { tableFromIPC } = await import('apache-arrow')
      return () => {
        const parts = filesBelow(join(folders.arrow, 'data')).map((path) => {
          const table = tableFromIPC(readFileSync(path))
          return fold(table.getChild('high').toArray(), table.getChild('volume').toArray())
        })
        return parts.reduce((a, b) => ({ rows: a.rows + b.rows, high: Math.max(a.high, b.high), volume: a.volume + b.volume }))
      }
    },
  },
  'parquet, polars': {
    place: 'parquet',
    open: ({ folders }) => polarsScan((pl) => pl.scanParquet(join(folders.parquet, 'data/**/*.parquet'))),
  },
  'parquet, DuckDB': { place: 'parquet', open: ({ folders }) => duckScan(`read_parquet('${folders.parquet}/data/**/*.parquet')`) },
  'csv, polars': {
    place: 'csv',
    open: ({ folders }) => polarsScan((pl) => pl.concat(filesBelow(join(folders.csv, 'data')).map((path) => pl.readCSV(path).lazy()))),
  },
  'csv, DuckDB': { place: 'csv', open: ({ folders }) => duckScan(`read_csv('${folders.csv}/data/**/*.csv')`) },
  'csv.gz, DuckDB': { place: 'csv.gz', open: ({ folders }) => duckScan(`read_csv('${folders['csv.gz']}/data/**/*.csv.gz')`) },
}

async function measureScans({ dist, lake, folders, end, rows, rounds }) {
  const scans = {}
  let expected
  for (const [name, { open }] of Object.entries(SCANS)) {
    const scan = await open({ dist, lake, folders, end })
    const found = await scan() // its answer first, which also warms it up
    expected ??= found
    check(found.rows, rows, `rows of ${name}`)
    check(found.high, expected.high, `highest price of ${name}`)
    if (Math.abs(found.volume / expected.volume - 1) > 1e-9)
      throw new Error(`Expected a volume of ${expected.volume} of ${name}, found ${found.volume}.`)
    scans[name] = { ms: [], scan }
  }
  for (let round = 0; round < rounds; round++) {
    for (const contender of Object.values(scans)) {
      const start = performance.now()
      await contender.scan()
      contender.ms.push(performance.now() - start)
    }
  }
  return scans
}

function fold(high, volume) {
  let highest = -Infinity
  let sum = 0
  for (let row = 0; row < high.length; row++) {
    if (high[row] > highest) highest = high[row]
    sum += volume[row]
  }
  return { rows: high.length, high: highest, volume: sum }
}

function polarsScan(open) {
  const pl = require('nodejs-polars')
  return () => {
    const frame = open(pl)
      .select(pl.len().alias('rows'), pl.col('high').max().alias('high'), pl.col('volume').sum().alias('volume'))
      .collectSync()
    const cell = (name) => Number(frame.getColumn(name).get(0))
    return { rows: cell('rows'), high: cell('high'), volume: cell('volume') }
  }
}

async function duckScan(table) {
  const { DuckDBInstance } = require('@duckdb/node-api')
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  return async () => {
    const reader = await connection.runAndReadAll(`SELECT count(*), max(high), sum(volume) FROM ${table}`)
    const [row, high, volume] = reader.getRows()[0]
    return { rows: Number(row), high, volume }
  }
}

function universe(folder) {
  const path = join(folder, 'export-universe.txt')
  writeFileSync(path, `${SYMBOL}\n`)
  return path
}

function ckvd(dist, folder, args) {
  const { ms, rssMb, stdout } = node(folder, [join(dist, 'src/cli/main.js'), ...args, '--json', '--quiet'])
  const result = JSON.parse(stdout)
  check(result.exit, 0, `exit of ckvd ${args[0]}`)
  return { ms, rssMb, result }
}

/** Runs node in a process of its own; gives wall clock and peak of memory. */
function node(folder, args) {
  mkdirSync(folder, { recursive: true })
  const usageFile = join(folder, 'usage.json')
  const preload = ['--import', fileURLToPath(new URL('report-usage.mjs', import.meta.url))]
  const start = performance.now()
  const env = { PATH: process.env.PATH, BENCH_USAGE: usageFile, CKVD_NOW: '2025-03-01T12:00:00Z' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [...preload, ...args], {
    env,
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const ms = performance.now() - start
  if (status !== 0) throw new Error(`node ${args.slice(0, 3).join(' ')} ended with ${status}: ${stderr.slice(-2000)}${stdout.slice(-500)}`)
  return { ms, rssMb: JSON.parse(readFileSync(usageFile, 'utf8')).rssMb, stdout }
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function sizeBelow(folder) {
  return filesBelow(folder).reduce((sum, path) => sum + statSync(path).size, 0)
}

function shardGlob(lake) {
  return join(lake, 'data/spot/daily/klines', SYMBOL, '1m', '*.arrow')
}

function check(found, expected, what) {
  if (found !== expected) throw new Error(`Expected ${expected} as ${what}, found ${found}.`)
}
