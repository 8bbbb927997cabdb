import type { Dataset, DatasetColumn } from '../dataset.ts'

function amount(key: string, name: string): DatasetColumn {
  return { key, name, type: 'float64', least: 0 }
}

function word(key: string, name: string, ...words: readonly string[]): DatasetColumn {
  return { key, name, type: 'word', words }
}

const COLUMNS: readonly DatasetColumn[] = [
  { key: 'openTime', name: 'time', type: 'timestamp' },
  word('side', 'side', 'BUY', 'SELL'),
  // as the exchange's own documents list them
  word(
    ...(['orderType', 'order_type', 'LIMIT', 'MARKET', 'STOP', 'STOP_MARKET', 'TAKE_PROFIT', 'TAKE_PROFIT_MARKET'] as const),
    ...(['TRAILING_STOP_MARKET', 'LIQUIDATION'] as const),
  ),
  word('timeInForce', 'time_in_force', 'GTC', 'IOC', 'FOK', 'GTX', 'GTD'),
  amount('originalQuantity', 'original_quantity'),
  amount('price', 'price'),
  amount('averagePrice', 'average_price'),
  word('orderStatus', 'order_status', 'NEW', 'PARTIALLY_FILLED', 'FILLED', 'CANCELED', 'REJECTED', 'EXPIRED', 'EXPIRED_IN_MATCH'),
  amount('lastFillQuantity', 'last_fill_quantity'),
  amount('accumulatedFillQuantity', 'accumulated_fill_quantity'),
]

/**
 * Orders by which the exchange closed positions of COIN-M, from 2023-06-25 to 2024-10-14; those of USDⓈ-M were withdrawn
 * (binance-public-data#361). Each row is published twice: rows that are the same in everything are one.
 */
export const LIQUIDATIONS: Dataset = {
  name: 'liquidationSnapshot',
  folder: 'liquidationSnapshot',
  hasInterval: false,
  grid: '1s',
  markets: ['cm'],
  until: { cm: '2024-10-14' },
  chunking: 'day',
  packagings: ['daily'],
  storage: 'parquet',
  columns: COLUMNS,
  csv: 'columns',
  rules: null,
  completeness: { kind: 'as-published', apart: COLUMNS.slice(1).map(({ key }) => key) },
  rest: null,
}
