import { CryptoKlineVisionData, DataProvider, Interval, MarketType } from 'crypto-kline-vision-data'

const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.FUTURES_USDT)
try {
  const endTime = new Date()
  const startTime = new Date(endTime.getTime() - 7 * 86_400_000)
  // an Arrow Table: the lake gives what it has, Vision and REST the rest
  const table = await ckvd.getData({ symbol: 'BTCUSDT', startTime, endTime, interval: Interval.HOUR_1, includeSourceInfo: true })
  console.log(`Loaded ${table.numRows} bars of BTCUSDT: ${table.schema.names.join(', ')}`)
  console.log('first:', table.get(0)?.toJSON())
  console.log('bars that do not exist, and why:', table.schema.metadata.get('ckvd.gaps'))
} finally {
  await ckvd.close()
}
