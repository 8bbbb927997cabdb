import { BOOK_DEPTH, BOOK_TICKER } from './book.ts'
import { LIQUIDATIONS } from './liquidations.ts'
import { METRICS } from './metrics.ts'
import type { Table } from './table.ts'

/** The data sets whose archives are made of bars, row by row. */
export const TABLES: readonly Table[] = [METRICS, BOOK_DEPTH, BOOK_TICKER, LIQUIDATIONS]
