import { CryptoKlineVisionData, DataProvider, Interval, MarketType } from 'crypto-kline-vision-data'

// errors only is the default; CRITICAL leaves nothing but what your own code prints
const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT, { logLevel: 'CRITICAL' })
try {
  const { rows, columns } = await ckvd.getColumns({
    symbol: 'SOLUSDT',
    startTime: '2024-01-01T00:00:00Z',
    endTime: '2024-01-08T00:00:00Z',
    interval: Interval.MINUTE_5,
    columns: ['close', 'volume'],
  })
  // plain loops over typed arrays: no objects, no copies
  let turnover = 0
  let squares = 0
  for (let i = 1; i < rows; i++) {
    turnover += columns.close[i] * columns.volume[i]
    squares += Math.log(columns.close[i] / columns.close[i - 1]) ** 2
  }
  console.log(`realised volatility of the week: ${(Math.sqrt(squares) * 100).toFixed(2)} %`)
  console.log(`turnover: ${Math.round(turnover).toLocaleString('en-US')} USDT`)
} finally {
  await ckvd.close()
}
