import { misplacedMessage } from '../../acquire/rest/address-account.ts'
import { toldInterval } from '../../dataset/told.ts'
import type { CkvdError } from '../../errors.ts'
import type { IngestEvents, IngestPlanning, IngestProgress } from '../../ingest/progress.ts'
import type { DayRow } from '../../lake/catalog/catalog-rows.ts'
import type { CommandRun } from '../command.ts'
import { formatBytes, formatCount, formatCountOf, formatDuration, formatRate } from './output.ts'
import { createProgress } from './progress.ts'

/** What shows a run as it goes on. */
export interface ProgressView {
  readonly events: IngestEvents
  /** Takes away what was drawn, however the run ended. */
  stop(this: void): void
}

/** Shows a run as it goes on: a bar on a terminal, a log line every ten seconds in a pipe, nothing with `--quiet`. */
export function createProgressView(run: Pick<CommandRun<object>, 'context' | 'interactive' | 'quiet' | 'logger' | 'signal'>): ProgressView {
  const onMisplaced = (error: CkvdError, path: string | null): void =>
    run.logger.warn({ code: error.code, path }, misplacedMessage(error, path))
  if (run.quiet) return { events: { onMisplaced }, stop: () => undefined }
  // how many series a symbol has is not known before its listing is read
  const planning = createProgress<IngestPlanning & { readonly done: number; readonly total: null }>(run, {
    message: 'reading listings',
    facts: ({ planned, symbols, bytesDownloaded, elapsedMs }) => ({ planned, symbols, bytesDownloaded, elapsedMs }),
    parts: ({ planned, symbols, bytesDownloaded, elapsedMs }) => [
      `Reading listings: ${formatCount(planned)} series of ${formatCountOf(symbols, 'symbol')}`,
      formatBytes(bytesDownloaded),
      formatRate(bytesDownloaded, elapsedMs, 'B'),
    ],
  })
  const progress = createProgress<IngestProgress>(run, {
    message: 'ingesting',
    facts: ({ done, total, days, rows, bytesDownloaded, problems, elapsedMs, etaMs }) => ({
      ...{ done, total, days, rows, bytesDownloaded, problems, elapsedMs, etaMs },
    }),
    parts: progressParts,
  })
  const stop = (): void => {
    planning.stop()
    progress.stop()
  }
  const events: IngestEvents = {
    onPlanning: (reached) => planning.update({ ...reached, done: reached.planned, total: null }),
    onPlan: () => planning.stop(),
    onProgress: progress.update,
    onMisplaced,
    onNote: (note) => run.logger.warn(note),
  }
  const isDebug = run.logger.isLevelEnabled('debug')
  return { events: isDebug ? { ...events, onChunk: (row) => logChunk(run.logger, row) } : events, stop }
}

/** At DEBUG: one line a chunk. */
function logChunk(logger: CommandRun<object>['logger'], row: DayRow): void {
  const { dataset, market, symbol, day, condition, source, rows, revision, archiveKey, error } = row
  logger.debug(
    {
      ...(dataset === undefined ? {} : { dataset }),
      market,
      symbol,
      interval: toldInterval(row),
      day,
      condition,
      source,
      rows,
      revision,
      archiveKey,
      error,
    },
    'chunk recorded',
  )
}

function progressParts(progress: IngestProgress): string[] {
  const { done, total, archives, rows, bytesDownloaded, elapsedMs, etaMs, problems } = progress
  return [
    formatRate(bytesDownloaded, elapsedMs, 'B'),
    ...(etaMs === null ? [] : [`ETA ${formatDuration(etaMs)}`]),
    ...(problems > 0 ? [formatCountOf(problems, 'problem')] : []),
    `${formatCount(done)}/${formatCount(total)} archives and stretches`,
    formatRate(archives, elapsedMs, 'archives'),
    formatRate(rows, elapsedMs, 'rows'),
    formatBytes(bytesDownloaded),
  ]
}
