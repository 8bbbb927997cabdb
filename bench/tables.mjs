/** Decoding of data sets that are read by the description of their columns: made aggregate trades, and a real day of them where there is one. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readEntry } from './archives.mjs'
import { runContenders } from './decode.mjs'
import { createTradesCsv, TABLE_DECODERS } from './table-decoders.mjs'

const SAMPLE = 'shared/samples/data/futures/cm/daily/aggTrades/BTCUSD_PERP/BTCUSD_PERP-aggTrades-2026-05-08.zip'

/** @returns tables of decoders of a CSV, in thousands of rows a second */
export function measureTables({ root, dist, folder, rows, rounds, limitMs }) {
  const tables = [{ label: `${rows.toLocaleString('en')} aggregate trades`, csv: createTradesCsv(rows) }]
  const sample = join(root, '..', SAMPLE)
  if (existsSync(sample)) tables.push({ label: 'a real day of BTCUSD_PERP', csv: readEntry(readFileSync(sample)) })
  return tables.map(({ label, csv }) => {
    const path = join(folder, 'table.csv')
    writeFileSync(path, csv)
    const names = Object.keys(TABLE_DECODERS)
    const { contenders, notes } = runContenders({ group: 'table', names, oracle: 'split-number', label, path, dist, rounds, limitMs })
    const header = csv.subarray(0, 3).toString() === 'agg' ? 1 : 0
    const lines = csv.toString('latin1').split('\n').length - 1 - header
    return { name: `table ${label}`, unit: 'krows/s', amount: lines, baseline: 'ours-exact', contenders, notes }
  })
}
