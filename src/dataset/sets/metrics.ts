import type { Dataset, DatasetColumn } from '../dataset.ts'

/** REST writes ratios with four digits, archives with eight; COIN-M's archives and REST leave some out. */
function ratio(key: string, name: string): DatasetColumn {
  return { key, name, type: 'float64', least: 0, nullable: true, loose: true }
}

/**
 * What the holders of a futures contract do, each five minutes: open interest at the end of them, the ratios of long to short accounts and
 * positions, and what takers bought to what they sold in them. By days of real files: a header row, times as text, the symbol in each row,
 * rows in no order, at times each of them twice; quotes around nothing in COIN-M; labels a second or two late (binance-public-data#258 #276
 * #287 #335 #484 #498). USDⓈ-M called each row by the end of its five minutes until 2026-06-24, its last one `00:00:00` of the next day;
 * since then, and COIN-M ever, by their start (binance-public-data#491).
 */
export const METRICS: Dataset = {
  name: 'metrics',
  folder: 'metrics',
  hasInterval: false,
  grid: '5m',
  markets: ['um', 'cm'],
  chunking: 'day',
  pack: 'month',
  packagings: ['daily'],
  columns: [
    // some labels are seconds late
    { key: 'openTime', name: 'create_time', type: 'timestamp', isText: true, loose: true },
    { key: 'openInterest', name: 'sum_open_interest', type: 'float64', least: 0, nullable: true },
    { key: 'openInterestValue', name: 'sum_open_interest_value', type: 'float64', least: 0, nullable: true },
    ratio('topAccounts', 'count_toptrader_long_short_ratio'),
    ratio('topPositions', 'sum_toptrader_long_short_ratio'),
    ratio('accounts', 'count_long_short_ratio'),
    ratio('takerVolumes', 'sum_taker_long_short_vol_ratio'),
  ],
  csv: 'columns',
  symbolAt: 1,
  endLabels: { um: '2026-06-25' },
  rules: null,
  completeness: { kind: 'grid' },
  rest: 'statistics',
  restDays: 30,
  restPerpetuals: ['cm'],
}
