import { KLINE_COLUMNS } from '../../model/kline.ts'
import { REST_MARKETS } from '../../model/market.ts'
import type { Dataset } from '../dataset.ts'

/** Candlesticks. */
export const KLINES: Dataset = {
  name: 'klines',
  folder: 'klines',
  hasInterval: true,
  grid: '1m',
  markets: REST_MARKETS,
  chunking: 'interval',
  pack: 'interval',
  // another close time is an oddity, no contradiction
  columns: KLINE_COLUMNS.map((column) => (column.key === 'closeTime' ? { ...column, loose: true } : column)),
  csv: 'klines',
  rules: 'bar',
  completeness: { kind: 'grid' },
  rest: 'klines',
}
