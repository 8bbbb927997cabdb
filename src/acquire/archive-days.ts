import type { DecodedChunk, DecodeResult } from '../codec/decode-day.ts'
import { decodeShard } from '../codec/arrow.ts'
import { CkvdError, isCkvdError } from '../errors.ts'
import type { Gap } from '../model/gaps.ts'
import { findGaps } from '../model/gaps.ts'
import { chunkEndUs } from '../model/interval.ts'
import type { KlineColumns } from '../model/kline.ts'
import { createColumns } from '../model/kline.ts'
import type { Packaging, Series } from '../model/series.ts'
import { chunkRange, nextChunk, seriesLabel } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { KlineSource } from '../sources/source.ts'
import type { FetchedArchive, Vision } from '../sources/vision.ts'
import type { DecodePool } from './decode-pool.ts'
import type { AcquiredDay, ArchiveOrigin, SeriesBounds } from './reconcile.ts'
import { buildDay, countChangedRows, expectedRange, lastSlotEndUs, mergeRows, rowsWithin } from './reconcile.ts'
import type { RestAnswer } from './stretch.ts'
import { askRest, explainGap } from './stretch.ts'

/** An archive that the listing has. */
export interface ArchiveRef {
  readonly key: string
  readonly etag: string
  readonly sizeBytes: number
  readonly packaging: Packaging
  readonly period: string
  readonly firstDay: UtcDay
}

/** The chunks to be gained from one archive. */
export interface ArchiveTask {
  readonly series: Series
  readonly archive: ArchiveRef
  /** chunks wanted, in order */
  readonly days: readonly UtcDay[]
  /** the series' first bar is the first bar of this archive, unless `bounds.startUs` says better */
  readonly startsSeries: boolean
  /** no later archive is listed and REST has no later bar: trailing bars that REST lacks too are not expected */
  readonly endsSeries: boolean
  readonly bounds: SeriesBounds
  /** the other form: daily archives of a month's days, or the month of a day */
  readonly others: readonly ArchiveRef[]
  /** of a monthly archive, days that are compared with their daily archives; one difference, and all days are */
  readonly compare: readonly UtcDay[]
}

/** What an archive gave. */
export interface AcquiredArchive {
  /** in order */
  readonly days: readonly AcquiredDay[]
  /** open time of the series' first bar, us, where this archive tells it */
  readonly startUs: number | null
}

/** What acquiring needs. `ingest` and `read` make one and share it over all their calls. */
export interface AcquireContext {
  readonly vision: Vision
  readonly pool: DecodePool
  /** null: REST is off */
  readonly rest: KlineSource | null
  readonly signal: AbortSignal
  /** keeps an archive that failed verification, with the reason; null: nothing is kept (no lake) */
  readonly quarantine: ((key: string, zip: Uint8Array, error: CkvdError) => Promise<void>) | null
  /** keeps a verified archive as it was downloaded (`--keep-archives`) */
  readonly keepArchive: ((key: string, zip: Uint8Array, checksum: Uint8Array) => Promise<void>) | null
}

/** Rows that an archive has for a chunk. */
interface Found {
  readonly chunk: DecodedChunk
  readonly origin: ArchiveOrigin
  readonly packaging: Packaging
}

type Loaded =
  | { readonly ok: true; readonly result: DecodeResult; readonly origin: ArchiveOrigin }
  | { readonly ok: false; readonly error: CkvdError; readonly fetched: FetchedArchive | null }

/** True for errors of an archive's content: it is quarantined, and other sources are asked. */
export function isContentError(error: CkvdError): boolean {
  return /^CKVD_(CHECKSUM|ZIP|CSV)_|^CKVD_BAR_INVALID$/.test(error.code)
}

/**
 * Fetches, verifies and decodes an archive, completes what falls short from the other form and from REST, and gives
 * each wanted chunk its condition. Chunks before the series' first bar are left out (they are `unlisted`).
 *
 * Archive and network errors become conditions (`quarantined`, `failed`); throws CKVD_ABORTED, errors of the lake and bugs.
 */
export async function acquireArchive(task: ArchiveTask, ctx: AcquireContext): Promise<AcquiredArchive> {
  const primary = await loadArchive(task, task.archive, task.days, ctx)
  if (!primary.ok) return { days: await acquireWithout(task, primary.error, primary.fetched, ctx), startUs: null }
  const bounds = task.startsSeries && task.bounds.startUs === null ? { ...task.bounds, startUs: primary.result.firstOpenUs } : task.bounds
  const chunks = new Map(primary.result.chunks.map((chunk) => [chunk.day, chunk]))
  const absent = new Set(primary.result.absentDays)
  const days: AcquiredDay[] = []
  const bare: UtcDay[] = []
  const compared = await compareDays(task, chunks, task.compare, bounds, ctx)
  const rest = task.days.filter((day) => !task.compare.includes(day))
  const monthDiffers = [...compared.values()].some(({ differing }) => differing > 0)
  if (monthDiffers) for (const [day, comparison] of await compareDays(task, chunks, rest, bounds, ctx)) compared.set(day, comparison)
  for (const day of task.days) {
    const chunk = chunks.get(day)
    if (chunk === undefined && !absent.has(day)) continue
    const comparison = compared.get(day)
    const found: Found[] = chunk === undefined ? [] : [{ chunk, origin: primary.origin, packaging: task.archive.packaging }]
    if (comparison !== undefined) {
      if (comparison.differing > 0 && comparison.daily !== null) found.unshift(comparison.daily)
    } else if (chunk?.condition !== 'complete' && task.archive.packaging === 'monthly') {
      const other = await loadOther(task, day, bounds, ctx)
      if (other !== null) found.unshift(other)
    }
    if (found.length === 0) bare.push(day)
    else days.push(await completeDay(task, day, found, bounds, comparison?.note ?? null, ctx))
  }
  for (const run of consecutive(bare, task.series))
    days.push(...(await acquireBare(task, run, bounds, `no bar of this day is in ${task.archive.key}`, ctx)))
  return { days: days.sort((a, b) => (a.day < b.day ? -1 : 1)), startUs: task.startsSeries ? bounds.startUs : null }
}

/** What the comparison of a month's day with its daily archive gave. */
interface Comparison {
  readonly daily: Found | null
  readonly differing: number
  readonly note: string
}

/** Compares days of a monthly archive with their daily archives, where these are listed. Monthly is transport, not truth. */
async function compareDays(
  task: ArchiveTask,
  chunks: ReadonlyMap<UtcDay, DecodedChunk>,
  days: readonly UtcDay[],
  bounds: SeriesBounds,
  ctx: AcquireContext,
): Promise<Map<UtcDay, Comparison>> {
  const comparisons = new Map<UtcDay, Comparison>()
  if (task.archive.packaging !== 'monthly') return comparisons
  for (const day of days) {
    const chunk = chunks.get(day)
    const ref = otherArchive(task, day)
    if (chunk === undefined || ref === undefined) continue
    const daily = await loadOther(task, day, bounds, ctx)
    if (daily === null) {
      comparisons.set(day, { daily, differing: 0, note: `not compared: ${ref.key} gave nothing that may be believed` })
      continue
    }
    const differing = countChangedRows(decodeShard(chunk.shard).columns, decodeShard(daily.chunk.shard).columns)
    const verdict = differing === 0 ? 'equal' : `${differing} bars differ, the daily archive is preferred`
    comparisons.set(day, { daily, differing, note: `compared with ${ref.key}: ${verdict}` })
  }
  return comparisons
}

/** Downloads and decodes; content that fails verification is quarantined and fetched once more. */
async function loadArchive(
  task: ArchiveTask,
  archive: ArchiveRef,
  days: readonly UtcDay[],
  ctx: AcquireContext,
  startUs?: number | null,
): Promise<Loaded> {
  for (let last = false; ; last = true) {
    let fetched: FetchedArchive
    try {
      fetched = await ctx.vision.fetchArchive(archive.key, { etag: archive.etag, signal: ctx.signal })
    } catch (error) {
      if (!isCkvdError(error) || error.code === 'CKVD_ABORTED') throw error
      return { ok: false, error, fetched: null }
    }
    const kept = ctx.keepArchive === null ? null : fetched.zip.slice()
    const alone = last
    const outcome = await decode(task, archive, days, fetched, ctx, { startUs, alone }).catch((error: unknown) => workerDeath(error, ctx))
    if (outcome instanceof CkvdError) {
      // the bytes went with the worker; alone in its task, an archive that kills workers takes no other along
      if (last) return { ok: false, error: outcome, fetched: null }
      continue
    }
    if (outcome.ok) {
      if (kept !== null && fetched.checksum !== null) await ctx.keepArchive?.(archive.key, kept, fetched.checksum)
      return { ok: true, result: outcome.result, origin: { key: archive.key, etag: fetched.etag, sha256: outcome.result.archiveSha256 } }
    }
    const zip = outcome.zip === null ? null : new Uint8Array(outcome.zip)
    if (zip !== null && isContentError(outcome.error)) await ctx.quarantine?.(archive.key, zip, outcome.error)
    if (last || !isContentError(outcome.error))
      return { ok: false, error: outcome.error, fetched: zip === null ? null : { ...fetched, zip } }
  }
}

function decode(
  task: ArchiveTask,
  archive: ArchiveRef,
  days: readonly UtcDay[],
  fetched: FetchedArchive,
  ctx: AcquireContext,
  o: { readonly startUs?: number | null | undefined; readonly distrust?: boolean; readonly alone?: boolean } = {},
) {
  const known = o.startUs === undefined ? task.bounds.startUs : o.startUs
  return ctx.pool.decode(
    {
      series: task.series,
      archive: { key: archive.key, etag: fetched.etag, packaging: archive.packaging, period: archive.period },
      zip: fetched.zip,
      checksum: fetched.checksum,
      days,
      startsSeries: task.startsSeries && known === null,
      seriesStartUs: known,
      seriesEndUs: task.bounds.endUs,
      distrust: o.distrust ?? false,
    },
    ctx.signal,
    o.alone ?? false,
  )
}

/** The death of a worker is told of its archive; where no worker can be started at all, the run ends. */
function workerDeath(error: unknown, ctx: AcquireContext): CkvdError {
  if (isCkvdError(error, 'CKVD_WORKER') && ctx.pool.usable) return error
  throw error
}

function otherArchive(task: ArchiveTask, day: UtcDay): ArchiveRef | undefined {
  return task.others.find((ref) => (ref.packaging === 'daily' ? ref.firstDay === day : ref.firstDay.slice(0, 7) === day.slice(0, 7)))
}

/** The chunk from the other form of archive; null when there is none or it is no better than nothing. */
async function loadOther(task: ArchiveTask, day: UtcDay, bounds: SeriesBounds, ctx: AcquireContext): Promise<Found | null> {
  const other = otherArchive(task, day)
  if (other === undefined) return null
  const loaded = await loadArchive(task, other, [day], ctx, bounds.startUs)
  const chunk = loaded.ok ? loaded.result.chunks[0] : undefined
  return loaded.ok && chunk !== undefined ? { chunk, origin: loaded.origin, packaging: other.packaging } : null
}

/** The planned archive gave nothing that may be believed: the other form, then REST, else the day stays unexplained. */
async function acquireWithout(
  task: ArchiveTask,
  error: CkvdError,
  fetched: FetchedArchive | null,
  ctx: AcquireContext,
): Promise<AcquiredDay[]> {
  const days: AcquiredDay[] = []
  const content = isContentError(error)
  if (!content && error.code !== 'CKVD_ARCHIVE_MISSING') return task.days.map((day) => failedDay(task, day, error))
  const distrusted =
    content && fetched !== null && error.code.startsWith('CKVD_CHECKSUM_')
      ? await decodeDistrusted(task, fetched, ctx)
      : new Map<UtcDay, DecodedChunk>()
  const bounds = task.startsSeries && task.bounds.startUs === null ? await askBirth(task, ctx) : task.bounds
  // where REST cannot tell the birth, a daily archive of the month must not: its missing first bars would go unnoticed
  const known = { ...task, bounds, startsSeries: task.startsSeries && task.archive.packaging === 'daily' }
  const alive = task.days.filter((day) => bounds.startUs === null || chunkEndUs(day, task.series.interval) > bounds.startUs)
  const bare: UtcDay[] = []
  for (const day of alive) {
    const other = await loadOther(known, day, bounds, ctx)
    if (other === null) bare.push(day)
    else days.push(await completeDay(known, day, [other], bounds, releaseNote(task, error, distrusted.get(day), other), ctx))
  }
  for (const run of consecutive(bare, task.series)) {
    if (distrusted.size === 0) days.push(...(await acquireBare(known, run, bounds, `${error.code}: ${error.message}`, ctx, error)))
    else for (const day of run) days.push(await releaseByRest(known, day, error, distrusted.get(day), ctx))
  }
  return days.sort((a, b) => (a.day < b.day ? -1 : 1))
}

/** The first archive of a series cannot be believed: REST tells where in its period the series began. */
async function askBirth(task: ArchiveTask, ctx: AcquireContext): Promise<SeriesBounds> {
  const [first, last] = [task.days[0], task.days.at(-1)]
  if (first === undefined || last === undefined) return task.bounds
  const range = { startUs: chunkRange(first, task.series.interval).startUs, endUs: chunkEndUs(last, task.series.interval) }
  const answer = await askRest(task.series, [{ ...range, bars: 0 }], ctx.rest, ctx.signal)
  const firstUs = answer.kind === 'asked' ? answer.rows.openTime[0] : undefined
  // a bar before the period: REST knows the series from earlier on, and all of the period is expected
  return firstUs === undefined || firstUs < range.startUs ? task.bounds : { ...task.bounds, startUs: Number(firstUs) }
}

/** Rows of an archive whose CHECKSUM is wrong or missing but whose ZIP and CSV are sound: candidates for a release. */
async function decodeDistrusted(task: ArchiveTask, fetched: FetchedArchive, ctx: AcquireContext): Promise<Map<UtcDay, DecodedChunk>> {
  const outcome = await decode(task, task.archive, task.days, fetched, ctx, { distrust: true, alone: true }).catch((error: unknown) =>
    workerDeath(error, ctx),
  )
  return new Map(!(outcome instanceof CkvdError) && outcome.ok ? outcome.result.chunks.map((chunk) => [chunk.day, chunk]) : [])
}

function releaseNote(task: ArchiveTask, error: CkvdError, distrusted: DecodedChunk | undefined, other: Found): string {
  const head = `${task.archive.key}: ${error.code}`
  if (distrusted === undefined) return `${head}; the day comes from ${other.origin.key}`
  const merge = mergeRows(decodeShard(other.chunk.shard).columns, decodeShard(distrusted.shard).columns, task.series)
  const verdict =
    merge.differing === 0 && merge.added === 0
      ? `its ${merge.agreeing} rows agree with`
      : `${merge.differing + merge.added} of its rows differ from`
  return `${head}; ${verdict} ${other.origin.key}, from which the day comes`
}

/** A wrong checksum, no other archive: REST decides row by row whether the archive is believed. */
async function releaseByRest(
  task: ArchiveTask,
  day: UtcDay,
  error: CkvdError,
  chunk: DecodedChunk | undefined,
  ctx: AcquireContext,
): Promise<AcquiredDay> {
  const range = expectedRange(task.series, day, task.bounds)
  const answer = await askRest(task.series, [{ ...range, bars: 0 }], ctx.rest, ctx.signal)
  if (answer.kind === 'silent') return quarantinedDay(task, day, error, answer.reason)
  const restRows = rowsWithin(answer.rows, chunkRange(day, task.series.interval))
  const columns = chunk === undefined ? createColumns(0) : decodeShard(chunk.shard).columns
  const rows = columns.openTime.length
  const merge = mergeRows(columns, restRows, task.series)
  const bounds = endBounds(task, day, merge.columns, answer)
  const base = {
    series: task.series,
    day,
    bounds,
    error: null,
    explain: (gap: Gap | { startUs: number; endUs: number }) => explainGap(gap, answer, task.series),
  }
  if (chunk !== undefined && rows > 0 && merge.agreeing === rows && merge.differing === 0) {
    return buildDay({
      ...base,
      columns: merge.columns,
      sources: [`vision-${task.archive.packaging}`, ...(merge.added > 0 ? ['rest'] : [])],
      archive: { key: task.archive.key, etag: task.archive.etag, sha256: null },
      duplicates: chunk.duplicates,
      conflicts: chunk.conflicts,
      differing: 0,
      restStretches: findGaps(columns.openTime, range, task.series.interval),
      evidence: `released: ${error.code}, but all ${rows} rows of the archive agree with REST`,
    })
  }
  if (restRows.openTime.length === 0) return quarantinedDay(task, day, error, 'REST has no bar of this day')
  return buildDay({
    ...base,
    columns: restRows,
    sources: ['rest'],
    archive: { key: task.archive.key, etag: task.archive.etag, sha256: null },
    duplicates: 0,
    conflicts: 0,
    differing: merge.differing + (rows - merge.agreeing - merge.differing > 0 ? rows - merge.agreeing - merge.differing : 0),
    evidence: `the archive is quarantined (${error.code}) and its rows differ from REST, from which the day comes`,
  })
}

/** Days of which no archive has a bar. */
async function acquireBare(
  task: ArchiveTask,
  days: readonly UtcDay[],
  bounds: SeriesBounds,
  reason: string,
  ctx: AcquireContext,
  error?: CkvdError,
): Promise<AcquiredDay[]> {
  const archive = { key: task.archive.key, etag: task.archive.etag, sha256: null }
  return acquireDaysFromRest(
    { series: task.series, days, bounds, endsSeries: task.endsSeries, archive, reason, ...(error === undefined ? {} : { error }) },
    ctx,
  )
}

export interface RestTask {
  readonly series: Series
  /** consecutive chunks */
  readonly days: readonly UtcDay[]
  readonly bounds: SeriesBounds
  readonly endsSeries: boolean
  /** the archive that should have had them */
  readonly archive: ArchiveOrigin | null
  /** why they are asked from REST */
  readonly reason: string
  /** the archive's error: what REST cannot give either is then quarantined instead of partial */
  readonly error?: CkvdError
}

/** Asks REST for a run of consecutive chunks as one stretch. Chunks in which nothing is expected are left out. */
export async function acquireDaysFromRest(task: RestTask, ctx: Pick<AcquireContext, 'rest' | 'signal'>): Promise<AcquiredDay[]> {
  const { series } = task
  const wanted = task.days.filter((day) => {
    const range = expectedRange(series, day, task.bounds)
    return range.endUs > range.startUs
  })
  const first = wanted[0]
  const last = wanted.at(-1)
  if (first === undefined || last === undefined) return []
  const whole = { startUs: expectedRange(series, first, task.bounds).startUs, endUs: expectedRange(series, last, task.bounds).endUs }
  const answer = await askRest(series, [{ ...whole, bars: 0 }], ctx.rest, ctx.signal)
  const days: AcquiredDay[] = []
  for (const day of wanted) {
    const columns = answer.kind === 'asked' ? rowsWithin(answer.rows, chunkRange(day, series.interval)) : createColumns(0)
    if (columns.openTime.length === 0 && task.error !== undefined) {
      const reason = answer.kind === 'asked' ? 'REST has no bar of this day' : answer.reason
      // nothing lies in quarantine of an archive that was not there: the next run asks for it again
      days.push(isContentError(task.error) ? quarantinedDay(task, day, task.error, reason) : failedDay(task, day, task.error, reason))
      continue
    }
    const bounds = endBounds(task, day, columns, answer)
    const range = expectedRange(series, day, bounds)
    if (columns.openTime.length === 0 && range.endUs <= range.startUs) continue
    days.push(
      buildDay({
        series,
        day,
        columns,
        bounds,
        sources: ['rest'],
        archive: task.archive,
        duplicates: 0,
        conflicts: 0,
        differing: 0,
        evidence: task.reason,
        error: null,
        explain: () => explainGap(whole, answer, series),
      }),
    )
  }
  return days
}

/** Joins what the archives have of a chunk (the first one is preferred), asks REST for the holes, and builds the chunk. */
async function completeDay(
  task: ArchiveTask,
  day: UtcDay,
  found: readonly Found[],
  bounds: SeriesBounds,
  note: string | null,
  ctx: AcquireContext,
): Promise<AcquiredDay> {
  const { series } = task
  const [best, ...others] = found
  if (best === undefined) throw new CkvdError('CKVD_BUG', `no rows of ${seriesLabel(series)} ${day} to complete`)
  if (best.chunk.condition === 'complete' && others.length === 0) return wholeDay(best, note)
  let columns = decodeShard(best.chunk.shard).columns
  const sources = [`vision-${best.packaging}`]
  let differing = 0
  for (const { chunk, packaging } of others) {
    const merge = mergeRows(columns, decodeShard(chunk.shard).columns, series)
    columns = merge.columns
    differing += merge.differing + merge.added
    if (merge.added > 0) sources.push(`vision-${packaging}`)
  }
  const gaps = findGaps(columns.openTime, expectedRange(series, day, bounds), series.interval)
  const answer: RestAnswer = gaps.length === 0 ? { kind: 'silent', reason: '' } : await askRest(series, gaps, ctx.rest, ctx.signal)
  if (answer.kind === 'asked') {
    const merge = mergeRows(columns, rowsWithin(answer.rows, chunkRange(day, series.interval)), series)
    columns = merge.columns
    differing += merge.differing
    if (merge.added > 0) sources.push('rest')
  }
  return buildDay({
    series,
    day,
    columns,
    bounds: endBounds({ ...task, bounds }, day, columns, answer),
    sources,
    archive: best.origin,
    duplicates: best.chunk.duplicates,
    conflicts: best.chunk.conflicts,
    differing,
    restStretches: answer.kind === 'asked' ? gaps : [],
    evidence: joinNotes(note, best.chunk.conflictNote),
    error: null,
    explain: (gap) => explainGap(gap, answer, series),
  })
}

/** A chunk to which nothing needs to be added: the worker's shard is stored as it is. */
function wholeDay({ chunk, origin, packaging }: Found, note: string | null): AcquiredDay {
  const { day, shard, shardSha256, rows, expected, offGrid, duplicates, conflicts } = chunk
  return {
    day,
    condition: 'complete',
    shard,
    shardSha256,
    source: `vision-${packaging}`,
    rows,
    expected,
    offGrid,
    duplicates,
    conflicts,
    differing: 0,
    archive: origin,
    gaps: [],
    evidence: joinNotes(note, chunk.conflictNote),
    error: null,
  }
}

/** Where the series has ended and REST has no later bar, nothing is expected after the last one. */
function endBounds(
  task: { series: Series; bounds: SeriesBounds; endsSeries: boolean; days: readonly UtcDay[] },
  day: UtcDay,
  columns: KlineColumns,
  answer: RestAnswer,
): SeriesBounds {
  if (!task.endsSeries || answer.kind !== 'asked') return task.bounds
  if (day !== task.days.at(-1)) return task.bounds
  const endUs = lastSlotEndUs(columns, task.series)
  return endUs === null ? task.bounds : { ...task.bounds, endUs }
}

function joinNotes(note: string | null, conflictNote: string): string | null {
  const notes = [note, conflictNote === '' ? null : conflictNote].filter((text) => text !== null)
  return notes.length === 0 ? null : notes.join('; ')
}

function emptyDay(
  task: { series: Series; bounds: SeriesBounds; archive: ArchiveRef | ArchiveOrigin | null },
  day: UtcDay,
): Omit<AcquiredDay, 'condition' | 'evidence' | 'error'> {
  const { archive } = task
  return {
    day,
    shard: null,
    shardSha256: null,
    source: null,
    rows: 0,
    expected: 0,
    offGrid: 0,
    duplicates: 0,
    conflicts: 0,
    differing: 0,
    archive: archive === null ? null : { key: archive.key, etag: archive.etag, sha256: null },
    gaps: [],
  }
}

function quarantinedDay(
  task: { series: Series; bounds: SeriesBounds; archive: ArchiveRef | ArchiveOrigin | null },
  day: UtcDay,
  error: CkvdError,
  reason: string,
): AcquiredDay {
  return { ...emptyDay(task, day), condition: 'quarantined', evidence: reason, error }
}

function failedDay(
  task: { series: Series; bounds: SeriesBounds; archive: ArchiveRef | ArchiveOrigin | null },
  day: UtcDay,
  error: CkvdError,
  reason: string | null = null,
): AcquiredDay {
  return { ...emptyDay(task, day), condition: 'failed', evidence: reason, error }
}

/** Splits chunks in order into runs without a hole between them. */
export function consecutive(days: readonly UtcDay[], series: Series): UtcDay[][] {
  const runs: UtcDay[][] = []
  for (const day of days) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (run !== undefined && last !== undefined && nextChunk(last, series.interval) === day) run.push(day)
    else runs.push([day])
  }
  return runs
}

/** The error of a series of which nothing is known. */
export function unknownSymbol(series: Series, restAsked: boolean): CkvdError {
  const who = restAsked ? 'Neither the archive listing nor REST knows' : 'The archive listing does not know'
  return new CkvdError(
    'CKVD_UNKNOWN_SYMBOL',
    `${who} ${seriesLabel(series)}. Check the symbol, market and interval${restAsked ? '' : ', or let REST be asked (no --no-rest)'}.`,
    {
      details: { ...series },
    },
  )
}
