import type { Dataset, DatasetColumn } from '../dataset.ts'

/** A name that no list has: an asset of an index (`BTCBVOL`), a contract (`BTC-231027-33000-C`). */
function text(key: string, name: string, header = name): DatasetColumn {
  return { key, name, header, type: 'text' }
}

function amount(key: string, name: string): DatasetColumn {
  return { key, name, type: 'float64', nullable: true }
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
    text('baseAsset', 'base_asset'),
    text('quoteAsset', 'quote_asset'),
    { key: 'value', name: 'index_value', type: 'float64', least: 0 },
  ],
  csv: 'columns',
  symbolAt: 1,
  rules: null,
  completeness: { kind: 'as-published' },
  rest: null,
}

/**
 * What each contract of options on an asset did in an hour, from 2023-05-18 to 2023-10-23; a row a contract and hour, of which the archive tells
 * date and hour in two cells. The column `symbol` of the archives is the contract, and is called so here, since the symbol of the series is what it
 * is an option on. `strike` is text, date and price (`231027-33000`). Where nothing was traded or quoted a cell is empty (`best_buy_iv` ever is),
 * or 0 (`0E-8`).
 */
export const OPTION_SUMMARY: Dataset = {
  name: 'EOHSummary',
  folder: 'EOHSummary',
  hasInterval: false,
  grid: '1h',
  markets: ['option'],
  until: { option: '2023-10-23' },
  chunking: 'day',
  packagings: ['daily'],
  storage: 'parquet',
  columns: [
    { key: 'openTime', name: 'time', header: 'date', hour: 'hour', type: 'timestamp' },
    text('contract', 'contract', 'symbol'),
    text('underlying', 'underlying'),
    text('type', 'type'),
    text('strike', 'strike'),
    amount('open', 'open'),
    amount('high', 'high'),
    amount('low', 'low'),
    amount('close', 'close'),
    amount('volumeContracts', 'volume_contracts'),
    amount('volumeUsdt', 'volume_usdt'),
    amount('bidPrice', 'best_bid_price'),
    amount('askPrice', 'best_ask_price'),
    amount('bidQuantity', 'best_bid_qty'),
    amount('askQuantity', 'best_ask_qty'),
    amount('buyIv', 'best_buy_iv'),
    amount('sellIv', 'best_sell_iv'),
    amount('markPrice', 'mark_price'),
    amount('markIv', 'mark_iv'),
    amount('delta', 'delta'),
    amount('gamma', 'gamma'),
    amount('vega', 'vega'),
    amount('theta', 'theta'),
    amount('openInterestContracts', 'openinterest_contracts'),
    amount('openInterestUsdt', 'openinterest_usdt'),
  ],
  csv: 'columns',
  rules: null,
  completeness: { kind: 'as-published', apart: ['contract'] },
  rest: null,
}
