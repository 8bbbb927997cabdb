import { CryptoKlineVisionData, DataProvider, DataSource, Interval, MarketType } from 'crypto-kline-vision-data'

const ckvd = CryptoKlineVisionData.create(DataProvider.BINANCE, MarketType.SPOT)
const days = {
  symbol: 'ETHUSDT',
  startTime: '2024-01-01T00:00:00Z',
  endTime: '2024-01-04T00:00:00Z',
  interval: Interval.HOUR_1,
  includeSourceInfo: true,
}

async function show(title, options) {
  const table = await ckvd.getData({ ...days, ...options })
  const sources = [...new Set(table.getChild('_data_source'))].join(' and ')
  console.log(`${title}: ${table.numRows} bars from ${sources}`)
}

try {
  await show('first call', {})
  await show('the same again', {})
  // neither read nor written; CKVD_ENABLE_CACHE=false does the same for a whole process
  await show('useCache: false', { useCache: false })
  await show('enforceSource REST', { enforceSource: DataSource.REST })
  await show('enforceSource CACHE', { enforceSource: DataSource.CACHE })
} finally {
  await ckvd.close()
}
