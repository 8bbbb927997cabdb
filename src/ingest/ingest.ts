import { fileShares } from '../../config/open-files.ts'
import type { Connections } from '../acquire/connections.ts'
import { DecodePool } from '../acquire/decode-pool.ts'
import type { PlanScope } from '../acquire/plan/plan-scope.ts'
import { isPacked } from '../dataset/pack.ts'
import { CkvdError, toCkvdError } from '../errors.ts'
import type { WritableLake } from '../lake/lake.ts'
import { openLake } from '../lake/lake.ts'
import { loadPackWriter } from '../lake/pack-merge.ts'
import { isoOfUs } from '../model/utc-day.ts'
import type { IngestOptions } from './ingest-options.ts'
import type { IngestResult } from './result.ts'
import { runCounts, Tally } from './result.ts'
import { adviseUnknown, openConnections, originOf, scopeBy } from './planning.ts'
import type { UniverseLine } from './universe.ts'
import { planAndRun } from './plan-and-run.ts'

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
    const held = await planAndRun(options, scope, { lake, connections, pool, tally })
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

/** A ban or a rate limit stops a run only after Vision's part of the work. */
function stoppedError(error: CkvdError): CkvdError {
  return new CkvdError(error.code, `${error.message} Vision's part of the work is done.`, {
    details: error.details,
    cause: error,
  })
}
