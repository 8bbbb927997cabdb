import type { Market } from './market.ts'
import type { UtcDay } from './utc-day.ts'

/** A symbol as a universe file tells it. */
export interface UniverseLine {
  readonly market: Market
  readonly symbol: string
  /** first day with an archive */
  readonly first: UtcDay
  /** names as the listing has them (`1mo`) */
  readonly intervals: readonly string[]
  /** null where it is not known */
  readonly base: string | null
  /** absent: the file names no data set */
  readonly dataset?: string
}

/** The columns of a universe file, but for the base symbol at its end. */
export const UNIVERSE_COLUMNS = 'market,symbol,earliest_date,available_intervals'

/** A universe file, as `ckvd ingest --universe` takes it: LF, the list of intervals always quoted; no other cell needs quotes, since a symbol has neither commas nor quotes. */
export function formatUniverseText(lines: readonly UniverseLine[]): string {
  const isOfDatasets = lines.some(({ dataset }) => dataset !== undefined)
  const rows = lines.map(
    ({ market, symbol, first, intervals, base, dataset }) =>
      `${market},${symbol},${first},"${intervals.join(',')}",${base ?? ''}${isOfDatasets ? `,${dataset ?? ''}` : ''}`,
  )
  return `${[`${UNIVERSE_COLUMNS},base_symbol${isOfDatasets ? ',dataset' : ''}`, ...rows].join('\n')}\n`
}
