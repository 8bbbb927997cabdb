import { fileShares } from '../../config/open-files.ts'
import { isPacked } from '../dataset/pack.ts'
import { loadPackWriter } from '../lake/pack-merge.ts'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { urlsFor } from '../../config/source-urls.ts'
import { sha256Hex } from '../memory/digest.ts'
import type { ConnectionSettings } from '../acquire/rest/connection-settings.ts'
import type { Connections } from '../acquire/connections.ts'
import { createConnections } from '../acquire/connections.ts'
import { ListingEdge } from '../acquire/listing-edge.ts'
import { DecodePool } from '../acquire/decode-pool.ts'
import { NearMisses } from '../acquire/near-misses.ts'
import { RestGate } from '../acquire/rest/rest-gate.ts'
import type { AcquireContext } from '../acquire/archive-task.ts'

import { CkvdError, isCkvdError, toCkvdError } from '../errors.ts'
import type { WritableLake } from '../lake/lake.ts'
import { openLake } from '../lake/lake.ts'
import { archivePath } from '../lake/layout.ts'
import type { Ledger, LedgerReader } from '../lake/ledger.ts'
import type { Origin, Sources } from '../lake/origin.ts'
import { answeredOrigin, claimedOrigin } from '../lake/origin.ts'
import { putAll } from '../lake/shard-store.ts'
import type { Steps } from '../disk/steps.ts'
import type { Market } from '../model/market.ts'
import { MARKETS } from '../model/market.ts'
import type { Series } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import { isoOfUs } from '../model/utc-day.ts'
import type { HttpClient, HttpSettings } from '../sources/http/http.ts'
import { runPlans } from './coordinator.ts'
import { checkFreeDisk, findFreeDisk } from './free-disk.ts'
import { PlanSpool } from './plan-spool.ts'
import type { ArchiveChoice } from '../acquire/plan/archive-choice.ts'
import type { PlanScope, SeriesPlan } from '../acquire/plan/plan.ts'
import type { PlanTotals, SeriesFailure } from './planner.ts'
import { addTotals, NO_PLAN, plannedArchives, planTotals, planUniverse } from './planner.ts'
import type { IngestEvents, IngestProgress } from './progress.ts'
import { ProgressMeter } from './progress.ts'
import type { IngestResult } from './result.ts'
import { problemOf, runCounts, Tally } from './result.ts'
import type { UniverseLine } from './universe.ts'

/** Everything that a run of `ingest` depends on. */
export interface IngestOptions extends ConnectionSettings {
  /** the command whose run it is; default `ingest` */
  readonly command?: IngestResult['command']
  readonly universe: readonly UniverseLine[]
  /** first day; null: from the first one that the listing has */
  readonly start: UtcDay | null
  /** day after the last one */
  readonly end: UtcDay
  readonly archives: ArchiveChoice
  readonly rest: boolean
  readonly refresh: boolean
  readonly retryFailed: boolean
  readonly force: boolean
  readonly crossCheck: boolean
  readonly keepArchives: boolean
  readonly workers: number
  /** time of planning, epoch ms */
  readonly nowMs: number
  /** a clock that runs, epoch ms */
  readonly clockMs: () => number
  /** the system's clock, whatever time planning takes for now: weight, pauses and bans are kept by it; default `Date.now` */
  readonly systemMs?: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly events: IngestEvents
  /** a seam for crash and fault tests: called around each step of writing */
  readonly steps?: Steps
  /** a seam for fault tests: shorter timeouts and pauses than those of HTTP_DEFAULTS */
  readonly http?: Partial<HttpSettings>
  /** a seam for fault tests: path of another file for the worker threads */
  readonly workerFile?: string
  /** a seam for fault tests: milliseconds after which a worker that gives no answer is ended */
  readonly decodeTimeoutMs?: number
  /** decode threads of the caller, who closes them: for many runs after each other; left out, a run has its own `workers` */
  readonly pool?: DecodePool
}

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
  /** `spot`, `um` or `cm` */
  readonly market: Market
  /** as the exchange writes it */
  readonly symbol: string
  /** `1s` to `1M` */
  readonly interval: string
  /** first requested chunk; null: none */
  readonly first: UtcDay | null
  /** last requested chunk; null: none */
  readonly last: UtcDay | null
}

function scopeOf(options: IngestOptions): PlanScope {
  const { start, end, archives, rest, crossCheck, force, refresh, retryFailed } = options
  return { start, end, archives, rest, crossCheck, force, refresh, retryFailed, nowUs: options.nowMs * 1000 }
}

/** The scope as the earlier of both clocks sees it: no chunk is planned that has not closed by the servers' clock. */
function scopeBy(http: HttpClient, options: IngestOptions): PlanScope {
  return {
    ...scopeOf(options),
    get nowUs() {
      return http.clock.notAfter(options.nowMs) * 1000
    },
  }
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
      series.push({ ...planned.series, first: planned.first, last: planned.last, ...printable(numbers) })
      return Promise.resolve()
    })
    await adviseUnknown(tally, connections, options.signal)
  } finally {
    await lake?.close()
  }
  const key = (row: DryRunSeries): string => `${MARKETS.indexOf(row.market)} ${row.symbol} ${row.interval}`
  series.sort((a, b) => (key(a) < key(b) ? -1 : 1))
  return { command: options.command ?? 'ingest', exit: tally.exit, series, total: printable(total), problems: tally.problems }
}

function printable(totals: PlanTotals): DryRunNumbers {
  const { days, stored, archives, restDays, bytes, diskBytes } = totals
  return { days, stored, archives, rest_days: restDays, bytes, disk_bytes: diskBytes }
}

/** The sources that a run may ask. */
function sourcesOf({ sandbox, urls, rest, universe }: IngestOptions): Sources {
  return { sandbox, urls: urlsFor(urls, rest ? [...new Set(universe.map(({ market }) => market))] : []) }
}

/** What the lake is to be: a sandbox is recorded at once, the exchange when it has answered. */
function originOf(options: IngestOptions): { origin?: 'sandbox'; expected?: Origin } {
  const claimed = claimedOrigin(sourcesOf(options))
  if (claimed === 'sandbox') return { origin: claimed }
  return claimed === undefined ? {} : { expected: claimed }
}

async function planInto(
  options: IngestOptions,
  scope: PlanScope,
  { http, listing }: Connections,
  catalog: LedgerReader | null,
  adoptInto: WritableLake | null,
  emit: (planned: SeriesPlan | SeriesFailure) => Promise<void>,
): Promise<void> {
  let planned = 0
  let last: CkvdError | null = null
  await planUniverse(options.universe, { listing, scope, catalog, adoptInto, signal: options.signal }, async (one) => {
    planned++
    options.events.onPlanning?.(planned, options.universe.length)
    if ('error' in one) last = one.error
    await emit(one)
  })
  if (!http.reached && isCkvdError(last)) {
    const { listing: url } = options.urls
    // with the proxy that was asked, and what is to be done about a certificate
    const reason = (last as CkvdError).message.replace(/^Request to \S+ (?:(through \S+) )?failed: (.*?)\.*$/s, '$2 $1').trim()
    throw new CkvdError(
      'CKVD_UNREACHABLE',
      `No network: ${url} does not answer (${reason}). Nothing was done. Check the network, the proxy (HTTPS_PROXY) and --listing-url, then run the same command again.`,
      { details: { url }, cause: last },
    )
  }
}

/** Records that the listing of a series could not be read. */
function forgetListing(catalog: Ledger, series: Series): void {
  const known = catalog.getSeries(series)
  const nothing = {
    firstDay: null,
    firstForms: null,
    lastDay: null,
    firstOpenUs: null,
    firstSource: null,
    lastOpenUs: null,
    endedUs: null,
    phase: null,
  }
  const { dataset, market, symbol, interval } = series
  catalog.putSeries({ ...nothing, ...known, dataset, market, symbol, interval, listedAt: null })
}

/** Says of symbols that nobody knows what was probably meant. */
async function adviseUnknown(tally: Tally, { listing }: Connections, signal: AbortSignal): Promise<void> {
  const nearMisses = new NearMisses(listing)
  await tally.addAdvice('CKVD_UNKNOWN_SYMBOL', async (problem) => (await nearMisses.find(problem, signal))?.text)
}

function countFailure(tally: Tally, failure: SeriesFailure): void {
  tally.series++
  tally.unplanned++
  tally.count('failed')
  tally.addProblem(problemOf(failure.series, null, 'failed', failure.error))
}

/**
 * Plans, downloads, verifies, decodes, stores, and says of every requested chunk what became of it.
 *
 * A run that was stopped (interrupt, ban, full disk, unreachable source) resolves too, with its exit code and `stopped`:
 * what it stored stays. Throws before anything is done: CKVD_USAGE, CKVD_LAKE_LOCKED, CKVD_ORIGIN, errors of the lake.
 */
export async function runIngest(options: IngestOptions): Promise<IngestResult> {
  const { pool, workers, workerFile, decodeTimeoutMs } = options
  if (pool !== undefined) return runWithPool(options, pool)
  await using own = new DecodePool({ workers, workerFile, taskTimeoutMs: decodeTimeoutMs })
  return await runWithPool(options, own)
}

/** Where so few connections have their share of the files that may be open, a library that is loaded late may find none left. */
const FEW_CONNECTIONS = 128

function mayBePacked({ dataset, intervals }: UniverseLine): boolean {
  return intervals === 'all' || intervals.some((interval) => isPacked({ dataset, interval }))
}

async function runWithPool(options: IngestOptions, pool: DecodePool): Promise<IngestResult> {
  // the coordinator gives them back
  pool.shareShards()
  if (fileShares().connections < FEW_CONNECTIONS && options.universe.some(mayBePacked)) await loadPackWriter()
  await using connections = openConnections(options)
  const { http } = connections
  const scope = scopeBy(http, options)
  const startedAt = isoOfUs(options.clockMs() * 1000)
  const lake = await openLake(options.lake, {
    mode: 'write',
    tell: (message) => options.events.onNote?.(message),
    ...originOf(options),
    ...(options.steps === undefined ? {} : { steps: options.steps }),
  })
  const result = await runOnLake(options, scope, { lake, connections, pool, startedAt }).catch(async (error: unknown) => {
    await lake.close().catch(() => undefined) // what failed first is what counts
    throw error
  })
  const failure = await lake.close().then(() => null, toCkvdError)
  return failure === null ? result : stoppedBy(failure, result)
}

/** A run whose last step failed, of which all else is true: what was done is told. */
function stoppedBy(failure: CkvdError, result: IngestResult): IngestResult {
  if (failure.code === 'CKVD_BUG') throw failure
  // what stopped the run before is what is told
  if (result.stopped !== null) return result
  return { ...result, exit: failure.exit, stopped: { code: failure.code, message: failure.message, days_left: 0 } }
}

async function runOnLake(
  options: IngestOptions,
  scope: PlanScope,
  { lake, connections, pool, startedAt }: { lake: WritableLake; connections: Connections; pool: DecodePool; startedAt: string },
): Promise<IngestResult> {
  const startedMs = performance.now()
  const { command = 'ingest' } = options
  const { http } = connections
  const tally = new Tally()
  http.clock.onSkew = (message) => {
    tally.addNote(message)
    options.events.onNote?.(message)
  }
  let runId: number | null = null
  let stopped: CkvdError | null = null
  try {
    runId = lake.catalog.startRun({ startedAt, command })
    options.events.onRun?.(runId)
    const held = await work(options, scope, { lake, connections, pool, tally })
    await adviseUnknown(tally, connections, options.signal)
    if (held !== null) stopped = stoppedError(held)
  } catch (error) {
    stopped = toCkvdError(error)
    // a bug must be seen with its stack
    if (stopped.code === 'CKVD_BUG') throw error
  }
  const result: IngestResult = {
    command,
    exit: stopped?.exit ?? tally.exit,
    started_at: startedAt,
    elapsed_ms: Math.round(performance.now() - startedMs),
    range: { start: options.start, end: options.end },
    series: tally.series,
    days: tally.days,
    stored: tally.stored,
    skipped: tally.skipped,
    upgraded: tally.upgraded,
    republished: tally.republished,
    changed: tally.changed,
    rows: tally.rows,
    bytes_downloaded: http.bytesReceived,
    requests: http.counts,
    problems: tally.problems,
    notes: tally.notes,
    differences: tally.differences,
    stopped: stopped === null ? null : { code: stopped.code, message: stopped.message, days_left: tally.left },
  }
  try {
    if (runId !== null)
      lake.catalog.endRun(runId, { endedAt: isoOfUs(options.clockMs() * 1000), counts: runCounts(result), exit: result.exit })
  } catch (error) {
    // a disk that stopped the run refuses this, too
    return stoppedBy(toCkvdError(error), result)
  }
  return result
}

async function work(
  options: IngestOptions,
  scope: PlanScope,
  run: { lake: WritableLake; connections: Connections; pool: DecodePool; tally: Tally },
): Promise<CkvdError | null> {
  const { lake, connections, pool, tally } = run
  const { http } = connections
  // named as all temporary files of the lake are: what a killed run leaves is swept
  const spool = new PlanSpool(join(lake.paths.tmp, `${randomUUID()}.tmp`))
  const edge = new ListingEdge(
    http,
    connections.listing,
    options.urls.vision,
    () => scope.nowUs,
    (note) => tally.addNote(note),
  )
  const meter = new ProgressMeter()
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  let isPlanned = false
  const planAll = async (): Promise<void> => {
    const planned = await planAhead({ ...options, signal }, scope, run, { spool, edge, meter })
    isPlanned = true
    tally.planned = planned.totals.days + tally.unplanned
    options.events.onPlan?.(planned.totals, planned.series)
    spool.end()
  }
  const planning = planAll().catch((error: unknown) => {
    failed.abort(error)
    spool.end()
    throw error
  })
  edge.waitFor(planning)
  const rest = options.rest ? new RestGate(connections.rest) : null
  const onProgress = (progress: IngestProgress): void => (isPlanned ? options.events.onProgress?.(progress) : undefined)
  const running = runPlans(spool.read(), {
    lake,
    http,
    acquire: acquireContext(options, lake, connections, pool, edge),
    rest,
    universe: options.universe,
    scope,
    nowIso: () => new Date(options.clockMs()).toISOString(),
    signal,
    events: { ...options.events, onProgress },
    meter,
    tally,
  }).catch((error: unknown) => {
    failed.abort(error)
    throw error
  })
  try {
    const outcomes = await Promise.allSettled([planning, running])
    // what was first is why the other one ended
    if (failed.signal.aborted) throw failed.signal.reason
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    return rest?.stopped ?? null
  } finally {
    await spool.remove()
  }
}

/** Plans the universe into the spool, from which archives are taken at once. Throws CKVD_DISK_FULL before it exceeds the free disk. */
async function planAhead(
  options: IngestOptions,
  scope: PlanScope,
  { lake, connections, pool, tally }: { lake: WritableLake; connections: Connections; pool: DecodePool; tally: Tally },
  { spool, edge, meter }: { spool: PlanSpool; edge: ListingEdge; meter: ProgressMeter },
): Promise<{ totals: PlanTotals; series: number }> {
  const { http } = connections
  const free = await findFreeDisk(lake.paths.root)
  let totals = NO_PLAN
  let series = 0
  let checked = false
  await planInto(options, scope, connections, lake.catalog, lake, async (planned) => {
    if (!checked && http.reached) {
      await lake.setOrigin(answeredOrigin(sourcesOf(options), http) ?? 'binance')
      checked = true
    }
    if ('error' in planned) {
      // `--retry-failed` plans it whole
      if (planned.error.code !== 'CKVD_UNKNOWN_SYMBOL') forgetListing(lake.catalog, planned.series)
      return countFailure(tally, planned)
    }
    if (planned.tasks.length > 0) pool.start()
    if (planned.lastDay !== null) edge.saw(planned.series.market, planned.lastDay)
    series++
    totals = addTotals(totals, planTotals(planned))
    meter.planned = totals.archives.daily + totals.archives.monthly
    checkFreeDisk(lake.paths.root, totals.diskBytes + (options.keepArchives ? totals.bytes : 0), free)
    await spool.add(planned)
  })
  return { totals, series }
}

function acquireContext(
  options: IngestOptions,
  lake: WritableLake,
  { vision, listing }: Connections,
  pool: DecodePool,
  edge: ListingEdge,
): Omit<AcquireContext, 'signal' | 'rest'> {
  return {
    vision,
    pool,
    crossCheck: options.crossCheck,
    listing,
    edge,
    quarantine: async (key, zip, error) => {
      await lake.quarantine.keep({ key, bytes: zip, sha256: sha256Hex(zip), reason: { ...error.toData() } })
    },
    keepArchive: options.keepArchives
      ? async (key, zip, checksum) => {
          await putAll(lake.shards, [
            { path: archivePath(key), bytes: zip },
            { path: `${archivePath(key)}.CHECKSUM`, bytes: checksum },
          ])
        }
      : null,
  }
}

function openConnections(options: IngestOptions): Connections {
  return createConnections({ ...options, onMisplaced: (error, path) => options.events.onMisplaced?.(error, path) })
}

/** A ban or a rate limit stops a run only after Vision's part of the work. */
function stoppedError(error: CkvdError): CkvdError {
  return new CkvdError(error.code, `${error.message} Vision's part of the work is done.`, {
    details: error.details,
    cause: error,
  })
}
