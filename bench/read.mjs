/**
 * Reading days of 1m bars from the lake by the library, against `tableFromIPC` of each shard, and against the same joined into one array a
 * column, which is what `getColumns` gives. The lake is filled by `ingest` from the sandbox exchange.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { tableFromIPC } from 'apache-arrow'

const NOW = '2024-03-10T12:00:00Z'
const END = '2024-03-01'
const TWO = ['open_time', 'close']
/** Rounds before those that count: the compiler has seen all of the code by then. */
const WARM_UP = 2

/** @returns three tables, of all columns, of two, and of a new process: milliseconds of each round; throws where the library gives other values */
export async function measureRead({ days, dist, folder, rounds }) {
  const load = (path) => import(new URL(path, pathToFileURL(`${dist}/`)).href)
  const { CryptoKlineVisionData, DataProvider, ingest, MarketType } = await load('src/index.js')
  const { startSandbox } = await load('src/sandbox/index.js')
  process.env.CKVD_NOW = NOW
  const lake = join(folder, 'lake-read')
  const start = new Date(Date.parse(END) - days * 86_400_000).toISOString().slice(0, 10)
  const sandbox = await startSandbox({ now: () => Date.parse(NOW) })
  const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake, sources: sandbox.urls })
  try {
    const filled = await ingest({ lake, sources: sandbox.urls, universe: [{ market: 'spot', symbol: 'BTCUSDT' }], start, end: END })
    if (filled.stored !== days) throw new Error(`Expected ${days} days in the lake, found ${filled.stored}.`)
    const query = { symbol: 'BTCUSDT', interval: '1m', startTime: `${start}T00:00:00Z`, endTime: `${END}T00:00:00Z` }
    const shards = readdirSync(join(lake, 'data/spot/daily/klines/BTCUSDT/1m'))
      .sort()
      .map((name) => join(lake, 'data/spot/daily/klines/BTCUSDT/1m', name))
    const tables = () => shards.map((path) => tableFromIPC(readFileSync(path)))
    const joined = (names) => {
      const [first, ...rest] = tables()
      const table = first.concat(...rest)
      return Object.fromEntries((names ?? table.schema.names).map((name) => [name, table.getChild(name).toArray()]))
    }
    const rows = checkSame(joined(), await ckvd.getColumns(query), await ckvd.getData(query))
    const all = await timeAll(rounds, {
      'tableFromIPC per file': tables,
      '… joined': () => joined(),
      getData: () => ckvd.getData(query),
      getColumns: () => ckvd.getColumns(query),
    })
    const two = await timeAll(rounds, {
      'tableFromIPC per file': tables,
      '… joined': () => joined(TWO),
      'getData of two': () => ckvd.getData({ ...query, columns: TWO }),
      'getColumns of two': () => ckvd.getColumns({ ...query, columns: TWO }),
    })
    await ckvd.close()
    const first = timeFirst(rounds, { dist, lake, start: query.startTime.replace(start, dayAfter(start)), end: query.endTime })
    const facts = { unit: 'million rows/s', amount: rows / 1000, baseline: 'tableFromIPC per file' }
    return [
      { name: `read ${days} days of 1m, all columns`, ...facts, contenders: all },
      { name: `read ${days} days of 1m, two columns`, ...facts, contenders: two },
      { name: `read ${days - 1} days of 1m in a new process`, ...facts, baseline: 'getColumns, again', contenders: first },
    ]
  } finally {
    await ckvd.close()
    await sandbox.close()
  }
}

const FIRST_READ = fileURLToPath(new URL('first-read.mjs', import.meta.url))

function dayAfter(day) {
  return new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)
}

/** Reads in a process of its own each time: the first read of a file compares its digest, the ones after it do not. */
function timeFirst(rounds, { dist, lake, start, end }) {
  const contenders = {}
  for (let round = 0; round < rounds; round++) {
    for (const [names, label] of [
      ['', 'getColumns'],
      [TWO.join(','), 'getColumns of two'],
    ]) {
      const { first, again } = JSON.parse(execFileSync(process.execPath, [FIRST_READ, dist, lake, start, end, names], { encoding: 'utf8' }))
      for (const [name, ms] of [
        [`${label}, first`, first],
        [`${label}, again`, again],
      ])
        (contenders[name] ??= { ms: [] }).ms.push(ms)
    }
  }
  return contenders
}

/** Throws unless every value of every column is the same. */
function checkSame(expected, { rows, columns }, table) {
  for (const [name, values] of Object.entries(expected)) {
    for (const found of [columns[name], table.getChild(name).toArray()]) {
      // as bytes: times are read as BigInt64Array, whatever Arrow's own accessors make of them
      const bytes = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)
      if (!bytes(values).equals(bytes(found)))
        throw new Error(`Expected the same ${name} from the library as from the shards, found others.`)
    }
  }
  return rows
}

// each work leaves its tables behind: without this the next one would pay for them
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

/** Times works that take turns, so that a busy moment hits all of them. */
async function timeAll(rounds, works) {
  const contenders = Object.fromEntries(Object.keys(works).map((name) => [name, { ms: [] }]))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      collectGarbage()
      const startedMs = performance.now()
      await work()
      if (round >= 0) contenders[name].ms.push(performance.now() - startedMs)
    }
  }
  return contenders
}
