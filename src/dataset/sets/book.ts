import type { Dataset, DatasetColumn } from '../dataset.ts'

/*
 * What stood in the order books of futures. Nobody can be asked for what the archives lack: days are as published.
 */

function amount(key: string, name: string): DatasetColumn {
  return { key, name, type: 'float64', least: 0 }
}

const BOOK = {
  hasInterval: false,
  markets: ['um', 'cm'],
  chunking: 'day',
  packagings: ['daily'],
  storage: 'parquet',
  csv: 'columns',
  rules: null,
  rest: null,
} as const satisfies Partial<Dataset>

/**
 * How much stood within so many percent of the price, some 2,880 times a day: one to five percent below and above it, since 2026-01-15 a
 * fifth of a percent, too. The price is given as -5 in older files, as -5.00 in newer ones.
 */
export const BOOK_DEPTH: Dataset = {
  ...BOOK,
  name: 'bookDepth',
  folder: 'bookDepth',
  grid: '1s',
  columns: [
    { key: 'openTime', name: 'timestamp', type: 'timestamp', isText: true },
    // below 0: bids
    { key: 'percentage', name: 'percentage', type: 'float64', least: -100, most: 100 },
    amount('depth', 'depth'),
    amount('notional', 'notional'),
  ],
  completeness: { kind: 'as-published', apart: ['percentage'] },
}

/**
 * The best bid and ask after each change of either. Published from 2023-05-16 to 2024-03-30 (binance-public-data#372); of April 2024 a month's
 * archive has the first hours, which are not read. Ids are those of the book's changes, of which most change neither.
 */
export const BOOK_TICKER: Dataset = {
  ...BOOK,
  name: 'bookTicker',
  folder: 'bookTicker',
  grid: '1s',
  until: { um: '2024-03-30', cm: '2024-03-30' },
  columns: [
    { key: 'updateId', name: 'update_id', type: 'int64', least: 0 },
    amount('bidPrice', 'best_bid_price'),
    amount('bidQuantity', 'best_bid_qty'),
    amount('askPrice', 'best_ask_price'),
    amount('askQuantity', 'best_ask_qty'),
    { key: 'openTime', name: 'transaction_time', type: 'timestamp' },
    // when it was sent
    { key: 'eventTime', name: 'event_time', type: 'timestamp' },
  ],
  completeness: { kind: 'as-published', id: 'updateId' },
}
