/**
 * `getData` of the library in a process of its own, as attacked.mjs runs `ckvd`: its argument is JSON, and so is what it prints, in the form of
 * `ckvd fetch --json`; its exit code is that of the error.
 */
import { writeFileSync } from 'node:fs'
import { CkvdError, CryptoKlineVisionData, DataProvider, DataSource, Interval, MarketType } from '../../dist/src/index.js'
import { HTTP_DEFAULTS } from '../../dist/src/sources/http/http.js'

const MARKET_TYPES = { spot: MarketType.SPOT, um: MarketType.FUTURES_USDT, cm: MarketType.FUTURES_COIN }
/** The columns as `ckvd fetch --json` names and writes them. */
const TIMES = ['open_time', 'close_time']

const { peakFile, ...settings } = JSON.parse(process.env.CKVD_TORTURE)
Object.assign(HTTP_DEFAULTS, settings)
process.on('exit', () => writeFileSync(peakFile, String(process.resourceUsage().maxRSS)))

const { market, symbol, startTime, endTime, lake, source } = JSON.parse(process.argv[2])
const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MARKET_TYPES[market], { lake, workers: 2 })
try {
  const table = await ckvd.getData({ symbol, startTime, endTime, interval: Interval.HOUR_1, enforceSource: DataSource[source] })
  const bars = Array.from({ length: table.numRows }, (_, row) =>
    Object.fromEntries(
      table.schema.fields.map(({ name }) => {
        const value = table.getChild(name).get(row)
        return [name, TIMES.includes(name) ? `${new Date(Number(value)).toISOString().slice(0, -1)}000Z` : Number(value)]
      }),
    ),
  )
  process.stdout.write(`${JSON.stringify({ bars, gaps: JSON.parse(table.schema.metadata.get('ckvd.gaps') ?? '[]') })}\n`)
} catch (error) {
  if (!(error instanceof CkvdError)) throw error
  process.stdout.write(`${JSON.stringify({ error: error.toData() })}\n`)
  process.exitCode = error.exit
} finally {
  await ckvd.close()
}
