import type { Dataset } from '../dataset.ts'

/** An asset of an index, `BTCBVOL` and `USDT`. */
function asset(key: string, name: string): Dataset['columns'][number] {
  return { key, name, type: 'text' }
}

/**
 * How much the prices of Bitcoin and Ether are expected to move, by the prices of their options, in percent a year: a row a second since
 * 2023-06-20, some of them some milliseconds late. A row has its symbol, which is checked; nobody but the archives tells it.
 */
export const VOLATILITY_INDEX: Dataset = {
  name: 'BVOLIndex',
  folder: 'BVOLIndex',
  hasInterval: false,
  grid: '1s',
  markets: ['option'],
  symbolPart: 'BVOL',
  chunking: 'day',
  packagings: ['daily'],
  storage: 'parquet',
  columns: [
    { key: 'openTime', name: 'calc_time', type: 'timestamp' },
    asset('baseAsset', 'base_asset'),
    asset('quoteAsset', 'quote_asset'),
    { key: 'value', name: 'index_value', type: 'float64', least: 0 },
  ],
  csv: 'columns',
  symbolAt: 1,
  rules: null,
  completeness: { kind: 'as-published' },
  rest: null,
}
