import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Settings } from '../../config/settings.ts'
import { CkvdError } from '../errors.ts'
import type { ArchiveChoice } from '../acquire/plan/archive-map.ts'
import { parseInterval } from '../model/interval.ts'
import type { Interval } from '../model/interval.ts'
import type { Market } from '../model/market.ts'
import { isMarket, isSymbol } from '../model/market.ts'
import { dayOfUs, parseUtcDay } from '../model/utc-day.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { IngestOptions } from './ingest.ts'
import type { IngestProgress } from './progress.ts'
import type { UniverseLine } from './universe.ts'
import { parseUniverse } from './universe.ts'

/** What the library's `ingest` takes: the flags of `ckvd ingest` in camelCase. Days are UTC, `YYYY-MM-DD`; `end` is excluded. */
export interface IngestRequest {
  /** path of a universe file, or the symbols themselves */
  readonly universe: string | readonly { readonly market: Market; readonly symbol: string }[]
  /** only this market's lines; the market of a file with one symbol a line */
  readonly market?: Market | undefined
  /** each base symbol's futures contract (`…USDT`, `…USD_PERP`) instead of the symbol itself */
  readonly mapMarket?: 'um' | 'cm' | undefined
  /** only these symbols of the universe */
  readonly symbols?: readonly string[] | undefined
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

/** What surrounds a request: a clock that runs, the URLs of an own sandbox, environment and working directory. */
export interface RequestSurroundings {
  readonly clockMs: () => number
  readonly urls:
    | { readonly vision: string; readonly listing: string; readonly spotRest: string; readonly umRest: string; readonly cmRest: string }
    | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** Checks a request and fills it. Throws `CKVD_USAGE`, `CKVD_UNIVERSE`. */
export async function parseIngestRequest(request: IngestRequest, settings: Settings, around: RequestSurroundings): Promise<IngestOptions> {
  const unknown = Object.keys(request).find((key) => !KEYS.has(key))
  if (unknown !== undefined) throw wrong(unknown, `one of ${[...KEYS].join(', ')}`, 'an unknown option')
  if (request.force === true && request.retryFailed === true) throw wrong('force', 'left out together with `retryFailed`', 'both')
  const nowMs = around.clockMs()
  const intervals = parseIntervals(request.intervals)
  return {
    universe: await readUniverse(request, intervals, around.cwd),
    start: request.start === undefined ? null : parseDay('start', request.start),
    end: request.end === undefined ? dayOfUs(nowMs * 1000) : parseDay('end', request.end),
    archives: parseArchives(request.archives ?? 'auto'),
    rest: request.rest !== false,
    refresh: request.refresh === true,
    retryFailed: request.retryFailed === true,
    force: request.force === true,
    crossCheck: request.crossCheck === true,
    keepArchives: request.keepArchives === true,
    lake: settings.lake,
    urls: {
      vision: around.urls?.vision ?? settings.visionUrl,
      listing: around.urls?.listing ?? settings.listingUrl,
      rest: {
        spot: around.urls?.spotRest ?? settings.spotRestUrl,
        um: around.urls?.umRest ?? settings.umRestUrl,
        cm: around.urls?.cmRest ?? settings.cmRestUrl,
      },
    },
    sandbox: settings.sandbox,
    state: settings.state,
    workers: settings.workers,
    concurrency: settings.concurrency,
    maxRateBytes: settings.maxRate,
    restShare: settings.restShare,
    maxRetries: settings.maxRetries,
    nowMs,
    clockMs: around.clockMs,
    env: around.env,
    signal: request.signal ?? new AbortController().signal,
    events: request.onProgress === undefined ? {} : { onProgress: request.onProgress },
  }
}

async function readUniverse(request: IngestRequest, intervals: readonly Interval[] | 'all', cwd: string): Promise<readonly UniverseLine[]> {
  const { universe, market, symbols, mapMarket } = request
  if (typeof universe !== 'string') return listUniverse(universe, intervals)
  const path = resolve(cwd, universe)
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new CkvdError(
      'CKVD_USAGE',
      `Could not read the universe file ${path}: ${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    )
  })
  return parseUniverse(bytes, { name: universe, market, symbols, intervals, mapMarket }).series
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
