import type { Dataset, DatasetColumn } from '../../src/dataset/dataset.ts'

/*
 * The data sets of single trades as archives have them: rows that are counted by the exchange, with flags. USDⓈ-M and COIN-M have one flag, spot
 * a second one.
 */

const TRADE: Omit<Dataset, 'name' | 'folder' | 'columns' | 'completeness'> = {
  hasInterval: false,
  grid: '1h',
  markets: ['spot', 'um', 'cm'],
  chunking: 'day',
  csv: 'columns',
  rules: null,
  rest: null,
}
const BEST: DatasetColumn = { key: 'isBestMatch', name: 'is_best_match', type: 'bool' }

export const AGG_TRADES: Dataset = {
  ...TRADE,
  name: 'aggTrades',
  folder: 'aggTrades',
  columns: [
    { key: 'id', name: 'agg_trade_id', type: 'int64', least: 0 },
    { key: 'price', name: 'price', type: 'float64', least: 0 },
    { key: 'quantity', name: 'quantity', type: 'float64', least: 0 },
    { key: 'firstId', name: 'first_trade_id', type: 'int64' },
    { key: 'lastId', name: 'last_trade_id', type: 'int64' },
    { key: 'openTime', name: 'transact_time', type: 'timestamp' },
    { key: 'isBuyerMaker', name: 'is_buyer_maker', type: 'bool' },
  ],
  completeness: { kind: 'sequence', id: 'id' },
}

export const TRADES: Dataset = {
  ...TRADE,
  name: 'trades',
  folder: 'trades',
  columns: [
    { key: 'id', name: 'id', type: 'int64', least: 0 },
    { key: 'price', name: 'price', type: 'float64', least: 0 },
    { key: 'quantity', name: 'qty', type: 'float64', least: 0 },
    { key: 'quoteQuantity', name: 'quote_qty', type: 'float64', least: 0 },
    { key: 'openTime', name: 'time', type: 'timestamp' },
    { key: 'isBuyerMaker', name: 'is_buyer_maker', type: 'bool' },
  ],
  completeness: { kind: 'sequence', id: 'id' },
}

/** A data set as spot has it. */
export function onSpot(dataset: Dataset): Dataset {
  return { ...dataset, columns: [...dataset.columns, BEST] }
}
