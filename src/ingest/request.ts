import { datasetNames, datasetOf, named } from '../dataset/registry.ts'
import type { Settings } from '../../config/settings.ts'
import { nowMs as planningMs } from '../../config/settings.ts'
import type { DecodePool } from '../acquire/decode-pool.ts'
import { CkvdError } from '../errors.ts'
import type { ArchiveChoice } from '../acquire/plan/archive-choice.ts'
import { connectionSettings } from '../acquire/rest/connection-settings.ts'
import { parseInterval } from '../model/interval.ts'
import type { Interval } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { isMarket, isSymbol } from '../model/market.ts'
import { dayOfUs, parseUtcDay } from '../model/utc-day.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { checkOrder, FLAG_ENDS } from '../question/range-order.ts'
import type { IngestOptions } from './ingest.ts'
import type { IngestProgress } from './progress.ts'
import type { UniverseLine } from './universe.ts'
import { parseUniverse } from './universe.ts'
import { readUniverseBytes } from './universe-bytes.ts'

/** What is asked of an ingest: the flags of `ckvd ingest` in camelCase. Days are UTC, `YYYY-MM-DD`; `end` is excluded. */
export interface IngestRequest {
  /** path of a universe file, or the symbols themselves */
  readonly universe: string | readonly { readonly market: Market; readonly symbol: string }[]
  /** only this market's lines; the market of a file with one symbol a line */
  readonly market?: Market | undefined
  /** each base symbol's futures contract (`…USDT`, `…USD_PERP`) instead of the symbol itself */
  readonly mapMarket?: 'um' | 'cm' | undefined
  /** only these symbols of the universe */
  readonly symbols?: readonly string[] | undefined
  /** data sets, as Vision calls them; default `['klines']` */
  readonly data?: readonly string[] | undefined
  /** default `['1m']` */
  readonly intervals?: readonly string[] | 'all' | undefined
  /** first day; default: the first one that the listing has. An earlier one asks REST for the first bar */
  readonly start?: string | undefined
  /** day after the last one; default: today */
  readonly end?: string | undefined
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

const KEYS: ReadonlySet<string> = new Set<keyof IngestRequest>([
  'universe',
  'market',
  'mapMarket',
  'symbols',
  'data',
  'intervals',
  'start',
  'end',
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

/** What a log says of a symbol that is left out. */
export const LEFT_OUT = 'symbol left out: its line lists none of the intervals asked for'

/** Checks a request and fills it: the one road into an ingest. Throws `CKVD_USAGE`, `CKVD_UNIVERSE`. */
export async function parseIngestRequest(request: IngestRequest, settings: Settings, around: RequestSurroundings): Promise<IngestOptions> {
  const unknown = Object.keys(request).find((key) => !KEYS.has(key))
  if (unknown !== undefined) throw wrong(unknown, `one of ${[...KEYS].join(', ')}`, 'an unknown option')
  const names = namesFor(around.caller)
  if (request.force === true && request.retryFailed === true)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`${names.force}\` (all days) or \`${names.retryFailed}\` (unexplained days only), got both. Leave one out.`,
    )
  const { clockMs, systemMs, env, pool } = around
  const nowMs = settings.now === null ? clockMs() : planningMs(settings)
  const today = dayOfUs(nowMs * 1000)
  const start = request.start === undefined ? null : parseDay('start', request.start)
  const end = request.end === undefined ? today : parseDay('end', request.end)
  if (end > today)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`${names.end}\` to be at most today (${today}, excluded: the running day is not closed), got ${end}.`,
      { details: { end, today } },
    )
  checkOrder({ start, end }, names)
  const archives = parseArchives(request.archives ?? 'auto')
  return {
    ...connectionSettings(settings),
    universe: ofDatasets(await readUniverse(request, around), request.data),
    start,
    end,
    archives,
    rest: request.rest !== false,
    refresh: request.refresh === true,
    retryFailed: request.retryFailed === true,
    force: request.force === true,
    crossCheck: request.crossCheck === true,
    keepArchives: request.keepArchives === true,
    workers: settings.workers,
    nowMs,
    clockMs,
    ...(systemMs === undefined ? {} : { systemMs }),
    env,
    signal: request.signal ?? new AbortController().signal,
    events: request.onProgress === undefined ? {} : { onProgress: request.onProgress },
    ...(pool === undefined ? {} : { pool }),
  }
}

/** What the caller calls the parts of a request that messages about two of them name. */
function namesFor(caller: RequestSurroundings['caller']) {
  return caller === 'command'
    ? { ...FLAG_ENDS, force: '--force', retryFailed: '--retry-failed' }
    : { start: 'start', end: 'end', force: 'force', retryFailed: 'retryFailed' }
}

async function readUniverse(request: IngestRequest, around: RequestSurroundings): Promise<readonly UniverseLine[]> {
  const { universe, market, symbols, mapMarket } = request
  const intervals = parseIntervals(request.intervals)
  if (typeof universe !== 'string') return listUniverse(universe, intervals)
  const bytes = await readUniverseBytes(universe, around)
  const { series, withoutInterval } = parseUniverse(bytes, { name: universe, market, symbols, intervals, mapMarket })
  for (const line of withoutInterval) around.onLeftOut?.(line)
  return series
}

/** The lines of each data set: of one without intervals a line has one series, and a market that has not the data set has no line of it. */
function ofDatasets(lines: readonly UniverseLine[], names: readonly string[] = ['klines']): UniverseLine[] {
  const wanted = names.map((name) => {
    const dataset = datasetNames().includes(name) ? datasetOf({ dataset: name }) : undefined
    if (dataset === undefined) throw wrong('data', `data sets among ${datasetNames().join(', ')}`, name)
    return dataset
  })
  const all = wanted.flatMap((dataset) =>
    lines
      .filter(({ market }) => dataset.markets.includes(market))
      .map((line) => ({ ...line, ...named(dataset), intervals: dataset.hasInterval ? line.intervals : [dataset.grid] })),
  )
  if (all.length > 0) return all
  throw wrong(
    'data',
    `data sets of a market of the universe (${wanted.map(({ name, markets }) => `${name}: ${markets.join(', ')}`).join('; ')})`,
    names,
  )
}

function listUniverse(entries: unknown, intervals: readonly Interval[] | 'all'): UniverseLine[] {
  if (!Array.isArray(entries) || entries.length === 0) throw wrong('universe', 'a path or a list of {market, symbol}', entries)
  return entries.map((entry: { market?: unknown; symbol?: unknown } | null, i) => {
    const { market, symbol } = entry ?? {}
    if (typeof market !== 'string' || !isMarket(market) || typeof symbol !== 'string' || !isSymbol(symbol))
      throw wrong(`universe[${i}]`, '{market, symbol}', entry)
    return { market, symbol, intervals, line: i + 1 }
  })
}

function parseIntervals(names: IngestRequest['intervals']): readonly Interval[] | 'all' {
  if (names === undefined) return ['1m']
  if (names === 'all') return names
  return names.map((name) => {
    const interval = parseInterval(name)
    if (interval === undefined) throw wrong('intervals', 'intervals such as 1m or 1h, or "all"', name)
    return interval
  })
}

function parseDay(option: string, text: string): UtcDay {
  const day = parseUtcDay(text)
  if (day === undefined) throw wrong(option, 'a day of the calendar as YYYY-MM-DD', text)
  return day
}

function parseArchives(choice: unknown): ArchiveChoice {
  if (choice === 'auto' || choice === 'daily' || choice === 'monthly') return choice
  throw wrong('archives', 'auto, daily or monthly', choice)
}

function wrong(option: string, expected: string, found: unknown): CkvdError {
  const text = typeof found === 'string' ? found : (JSON.stringify(found) ?? String(found))
  return new CkvdError('CKVD_USAGE', `Expected \`${option}\` to be ${expected}, got ${text} (option).`, { details: { option } })
}
