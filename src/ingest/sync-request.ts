import type { Settings } from '../../config/settings.ts'
import { sourceUrls, urlsFor } from '../../config/source-urls.ts'
import { datasetOf } from '../dataset/registry.ts'
import { toldInterval } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import { openLake } from '../lake/lake.ts'
import type { LedgerReader } from '../lake/ledger.ts'
import { claimedOrigin } from '../lake/origin.ts'
import { isOfInterval } from '../lake/selection.ts'
import type { Interval } from '../model/interval.ts'
import { parseInterval } from '../model/interval.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { checkIntervals } from '../question/dataset-names.ts'
import type { IngestOptions } from './ingest-options.ts'
import type { IngestRequest, RequestSurroundings } from './request/request-options.ts'
import { parseData } from './request/dataset-lines.ts'
import { parseIngestRequest } from './request.ts'
import type { UniverseLine } from './universe.ts'

/**
 * What is asked of a sync: what is asked of an ingest, but that the lake says which series, and from which day on. With a `universe` it is of
 * its symbols: those that the lake holds go on from there, others begin as an ingest would begin them, on `start`.
 */
export type SyncRequest = Omit<IngestRequest, 'universe' | 'end' | 'mapMarket'> & {
  /** as of an ingest; left out: all that the lake holds */
  readonly universe?: IngestRequest['universe'] | undefined
}

/** A series of the lake, and the first chunk that the lake has of it. */
interface HeldSeries extends Series {
  readonly first: UtcDay
}

/** Intervals of a symbol that the lake does not hold, where none are named: those of an ingest. */
const NEW_INTERVALS: readonly Interval[] = ['1m']

/**
 * Makes an ingest of a sync: a line for each series of the lake that the filters let through, from its first chunk in the lake up to yesterday.
 * Chunks between them that were never requested are requested now. Throws as `parseIngestRequest` and `openLake` (reading) do, and
 * `CKVD_USAGE` where the lake has nothing of what is named.
 */
export async function parseSyncRequest(request: SyncRequest, settings: Settings, around: RequestSurroundings): Promise<IngestOptions> {
  const { universe } = request
  const held = await readHeld(settings)
  if (universe !== undefined) {
    const parsed = await parseIngestRequest({ ...request, universe, intervals: request.intervals ?? 'all' }, settings, around)
    return { ...parsed, command: 'sync', universe: parsed.universe.flatMap((line) => goOn(line, request, held, around)) }
  }
  if (request.start !== undefined)
    throw new CkvdError(
      'CKVD_USAGE',
      'Expected a universe with `--start`: it is for symbols that the lake does not hold yet, all others go on from the day with which the lake has them. Leave it out, or begin elsewhere with `ckvd ingest`.',
    )
  const chosen = chooseHeld(held, request, settings.lake, around)
  const symbols = chosen.map(({ market, symbol }) => ({ market, symbol }))
  const parsed = await parseIngestRequest({ ...request, universe: symbols, data: undefined, intervals: 'all' }, settings, around)
  return { ...parsed, command: 'sync', universe: chosen.map((series, i) => lineOf(series, i + 1)) }
}

async function readHeld(settings: Settings): Promise<HeldSeries[]> {
  const expected = claimedOrigin({ sandbox: settings.sandbox, urls: urlsFor(sourceUrls(settings)) })
  await using lake = await openLake(settings.lake, { mode: 'read', ...(expected === undefined ? {} : { expected }) })
  const { catalog } = lake
  return catalog.listStoredSeries().flatMap((series) => {
    const first = firstChunk(catalog, series)
    return first === undefined ? [] : [{ ...series, first }]
  })
}

function firstChunk(catalog: LedgerReader, series: Series): UtcDay | undefined {
  for (const { day } of catalog.iterateDays(series)) return day
  return undefined
}

/** The series that a request names, all where it names none. */
function chooseHeld(
  held: readonly HeldSeries[],
  { market, symbols, intervals = 'all', data }: SyncRequest,
  lake: string,
  around: RequestSurroundings,
): HeldSeries[] {
  const flag = around.caller === 'command' ? '--' : ''
  const datasets = parseData(data, `${flag}data`)?.map(({ name }) => name)
  checkIntervals(intervals, datasets, `${flag}intervals`)
  const wanted = {
    market: market === undefined ? undefined : [market],
    data: datasets,
    symbols: symbols?.map((symbol) => symbol.toUpperCase()),
    intervals: intervals === 'all' ? undefined : intervals.map((name) => parseInterval(name) ?? name),
  }
  const chosen = held.filter(
    (series) =>
      (wanted.market?.includes(series.market) ?? true) &&
      (wanted.data?.includes(datasetOf(series).name) ?? true) &&
      (wanted.symbols?.includes(series.symbol) ?? true) &&
      (wanted.intervals === undefined || isOfInterval(series, { datasets }, wanted.intervals)),
  )
  const absent = [
    ...(wanted.symbols ?? []).filter((name) => chosen.every(({ symbol }) => symbol !== name)),
    ...(wanted.intervals ?? []).filter((name) => chosen.every((series) => toldInterval(series) !== name)),
  ]
  if (chosen.length > 0 && absent.length === 0) return chosen
  const named = absent.length > 0 ? absent : [...(wanted.market ?? []), ...(wanted.data ?? [])]
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected the lake ${lake} to hold ${named.length === 0 ? 'a series' : named.join(', ')}, found none. Begin it with \`ckvd ingest\`; \`ckvd coverage\` lists what is there.`,
    { details: { lake, absent } },
  )
}

/** A line of a universe as the lake goes on with it. */
function goOn(line: UniverseLine, request: SyncRequest, held: readonly HeldSeries[], around: RequestSurroundings): UniverseLine[] {
  const { dataset, market, symbol, intervals } = line
  const own = held.filter((series) => series.dataset === dataset && series.market === market && series.symbol === symbol)
  const known = own.filter(({ interval }) => intervals === 'all' || intervals.includes(interval))
  // a line that is narrowed to the intervals that are asked for has a list of them
  const isNarrowed = request.intervals !== undefined && request.intervals !== 'all'
  const isOne = isNarrowed || !datasetOf(line).hasInterval
  const wanted = isOne ? 'all' : own.length > 0 ? [] : request.intervals === 'all' ? 'all' : NEW_INTERVALS
  const rest = narrow(intervals, wanted, known)
  if (rest.length === 0 && known.length === 0) around.onLeftOut?.(line)
  return [...known.map((series) => lineOf(series, line.line)), ...(rest.length === 0 ? [] : [{ ...line, intervals: rest }])]
}

/** Intervals of a line that begin anew: the wanted ones that the lake does not hold. */
function narrow(
  listed: readonly Interval[] | 'all',
  wanted: readonly Interval[] | 'all',
  known: readonly HeldSeries[],
): readonly Interval[] | 'all' {
  if (listed === 'all') return wanted
  return listed.filter(
    (interval) => (wanted === 'all' || wanted.includes(interval)) && known.every((series) => series.interval !== interval),
  )
}

function lineOf({ first, interval, ...symbol }: HeldSeries, line: number): UniverseLine {
  return { ...symbol, intervals: [interval], start: first, line }
}
