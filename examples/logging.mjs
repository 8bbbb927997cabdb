import { parseArgs } from 'node:util'
import { configureLogging, CryptoKlineVisionData, DataProvider, Interval, MarketType } from 'crypto-kline-vision-data'

const { values } = parseArgs({ options: { 'log-level': { type: 'string', default: 'ERROR' }, 'log-file': { type: 'string' } } })
// for clients that are created from now on; CKVD_LOG_LEVEL and CKVD_LOG_FILE do the same from outside
configureLogging({ level: values['log-level'], file: values['log-file'] })

const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT)
try {
  const day = { symbol: 'BTCUSDT', startTime: '2024-01-01T00:00:00Z', endTime: '2024-01-02T00:00:00Z', interval: Interval.HOUR_1 }
  const { numRows } = await ckvd.getData(day)
  // log lines go to stderr, each with the trace id of its request
  console.log(`${numRows} bars; the log's level is ${values['log-level']}`)
} finally {
  await ckvd.close()
}
