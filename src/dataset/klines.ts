import { KLINE_COLUMNS } from '../model/kline.ts'
import { MARKETS } from '../model/market.ts'
import type { Dataset } from './dataset.ts'

/** Candlesticks. */
export const KLINES: Dataset = {
  name: 'klines',
  folder: 'klines',
  hasInterval: true,
  grid: '1m',
  markets: MARKETS,
  chunking: 'interval',
  columns: KLINE_COLUMNS,
  completeness: { kind: 'grid' },
}
