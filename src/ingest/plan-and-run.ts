import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { AcquireContext } from '../acquire/archive-task.ts'
import type { Connections } from '../acquire/connections.ts'
import type { DecodePool } from '../acquire/decode-pool.ts'
import { ListingEdge } from '../acquire/listing-edge.ts'
import type { PlanScope } from '../acquire/plan/plan-scope.ts'
import { RestGate } from '../acquire/rest/rest-gate.ts'
import type { CkvdError } from '../errors.ts'
import type { WritableLake } from '../lake/lake.ts'
import { archivePath } from '../lake/layout.ts'
import type { Ledger } from '../lake/ledger.ts'
import { answeredOrigin } from '../lake/origin.ts'
import { putAll } from '../lake/shard-store.ts'
import { sha256Hex } from '../memory/digest.ts'
import type { Series } from '../model/series.ts'
import { runPlans } from './coordinator.ts'
import { checkFreeDisk, findFreeDisk } from './free-disk.ts'
import type { IngestOptions } from './ingest-options.ts'
import { PlanSpool } from './plan-spool.ts'
import type { PlanTotals } from './planner.ts'
import { addTotals, NO_PLAN, planTotals } from './planner.ts'
import type { IngestProgress } from './progress.ts'
import { ProgressMeter } from './progress.ts'
import type { Tally } from './result.ts'
import { countFailure, planInto, sourcesOf } from './planning.ts'
import { everySecond } from '../waiting.ts'

/** Plans the universe and works through the plans as they come. Gives why REST was given up; null: it was not. Throws what stops a run. */
export async function planAndRun(
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
    meter.endPlanning(planned.totals.bytes, http.bytesThrough)
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
  const beat = everySecond(() => {
    try {
      onProgress(meter.snapshot(http, tally.problemCount))
    } catch (error) {
      // thrown from a timer it would end the process
      failed.abort(error)
    }
  })
  try {
    const outcomes = await Promise.allSettled([planning, running])
    // what was first is why the other one ended
    if (failed.signal.aborted) throw failed.signal.reason
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    if (rest !== null) noteSilentRest(rest, tally)
    return rest?.stopped ?? null
  } finally {
    beat[Symbol.dispose]()
    await spool.remove()
  }
}

/**
 * Says of a REST that gave nothing why, and what comes of it, where nothing else has told it: the cause stands, by its code, in the words of
 * whatever it has left unexplained, be that a day, a beginning or an end.
 */
function noteSilentRest(rest: RestGate, tally: Tally): void {
  for (const [market, { code, message }] of rest.silent) {
    if (tally.problems.some((problem) => problem.market === market && problem.message.includes(code))) continue
    tally.addNote(
      `REST of ${market} could not be asked (${code}): ${message} Days that have no archive yet stay pending, or partial; \`--no-rest\` does without it.`,
    )
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
