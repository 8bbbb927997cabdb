/**
 * A process that reads a range from a lake for the first time, and again: `node bench/first-read.mjs DIST LAKE START END COLUMNS`, where
 * COLUMNS are names joined by commas, or nothing for all. Prints milliseconds as JSON. A program's own start is not in them, and of the
 * first read not that of the library either: a day outside of the range was read before.
 */
import { pathToFileURL } from 'node:url'

const [dist, lake, startTime, endTime, names = ''] = process.argv.slice(2)
const { CryptoKlineVisionData, DataProvider, DataSource, MarketType } = await import(
  new URL('src/index.js', pathToFileURL(`${dist}/`)).href
)
const columns = names === '' ? {} : { columns: names.split(',') }
const query = { symbol: 'BTCUSDT', interval: '1m', startTime, endTime, enforceSource: DataSource.CACHE, ...columns }
const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake })
const before = new Date(Date.parse(startTime) - 86_400_000).toISOString()
await ckvd.getColumns({ ...query, startTime: before, endTime: startTime })
const ms = []
for (let i = 0; i < 2; i++) {
  const startedMs = performance.now()
  await ckvd.getColumns(query)
  ms.push(performance.now() - startedMs)
}
await ckvd.close()
process.stdout.write(JSON.stringify({ first: ms[0], again: ms[1] }))
