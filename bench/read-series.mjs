/**
 * A process that reads a range of many spot symbols from a lake: `node bench/read-series.mjs DIST LAKE CALL INTERVAL START END SYMBOL,…`,
 * CALL is `getData` or `getColumns`. The month before must be there, too. Prints {rows, first, again} as
 * JSON: the milliseconds of all symbols, {ms, cpuMs}, for the first time and once more.
 */
import { pathToFileURL } from 'node:url'

const [dist, lake, call, interval, startTime, endTime, symbols] = process.argv.slice(2)
const { CryptoKlineVisionData, DataProvider, DataSource, MarketType } = await import(
  new URL('src/index.js', pathToFileURL(`${dist}/`)).href
)
const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { lake })
// what a program loads with its first call is not counted
await ckvd[call]({
  symbol: symbols.split(',')[0],
  interval,
  startTime: new Date(Date.parse(startTime) - 31 * 86_400_000).toISOString(),
  endTime: startTime,
  enforceSource: DataSource.CACHE,
})
const spent = []
let rows = 0
for (let i = 0; i < 2; i++) {
  rows = 0
  const startedMs = performance.now()
  const before = process.cpuUsage()
  for (const symbol of symbols.split(',')) {
    const found = await ckvd[call]({ symbol, interval, startTime, endTime, enforceSource: DataSource.CACHE })
    rows += call === 'getData' ? found.numRows : found.rows
  }
  const { user, system } = process.cpuUsage(before)
  spent.push({ ms: performance.now() - startedMs, cpuMs: (user + system) / 1000 })
}
await ckvd.close()
process.stdout.write(JSON.stringify({ rows, first: spent[0], again: spent[1] }))
