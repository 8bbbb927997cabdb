/**
 * `node scripts/bench-read.mjs [DAYS]`: how fast a year (or DAYS days) of 1m bars is read from the lake, against `tableFromIPC` of each
 * shard. Run `npm run build` first. The lake is filled from the embedded exchange, in a folder that is removed afterwards.
 * The answers are compared before anything is timed. Prints the median, the fastest and the slowest of 15 rounds, in milliseconds.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { tableFromIPC } from 'apache-arrow'

const ROUNDS = 15
const NOW = '2024-03-10T12:00:00Z'
const days = Number(process.argv[2] ?? 365)
process.env.CKVD_NOW = NOW

const { CryptoKlineVisionData, DataProvider, ingest, MarketType } = await import('../dist/src/index.js')
const { startSandbox } = await import('../dist/src/sandbox/index.js')

// each work leaves its tables behind: without this the next one would pay for them
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

/** Times rounds of some work that takes turns with the others, so that a busy moment hits all of them. */
async function timeAll(works) {
  const times = new Map(Object.keys(works).map((name) => [name, []]))
  for (let round = -2; round < ROUNDS; round++) {
    for (const [name, work] of Object.entries(works)) {
      collectGarbage()
      const startedMs = performance.now()
      await work()
      if (round >= 0) times.get(name).push(performance.now() - startedMs)
    }
  }
  return times
}

const lake = mkdtempSync(join(tmpdir(), 'ckvd-bench-'))
const sandbox = await startSandbox({ now: () => Date.parse(NOW) })
const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake, sources: sandbox.urls })
try {
  const end = '2024-03-01'
  const start = new Date(Date.parse(end) - days * 86_400_000).toISOString().slice(0, 10)
  const filled = await ingest({ lake, sources: sandbox.urls, universe: [{ market: 'spot', symbol: 'BTCUSDT' }], start, end })
  if (filled.stored !== days) throw new Error(`Expected ${days} days in the lake, found ${filled.stored}.`)
  const folder = join(lake, 'data/spot/daily/klines/BTCUSDT/1m')
  const files = readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
  const query = { symbol: 'BTCUSDT', interval: '1m', startTime: `${start}T00:00:00Z`, endTime: `${end}T00:00:00Z` }
  const two = ['open_time', 'close']

  const readTables = () => files.map((path) => tableFromIPC(readFileSync(path)))
  const concatColumns = (names) => {
    const [first, ...rest] = readTables()
    const table = first.concat(...rest)
    return (names ?? table.schema.names).map((name) => table.getChild(name).toArray())
  }
  const [expected] = concatColumns(['close'])
  const { columns } = await ckvd.getColumns({ ...query, columns: ['close'] })
  if (expected.length !== columns.close.length || !expected.every((value, i) => value === columns.close[i])) {
    throw new Error('Expected the same closes from both, found others.')
  }

  const times = await timeAll({
    'tableFromIPC of each shard': readTables,
    'tableFromIPC of each shard, all columns as one array each': () => concatColumns(),
    'tableFromIPC of each shard, two columns as one array each': () => concatColumns(two),
    getData: () => ckvd.getData(query),
    getColumns: () => ckvd.getColumns(query),
    'getColumns of two': () => ckvd.getColumns({ ...query, columns: two }),
  })
  console.log(`${days} days, ${expected.length} rows; median (fastest, slowest) of ${ROUNDS} rounds in ms`)
  for (const [name, list] of times) {
    const sorted = list.sort((a, b) => a - b).map((ms) => ms.toFixed(1))
    console.log(`${name.padEnd(60)} ${sorted[Math.floor(ROUNDS / 2)].padStart(7)}  (${sorted[0]}, ${sorted.at(-1)})`)
  }
} finally {
  await ckvd.close()
  await sandbox.close()
  rmSync(lake, { recursive: true, force: true })
}
