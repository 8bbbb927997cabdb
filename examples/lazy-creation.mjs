import { CryptoKlineVisionData, DataProvider, MarketType } from 'crypto-kline-vision-data'

// neither importing nor creating opens a file, a socket or a thread: the first call does
const before = process.getActiveResourcesInfo().length
const startedMs = performance.now()
const clients = Object.values(MarketType).map((market) => CryptoKlineVisionData.create(DataProvider.BINANCE, market))
console.log(
  `${clients.length} clients in ${(performance.now() - startedMs).toFixed(1)} ms, ${process.getActiveResourcesInfo().length - before} resources opened`,
)

// closing what was never used is fine, and so is closing twice
await Promise.all(clients.map((client) => client.close()))
