import type { IngestOptions } from '../ingest/ingest.ts'
import type { CommandRun } from './command.ts'

/** The part of an ingest's options that comes from the settings alone. */
export type IngestSettings = Pick<
  IngestOptions,
  | 'lake'
  | 'urls'
  | 'sandbox'
  | 'state'
  | 'workers'
  | 'concurrency'
  | 'maxRateBytes'
  | 'restShare'
  | 'maxRetries'
  | 'nowMs'
  | 'clockMs'
  | 'systemMs'
  | 'env'
  | 'signal'
  | 'pool'
>

export function ingestSettings(run: CommandRun<object>, lake: string): IngestSettings {
  const { settings } = run
  return {
    lake,
    urls: {
      vision: settings.visionUrl,
      listing: settings.listingUrl,
      rest: { spot: settings.spotRestUrl, um: settings.umRestUrl, cm: settings.cmRestUrl },
    },
    sandbox: settings.sandbox,
    state: settings.state,
    workers: settings.workers,
    concurrency: settings.concurrency,
    maxRateBytes: settings.maxRate,
    restShare: settings.restShare,
    maxRetries: settings.maxRetries,
    nowMs: run.nowMs(),
    clockMs: () => run.clockMs(),
    systemMs: () => run.context.now(),
    env: run.context.env,
    signal: run.signal,
    ...(run.context.pool === undefined ? {} : { pool: run.context.pool }),
  }
}
