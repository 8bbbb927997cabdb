/**
 * A process that reads a range of many spot symbols from a lake: `node bench/read-series.mjs DIST LAKE CALL INTERVAL START END SYMBOL,…`,
 * CALL is `getData` or `getColumns`. Prints {rows, first, again} as JSON: the milliseconds of all symbols for the first time and once more.
 */
import { pathToFileURL } from 'node:url'

const [dist, lake, call, interval, startTime, endTime, symbols] = process.argv.slice(2)
const { CryptoKlineVisionData, DataProvider, DataSource, MarketType } = await import(
  new URL('src/index.js', pathToFileURL(`${dist}/`)).href
)
const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake })
const ms = []
let rows = 0
for (let i = 0; i < 2; i++) {
  rows = 0
  const startedMs = performance.now()
  for (const symbol of symbols.split(',')) {
    const found = await ckvd[call]({ symbol, interval, startTime, endTime, enforceSource: DataSource.CACHE })
    rows += call === 'getData' ? found.numRows : found.rows
  }
  ms.push(performance.now() - startedMs)
}
await ckvd.close()
process.stdout.write(JSON.stringify({ rows, first: ms[0], again: ms[1] }))
