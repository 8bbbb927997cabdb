import { ChartType, DataProvider, fetchMarketData, Interval, MarketType } from 'crypto-kline-vision-data'

const what = {
  provider: DataProvider.BINANCE,
  marketType: MarketType.SPOT,
  chartType: ChartType.KLINES,
  symbol: 'BTCUSDT',
  interval: Interval.MINUTE_15,
}

// a range: the start is included, the end is not
const range = await fetchMarketData({ ...what, startTime: '2023-01-01T00:00:00Z', endTime: '2023-01-10T00:00:00Z' })
console.log(`Fetched ${range.recordsCount} records in ${range.elapsedSeconds.toFixed(2)} seconds`)

// seven days backward from an end
const endTime = new Date('2023-05-15T13:45:30Z')
const backward = await fetchMarketData({ ...what, endTime, days: 7 })
const times = backward.table.getChild('open_time')
console.log(`Fetched ${backward.recordsCount} records, from ${new Date(times?.get(0)).toISOString()} on`)
