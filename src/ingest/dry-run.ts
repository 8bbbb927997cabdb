import { datasetNames, datasetOf } from '../dataset/registry.ts'
import { toldSeries } from '../dataset/told.ts'
import { isCkvdError } from '../errors.ts'
import { openLake } from '../lake/lake.ts'
import type { Interval } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { MARKETS } from '../model/market.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { IngestOptions } from './ingest-options.ts'
import type { PlanTotals } from './planner.ts'
import { addTotals, NO_PLAN, plannedArchives, planTotals } from './planner.ts'
import type { IngestResult } from './result.ts'
import { Tally } from './result.ts'
import { adviseUnknown, countFailure, openConnections, originOf, planInto, scopeBy } from './planning.ts'

/** What `--dry-run` prints. */
export interface DryRunResult {
  /** `ingest` or `sync` */
  readonly command: IngestResult['command']
  /** exit code of the command: 0, or 3 when a series cannot be planned */
  readonly exit: number
  /** what would be done of each series */
  readonly series: readonly DryRunSeries[]
  /** the sum of `series` */
  readonly total: DryRunNumbers
  /** series that cannot be planned, and why */
  readonly problems: IngestResult['problems']
}

/** A plan in numbers. */
export interface DryRunNumbers {
  /** chunks that are requested: days, or months of `3d`, `1w`, `1M` */
  readonly days: number
  /** chunks that stay as they are in the lake */
  readonly stored: number
  /** archives to download, by form */
  readonly archives: { readonly daily: number; readonly monthly: number }
  /** chunks for which REST is the only source */
  readonly rest_days: number
  /** size of the archives to download, bytes */
  readonly bytes: number
  /** what their chunks will take on disk, in whole blocks, what the catalog keeps of them included, bytes, about */
  readonly disk_bytes: number
}

/** The plan of one series. */
export interface DryRunSeries extends DryRunNumbers {
  /** as Vision calls it: `klines`, `fundingRate` */
  readonly dataset: string
  /** `spot`, `um` or `cm` */
  readonly market: Market
  /** as the exchange writes it */
  readonly symbol: string
  /** `1s` to `1M`; null: the data set has no intervals */
  readonly interval: Interval | null
  /** first requested chunk; null: none */
  readonly first: UtcDay | null
  /** last requested chunk; null: none */
  readonly last: UtcDay | null
}

/**
 * Plans only: nothing is written, no archive is downloaded. A lake that is there is read.
 * Throws CKVD_USAGE, CKVD_UNREACHABLE, CKVD_ABORTED and errors of the lake; failures of single series are problems.
 */
export async function planIngest(options: IngestOptions): Promise<DryRunResult> {
  await using connections = openConnections(options)
  const scope = scopeBy(connections.http, options)
  connections.http.clock.onSkew = (message) => options.events.onNote?.(message)
  const lake = await openLake(options.lake, { mode: 'read', ...originOf(options) }).catch((error: unknown) => {
    if (isCkvdError(error, 'CKVD_LAKE_MISSING')) return null
    throw error
  })
  const series: DryRunSeries[] = []
  const tally = new Tally()
  let total = NO_PLAN
  try {
    await planInto(options, scope, connections, lake?.catalog ?? null, null, (planned) => {
      if ('error' in planned) {
        countFailure(tally, planned)
        return Promise.resolve()
      }
      options.events.onArchives?.(planned.series, plannedArchives(planned))
      const numbers = planTotals(planned)
      total = addTotals(total, numbers)
      series.push({
        ...toldSeries(planned.series),
        dataset: datasetOf(planned.series).name,
        first: planned.first,
        last: planned.last,
        ...printable(numbers),
      })
      return Promise.resolve()
    })
    await adviseUnknown(tally, connections, options.signal)
  } finally {
    await lake?.close()
  }
  const key = (row: DryRunSeries): string =>
    `${MARKETS.indexOf(row.market)} ${row.symbol} ${datasetNames().indexOf(row.dataset)} ${row.interval ?? ''}`
  series.sort((a, b) => (key(a) < key(b) ? -1 : 1))
  return { command: options.command ?? 'ingest', exit: tally.exit, series, total: printable(total), problems: tally.problems }
}

function printable(totals: PlanTotals): DryRunNumbers {
  const { days, stored, archives, restDays, bytes, diskBytes } = totals
  return { days, stored, archives, rest_days: restDays, bytes, disk_bytes: diskBytes }
}
