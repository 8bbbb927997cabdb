import type { DecodePool } from '../../acquire/decode-pool.ts'
import type { ArchiveChoice } from '../../acquire/plan/archive-choice.ts'
import type { Market } from '../../model/market.ts'
import type { IngestProgress } from '../progress.ts'
import type { UniverseLine } from '../universe.ts'

/** What is asked of an ingest: the flags of `ckvd ingest` in camelCase. Days are UTC, `YYYY-MM-DD`; `end` is excluded. */
export interface IngestRequest {
  /** path of a universe file, or a list; left out, `symbols` are what is ingested */
  readonly universe?: string | readonly { readonly market: Market; readonly symbol: string }[] | undefined
  /** `spot`, `um` (`usdm`, `futures/um`), `cm` (`coinm`, `futures/cm`), `option`: of symbols and of a file with one symbol a line their market (default `spot`), of other universes the only one that is kept */
  readonly market?: string | undefined
  /** each base symbol's futures contract (`…USDT`, `…USD_PERP`) instead of the symbol itself */
  readonly mapMarket?: 'um' | 'cm' | undefined
  /** the symbols to ingest, `BTCUSDT` or `BTC/USDT`; with a universe, the only ones of it */
  readonly symbols?: readonly string[] | undefined
  /** data sets, as Vision calls them, or `all`; default `['klines']`, and of a line of a universe file that names some those */
  readonly data?: readonly string[] | 'all' | undefined
  /** default `['1m']` */
  readonly intervals?: readonly string[] | 'all' | undefined
  /** first day, or a month for its first day; default: the first one that the listing has. An earlier one asks REST for the first bar */
  readonly start?: string | undefined
  /** day after the last one; default: today */
  readonly end?: string | undefined
  /** all days of this month that are over, `YYYY-MM`, in place of `start` and `end` */
  readonly month?: string | undefined
  /** which archives are taken: `auto` (default), `daily`, `monthly` */
  readonly archives?: ArchiveChoice | undefined
  /** false: REST is not asked */
  readonly rest?: boolean | undefined
  /** true: plans only, and gives a {@link DryRunResult} */
  readonly dryRun?: boolean | undefined
  /** true: reads the whole listing and takes what was published anew */
  readonly refresh?: boolean | undefined
  /** true: only chunks that are unexplained */
  readonly retryFailed?: boolean | undefined
  /** true: every chunk, stored or not */
  readonly force?: boolean | undefined
  /** true: compares all days of monthly archives with the daily ones, not only one a month */
  readonly crossCheck?: boolean | undefined
  /** true: keeps the ZIPs under `archives/` of the lake */
  readonly keepArchives?: boolean | undefined
  /** stops the run cleanly; it then throws `CKVD_ABORTED`, and the next one goes on from there */
  readonly signal?: AbortSignal | undefined
  /** called after every archive and stretch */
  readonly onProgress?: ((progress: IngestProgress) => void) | undefined
}

/** The names of all options. */
export const REQUEST_KEYS: ReadonlySet<string> = new Set<keyof IngestRequest>([
  'universe',
  'market',
  'mapMarket',
  'symbols',
  'data',
  'intervals',
  'start',
  'end',
  'month',
  'archives',
  'rest',
  'dryRun',
  'refresh',
  'retryFailed',
  'force',
  'crossCheck',
  'keepArchives',
  'signal',
  'onProgress',
])

/** What surrounds a request: who asks, by which clocks, and what only the command has. */
export interface RequestSurroundings {
  /** names in messages are flags for the command */
  readonly caller: 'command' | 'library'
  /** a clock that runs, epoch ms */
  readonly clockMs: () => number
  /** the system's clock, whatever `CKVD_NOW` says; default `Date.now` */
  readonly systemMs?: (() => number) | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** standard input, which is the universe file `-` */
  readonly stdin?: AsyncIterable<Uint8Array | string> | undefined
  /** decode threads of the caller; default: the run's own */
  readonly pool?: DecodePool | undefined
  /** told of each symbol whose line lists none of the intervals asked for */
  readonly onLeftOut?: ((line: UniverseLine) => void) | undefined
}
