import { BOOK_DEPTH, BOOK_TICKER } from './book.ts'
import { LIQUIDATIONS } from './liquidations.ts'
import { METRICS } from './metrics.ts'
import { OPTION_SUMMARY } from './option-summary.ts'
import type { Table } from './table.ts'
import { VOLATILITY_INDEX } from './volatility.ts'

/** The data sets whose archives are made of bars, row by row. */
export const TABLES: readonly Table[] = [METRICS, BOOK_DEPTH, BOOK_TICKER, LIQUIDATIONS, VOLATILITY_INDEX, OPTION_SUMMARY]
