import type { Dataset, DatasetColumn } from '../dataset.ts'

/*
 * What happened, order by order: aggregate trades, which are the fills of one order at one price, and the trades themselves. Rows are counted by
 * the exchange: aggregates by one everywhere, trades by one in spot; of futures some trades are not published (of the insurance fund, of
 * auto-deleveraging), so that ids missing there prove nothing (binance-public-data#363 #378). Files of futures have a header since August 2022
 * and write flags as `true`, files of spot never have one and write `True`; times are milliseconds, in spot microseconds since 2025.
 * Measured on real files: COIN-M aggregates of 2026-05-08, spot trades of 2022-10-01 to 30, spot aggregates of 2023-10-15.
 */

const BEST_MATCH: DatasetColumn = { key: 'isBestMatch', name: 'is_best_match', type: 'bool' }
const MAKER: DatasetColumn = { key: 'isBuyerMaker', name: 'is_buyer_maker', type: 'bool' }

function id(key: string, name: string): DatasetColumn {
  return { key, name, type: 'int64', least: 0 }
}

function amount(key: string, name: string): DatasetColumn {
  return { key, name, type: 'float64', least: 0 }
}

const AGGREGATE_COLUMNS: readonly DatasetColumn[] = [
  id('aggTradeId', 'agg_trade_id'),
  amount('price', 'price'),
  amount('quantity', 'quantity'),
  id('firstTradeId', 'first_trade_id'),
  id('lastTradeId', 'last_trade_id'),
  { key: 'openTime', name: 'transact_time', type: 'timestamp' },
  MAKER,
]

/** Fills of one order at one price, as one row; the time is that of the last one. */
export const AGG_TRADES: Dataset = {
  name: 'aggTrades',
  folder: 'aggTrades',
  hasInterval: false,
  grid: '1s',
  markets: ['spot', 'um', 'cm'],
  chunking: 'day',
  // some months lack days that have archives of their own (binance-public-data#140 #161), and a month is gigabytes of text
  preferred: 'daily',
  storage: 'parquet',
  columns: AGGREGATE_COLUMNS,
  csv: 'columns',
  rules: null,
  completeness: { kind: 'sequence', id: 'aggTradeId' },
  rest: null,
  inMarket: {
    spot: {
      columns: [...AGGREGATE_COLUMNS, BEST_MATCH],
      completeness: { kind: 'sequence', id: 'aggTradeId', rest: 'aggTrades' },
    },
  },
}

/** @param valueName of the amount in the other currency: of COIN-M it is that of the base */
function tradeColumns(valueName: string): readonly DatasetColumn[] {
  return [
    id('id', 'id'),
    amount('price', 'price'),
    amount('qty', 'qty'),
    amount('value', valueName),
    { key: 'openTime', name: 'time', type: 'timestamp' },
    MAKER,
  ]
}

/** Each fill of each order. */
export const TRADES: Dataset = {
  ...AGG_TRADES,
  name: 'trades',
  folder: 'trades',
  columns: tradeColumns('quote_qty'),
  completeness: { kind: 'as-published', id: 'id' },
  inMarket: {
    spot: { columns: [...tradeColumns('quote_qty'), BEST_MATCH], completeness: { kind: 'sequence', id: 'id', rest: 'historicalTrades' } },
    cm: { columns: tradeColumns('base_qty') },
  },
}
