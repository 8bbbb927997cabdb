import { CkvdError, CryptoKlineVisionData, DataProvider, Interval, MarketType } from 'crypto-kline-vision-data'

const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_COIN)
const day = { startTime: '2024-01-01T00:00:00Z', endTime: '2024-01-02T00:00:00Z', interval: Interval.HOUR_1 }

/** Match on `code`, never on the message; `details` are plain values. */
async function attempt(options) {
  try {
    const table = await ckvd.getData({ ...day, ...options })
    console.log(`${options.symbol}: ${table.numRows} bars`)
  } catch (error) {
    if (!(error instanceof CkvdError)) throw error
    console.log(`${error.code}: ${error.message}`)
    if (error.code === 'CKVD_SYMBOL_FORMAT') await attempt({ ...options, symbol: error.details.suggestion })
  }
}

try {
  await attempt({ symbol: 'BTCUSDT' })
  await attempt({ symbol: 'BTCUSD_PERP', interval: '1s' })
  await attempt({ symbol: 'NOSUCHUSD_PERP' })
  await attempt({ symbol: 'BTCUSD_PERP', startTime: '2024-01-01T00:00:00' })
  await attempt({ symbol: 'BTCUSD_PERP', startTime: '2015-01-01T00:00:00Z', endTime: '2015-02-01T00:00:00Z' })
} finally {
  await ckvd.close()
}
