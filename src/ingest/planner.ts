import PQueue from 'p-queue'
import { countExpectedOfNone, isOnGrid } from '../dataset/expected.ts'
import { unknownSymbol } from '../acquire/unknown-symbol.ts'
import { fetchListedIntervals } from '../acquire/archive/first-archives.ts'
import type { PlannerContext } from '../acquire/plan/listed-plan.ts'
import { planListed } from '../acquire/plan/listed-plan.ts'
import type { PlanScope } from '../acquire/plan/plan-scope.ts'
import { isToldByRest } from '../dataset/reach.ts'
import type { SeriesPlan } from '../acquire/plan/series-plan.ts'
import { fileBytesOnDisk } from '../codec/arrow/shard-size.ts'
import { chunkOfUs, chunkRange, isMonthChunked } from '../dataset/chunk.ts'
import { filePeriod, fileSpan } from '../dataset/pack.ts'
import { toldSeries } from '../dataset/told.ts'
import { abortError, CkvdError, isFailure } from '../errors.ts'
import type { Interval } from '../model/interval.ts'
import type { Packaging, Series } from '../model/series.ts'
import { dayStartUs } from '../model/utc-day.ts'
import type { ArchiveEntry } from '../sources/vision/archive-page.ts'
import type { UniverseLine } from './universe.ts'

/** Series whose listings are read at once. */
const LISTING_LANES = 16

/** A series that could not be planned. */
export interface SeriesFailure {
  readonly series: Series
  readonly error: CkvdError
}

/** A plan in numbers, of one series or in sum. */
export interface PlanTotals {
  readonly days: number
  readonly stored: number
  readonly archives: { readonly daily: number; readonly monthly: number }
  /** days for which REST is the only source */
  readonly restDays: number
  /** bytes of the archives to download, those that are only compared included */
  readonly bytes: number
  /** bytes that the chunks of these archives will take on disk, in whole blocks, what is recorded of them included, about */
  readonly diskBytes: number
}

export const NO_PLAN: PlanTotals = { days: 0, stored: 0, archives: { daily: 0, monthly: 0 }, restDays: 0, bytes: 0, diskBytes: 0 }

/** The archives that a plan downloads, by day, those that are only compared included. */
export function plannedArchives({ series, tasks }: SeriesPlan): ArchiveEntry[] {
  return archivesOf({ series, tasks }).sort((a, b) => (a.firstDay < b.firstDay ? -1 : a.firstDay > b.firstDay ? 1 : 0))
}

/** The same, those that are only compared after the others. */
function archivesOf({ series, tasks }: Pick<SeriesPlan, 'series' | 'tasks'>): ArchiveEntry[] {
  const archives: ArchiveEntry[] = tasks.map(({ archive }) => archive)
  const isByMonth = isMonthChunked(series)
  for (const { archive, compare, days, others } of tasks) {
    // days that are compared, and days from which a month without an archive of its own is gathered
    for (const other of others)
      if (
        archive.packaging === 'monthly'
          ? compare.includes(other.firstDay)
          : isByMonth && other.packaging === 'daily' && days.includes(chunkOfUs(dayStartUs(other.firstDay), series))
      )
        archives.push(other)
  }
  return archives
}

/** Numbers of a plan. */
export function planTotals(plan: SeriesPlan): PlanTotals {
  const archives: Record<Packaging, number> = { daily: 0, monthly: 0 }
  let bytes = 0
  for (const { packaging, sizeBytes } of archivesOf(plan)) {
    archives[packaging]++
    bytes += sizeBytes
  }
  return {
    days: plan.days,
    stored: Object.values(plan.kept).reduce((sum, count) => sum + count, 0),
    archives,
    // of some data sets REST has nothing
    restDays: isToldByRest(plan.series) ? plan.holes.length + plan.tail.length + plan.repairs.length + plan.cut.length : 0,
    bytes,
    diskBytes: bytesOnDisk(plan),
  }
}

/** What the catalog keeps of a chunk, about. */
const RECORD_BYTES = 150
/** Of the folders of a new series: its symbol's and its own. */
const FOLDER_BYTES = 2 * 4096

/** What the chunks of the plan's archives will take on disk, in whole files. */
function bytesOnDisk({ series, tasks, firstKept }: SeriesPlan): number {
  const files = new Map<string, { rows: number; chunks: number; archives: number; archiveBytes: number }>()
  // each day has as many slots as any other
  const [{ days: [sample] = [] } = {}] = tasks
  const rowsOfDay =
    sample === undefined || isMonthChunked(series) || !isOnGrid(series) ? null : countExpectedOfNone(series, chunkRange(sample, series))
  const span = fileSpan(series)
  let period = ''
  let file = { rows: 0, chunks: 0, archives: 0, archiveBytes: 0 }
  for (const { days, archive } of tasks) {
    // the days of an archive are in order: those of a file stand together
    let touched = ''
    for (const day of days) {
      const found = filePeriod(day, series, span)
      if (found !== period) {
        period = found
        file = files.get(period) ?? { rows: 0, chunks: 0, archives: 0, archiveBytes: 0 }
        files.set(period, file)
      }
      file.rows += rowsOfDay ?? countExpectedOfNone(series, chunkRange(day, series))
      file.chunks++
      file.archiveBytes += archive.sizeBytes / days.length
      if (period !== touched) file.archives++
      touched = period
    }
  }
  const folders = firstKept === null && files.size > 0 ? FOLDER_BYTES : 0
  return [...files.values()].reduce((sum, file) => sum + fileBytesOnDisk(series, file) + file.chunks * RECORD_BYTES, folders)
}

export function addTotals(a: PlanTotals, b: PlanTotals): PlanTotals {
  return {
    days: a.days + b.days,
    stored: a.stored + b.stored,
    archives: { daily: a.archives.daily + b.archives.daily, monthly: a.archives.monthly + b.archives.monthly },
    restDays: a.restDays + b.restDays,
    bytes: a.bytes + b.bytes,
    diskBytes: a.diskBytes + b.diskBytes,
  }
}

/**
 * Plans every series of a universe, some at once, in no fixed order. A failing listing fails its series only; when no
 * request at all was answered the network is at fault, and the error is thrown.
 */
export async function planUniverse(
  lines: readonly UniverseLine[],
  ctx: PlannerContext,
  emit: (planned: SeriesPlan | SeriesFailure) => Promise<void>,
): Promise<void> {
  const queue = new PQueue({ concurrency: LISTING_LANES })
  let fatal: Error | undefined
  const inside = new AbortController()
  const signal = AbortSignal.any([ctx.signal, inside.signal])
  for (const line of lines) {
    await queue.onSizeLessThan(LISTING_LANES)
    if (signal.aborted) break
    void queue.add(async () => {
      try {
        for await (const planned of planLine(line, { ...ctx, scope: scopeOf(line, ctx.scope), signal })) await emit(planned)
      } catch (error) {
        fatal ??= error instanceof Error ? error : new CkvdError('CKVD_BUG', String(error))
        inside.abort(fatal)
      }
    })
  }
  await queue.onIdle()
  if (ctx.signal.aborted) throw abortError(ctx.signal)
  if (fatal !== undefined) throw fatal
}

/** The run's scope, but for a line that begins on a day of its own. What time it is stays asked when it is needed. */
function scopeOf({ start }: UniverseLine, scope: PlanScope): PlanScope {
  if (start === undefined) return scope
  return {
    ...scope,
    start,
    get nowUs() {
      return scope.nowUs
    },
  }
}

async function* planLine(line: UniverseLine, ctx: PlannerContext): AsyncGenerator<SeriesPlan | SeriesFailure> {
  const bare = { ...(line.dataset === undefined ? {} : { dataset: line.dataset }), market: line.market, symbol: line.symbol }
  try {
    for (const interval of line.intervals === 'all' ? await fetchIntervals(bare, ctx) : line.intervals)
      yield await planOne({ ...bare, interval }, ctx)
  } catch (error) {
    if (!isSeriesError(error)) throw error
    yield { series: { ...bare, interval: '1m' }, error }
  }
}

async function planOne(series: Series, ctx: PlannerContext): Promise<SeriesPlan | SeriesFailure> {
  try {
    return await planListed(series, ctx)
  } catch (error) {
    if (!isSeriesError(error)) throw error
    return { series, error: error.with(toldSeries(series)) }
  }
}

/** Errors that concern one series: those of the listing. Errors of the lake, an interrupt, bugs and what is wrong for every source end the run. */
function isSeriesError(error: unknown): error is CkvdError {
  return (
    isFailure(error) &&
    (error.about === 'listing' || error.about === 'network' || error.about === 'source' || error.code === 'CKVD_HTTP_TOO_LARGE')
  )
}

/** The intervals that the listing has for a symbol, shortest first. */
async function fetchIntervals(symbol: Pick<Series, 'dataset' | 'market' | 'symbol'>, ctx: PlannerContext): Promise<Interval[]> {
  const found = await fetchListedIntervals(symbol, ctx.listing, ctx.signal)
  if (found.length === 0) throw unknownSymbol({ ...symbol, interval: '1m' }, false)
  return found
}
