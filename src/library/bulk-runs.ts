import type { Settings } from '../../config/settings.ts'
import { withSources } from '../../config/source-urls.ts'
import { misplacedMessage } from '../acquire/rest/address-account.ts'
import { CkvdError } from '../errors.ts'
import type { DryRunResult } from '../ingest/dry-run.ts'
import type { IngestOptions } from '../ingest/ingest-options.ts'
import { planIngest } from '../ingest/dry-run.ts'
import { runIngest } from '../ingest/ingest.ts'
import type { IngestRequest, RequestSurroundings } from '../ingest/request/request-options.ts'
import { LEFT_OUT, parseIngestRequest } from '../ingest/request.ts'
import type { IngestResult } from '../ingest/result.ts'
import type { SyncRequest } from '../ingest/sync-request.ts'
import { parseSyncRequest } from '../ingest/sync-request.ts'
import { openLake } from '../lake/lake.ts'
import { createLogger } from '../log.ts'
import { createClock } from '../question/clock.ts'
import { checkOptions } from '../question/query.ts'
import type { RunRecord } from '../report/history/runs.ts'
import { readRuns } from '../report/history/runs.ts'
import type { CKVDConfig } from './config.ts'
import { resolveConfig } from './config.ts'
import { startOwnSandbox } from './own-sandbox.ts'

/**
 * The command `ckvd ingest` as a function: its result is what `--json` prints, its exit code included. Problems of single days are in the
 * result; throws what stops a run before it begins (`CKVD_USAGE`, `CKVD_UNIVERSE`, `CKVD_LAKE_LOCKED`, `CKVD_ORIGIN`, …).
 */
export function ingest(options: IngestRequest & CKVDConfig & { readonly dryRun: true }): Promise<DryRunResult>
export function ingest(options: IngestRequest & CKVDConfig): Promise<IngestResult>
export async function ingest(options: IngestRequest & CKVDConfig): Promise<IngestResult | DryRunResult> {
  checkOptions('ingest', options, "{ universe: [{ market: 'spot', symbol: 'BTCUSDT' }], start: '2024-01-01' }")
  return await runRequest(options, parseIngestRequest)
}

/**
 * The command `ckvd sync` as a function: every series of the lake, or of what `universe`, `market`, `symbols` and `intervals` name of it, up to
 * yesterday. Its result is that of `ingest`, with `command: 'sync'`. Throws as `ingest`, and `CKVD_LAKE_MISSING` where there is no lake.
 */
export function sync(options: SyncRequest & CKVDConfig & { readonly dryRun: true }): Promise<DryRunResult>
export function sync(options?: SyncRequest & CKVDConfig): Promise<IngestResult>
export async function sync(options: SyncRequest & CKVDConfig = {}): Promise<IngestResult | DryRunResult> {
  checkOptions('sync', options, "{ lake: './lake' }")
  return await runRequest(options, parseSyncRequest)
}

/**
 * What the lake remembers of the runs that have written to it, the oldest first: what `ckvd runs --json` prints.
 * @throws CkvdError `CKVD_LAKE_MISSING`, `CKVD_CATALOG`, `CKVD_LAKE_IO`
 */
export async function runs(options: Pick<CKVDConfig, 'lake' | 'sandbox'> = {}): Promise<RunRecord[]> {
  const { lake: root } = resolveConfig(options).settings
  const lake = await openLake(root, { mode: 'read' })
  try {
    return readRuns(lake.catalog)
  } finally {
    await lake.close()
  }
}

async function runRequest<Request extends SyncRequest>(
  options: Request & CKVDConfig,
  parse: (request: Omit<Request, keyof CKVDConfig>, settings: Settings, around: RequestSurroundings) => Promise<IngestOptions>,
): Promise<IngestResult | DryRunResult> {
  const { lake, useCache, maxRetries, logLevel, sources, sandbox, workers, enforceSource, ...request } = options
  if (useCache !== undefined || enforceSource !== undefined) {
    throw new CkvdError(
      'CKVD_USAGE',
      'Expected neither `useCache` nor `enforceSource` for an ingest: it always writes the lake, from all sources. Leave them out.',
    )
  }
  const { settings } = resolveConfig({ lake, maxRetries, logLevel, sources, sandbox, workers })
  const clockMs = createClock(settings)
  const own = settings.sandbox ? await startOwnSandbox(clockMs) : undefined
  try {
    const logger = createLogger({
      level: settings.logLevel,
      file: settings.logFile ?? undefined,
      pretty: process.stderr.isTTY ? 'clock' : undefined,
    })
    const parsed = await parse(request, own === undefined ? settings : withSources(settings, own.urls), {
      caller: 'library',
      clockMs,
      env: process.env,
      cwd: process.cwd(),
      onLeftOut: ({ market, symbol }) => logger.warn({ market, symbol }, LEFT_OUT),
    })
    if (options.dryRun === true) return await planIngest(parsed)
    const onMisplaced = (error: CkvdError, path: string | null): void =>
      logger.warn({ code: error.code, path }, misplacedMessage(error, path))
    return await runIngest({ ...parsed, events: { ...parsed.events, onMisplaced } })
  } finally {
    await own?.close()
  }
}
