import { chunkOfUs, nextChunk } from '../dataset/chunk.ts'
import { knownEndUs } from '../dataset/ending.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { addDays, dayStartUs } from '../model/utc-day.ts'
import type { LedgerReader } from './ledger.ts'
import type { DayRow } from './catalog/catalog-rows.ts'
import type { LakeFilter } from './selection.ts'

/** Chunks in a row that were never requested: the lake knows nothing of them, not even why they are missing. */
export interface NeverRequested {
  /** first and last chunk */
  readonly first: UtcDay
  readonly last: UtcDay
  /** how many chunks */
  readonly days: number
}

/** What the lake knows of a chunk, or that it knows nothing of some. */
export type Requested = { readonly row: DayRow; readonly never?: undefined } | { readonly row?: undefined; readonly never: NeverRequested }

type Days = Pick<LakeFilter, 'start' | 'end'>

/** Every day that the listing has. */
export const ALL_LISTED: Required<Days> = { start: '0000-00-00' as UtcDay, end: '9999-99-99' as UtcDay }

/**
 * The rows of a series in [start, end), in order, and between them the chunks that have none. What lies before the first row counts where it
 * is in `asked` and in the listing as it was last read, what lies after the last one where it is in `asked` and the series is not known to have
 * ended: the listing was read as far as days were wanted. An end of `asked` that is left out asks for nothing; of `ALL_LISTED` the listing ends it.
 */
export function* readRequested(catalog: LedgerReader, series: Series, { start, end }: Days, asked: Days): Generator<Requested, void> {
  const listed = listedDays(catalog, series)
  let next = asked.start === undefined || listed === undefined ? undefined : alignUp(latest(listed.start, asked.start, start), series)
  for (const row of catalog.iterateDays(series, start, end)) {
    if (next !== undefined && next < row.day) yield { never: chunksIn(series, next, row.day) }
    yield { row }
    next = nextChunk(row.day, series)
  }
  if (next === undefined || asked.end === undefined || listed === undefined) return
  const known = asked.end === ALL_LISTED.end ? listed.end : (endOfLife(catalog, series) ?? asked.end)
  const last = [known, asked.end, end].filter((day) => day !== undefined).sort()[0] as UtcDay
  if (next < last) yield { never: chunksIn(series, next, last) }
}

/** True where all days lie before the series' first bar, or after its end, as the lake knows them: nothing is expected of them. */
export function liesOutsideLife(catalog: LedgerReader, series: Series, { start, end }: Days): boolean {
  const known = catalog.getSeries(series)
  if (known === undefined) return false
  const { firstOpenUs, endedUs } = known
  const isBefore = firstOpenUs !== null && end !== undefined && end <= chunkOfUs(firstOpenUs, series)
  return isBefore || (endedUs !== null && start !== undefined && dayStartUs(start) >= endedUs)
}

/** From the series' first to its last day, as the listing had them. */
function listedDays(catalog: LedgerReader, series: Series): { start: UtcDay; end: UtcDay } | undefined {
  const known = catalog.getSeries(series)
  if (known?.firstDay == null || known.lastDay === null) return undefined
  const startUs = Math.max(known.firstOpenUs ?? 0, dayStartUs(known.firstDay))
  return { start: chunkOfUs(startUs, series), end: addDays(known.lastDay, 1) }
}

/** The first chunk of which nothing is expected since the series has ended; undefined: it is not known to have. */
function endOfLife(catalog: LedgerReader, series: Series): UtcDay | undefined {
  const ends = [catalog.getSeries(series)?.endedUs, knownEndUs(series)].filter((end) => end !== null && end !== undefined)
  if (ends.length === 0) return undefined
  return nextChunk(chunkOfUs(Math.min(...ends) - 1, series), series)
}

function latest(...days: readonly (UtcDay | undefined)[]): UtcDay {
  return days.reduce<UtcDay>((last, day) => (day !== undefined && day > last ? day : last), ALL_LISTED.start)
}

/** The first chunk that begins on a day or after it. */
function alignUp(day: UtcDay, series: Series): UtcDay {
  const chunk = chunkOfUs(dayStartUs(day), series)
  return chunk < day ? nextChunk(chunk, series) : chunk
}

function chunksIn(series: Series, first: UtcDay, end: UtcDay): NeverRequested {
  let last = first
  let days = 1
  for (let day = nextChunk(first, series); day < end; day = nextChunk(day, series)) {
    last = day
    days++
  }
  return { first, last, days }
}
