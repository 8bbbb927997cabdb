import { misplacedMessage } from '../../acquire/rest/address-account.ts'
import type { CkvdError } from '../../errors.ts'
import type { IngestEvents, IngestProgress } from '../../ingest/progress.ts'
import type { DayRow } from '../../lake/catalog/catalog-rows.ts'
import type { CommandRun } from '../command.ts'
import { formatBytes, formatCountOf, formatDuration, formatRate } from './output.ts'
import { BAR_EVERY_MS, createBar, LINE_EVERY_MS } from './progress-bar.ts'

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
  const { events: drawn, stop } = run.interactive ? barView(run) : { events: lineView(run), stop: () => undefined }
  const events = { ...drawn, onMisplaced, onNote: (note: string) => run.logger.warn(note) }
  const isDebug = run.logger.isLevelEnabled('debug')
  return { events: isDebug ? { ...events, onChunk: (row) => logChunk(run.logger, row) } : events, stop }
}

/** At DEBUG: one line a chunk. */
function logChunk(logger: CommandRun<object>['logger'], row: DayRow): void {
  const { market, symbol, interval, day, condition, source, rows, revision, archiveKey, error } = row
  logger.debug({ market, symbol, interval, day, condition, source, rows, revision, archiveKey, error }, 'chunk recorded')
}

function barView(run: Pick<CommandRun<object>, 'context' | 'signal'>): ProgressView {
  const { raw } = run.context.stderr
  const bar = createBar(run)
  let drawnMs = -Infinity
  const clearLine = (): void => {
    if (drawnMs > -Infinity) raw.write('\r\x1b[K')
    drawnMs = -Infinity
  }
  return {
    events: {
      onPlanning: (planned, lines) => {
        if (planned === lines) clearLine()
        else if (performance.now() - drawnMs >= BAR_EVERY_MS) {
          drawnMs = performance.now()
          raw.write(`\rReading listings: ${planned} of ${lines} symbols\x1b[K`)
        }
      },
      onProgress: (progress) => bar.update(progress.done, progress.total, () => progressText(progress)),
    },
    stop: () => {
      clearLine()
      bar.stop()
    },
  }
}

function lineView(run: Pick<CommandRun<object>, 'logger'>): IngestEvents {
  let loggedMs = performance.now()
  const due = (): boolean => {
    if (performance.now() - loggedMs < LINE_EVERY_MS) return false
    loggedMs = performance.now()
    return true
  }
  return {
    onPlanning: (planned, lines) => {
      if (due()) run.logger.info({ planned, lines }, 'reading listings')
    },
    onProgress: (progress) => {
      if (!due()) return
      const { done, total, days, rows, bytesDownloaded, problems, elapsedMs, etaMs } = progress
      run.logger.info(
        {
          done,
          total,
          days,
          rows,
          bytesDownloaded,
          problems,
          elapsedMs: Math.round(elapsedMs),
          etaMs: etaMs === null ? null : Math.round(etaMs),
        },
        'ingesting',
      )
    },
  }
}

function progressText(progress: IngestProgress): string {
  const { archives, rows, bytesDownloaded, elapsedMs, etaMs, problems } = progress
  const parts = [formatRate(archives, elapsedMs, 'archives'), formatRate(rows, elapsedMs, 'rows'), formatBytes(bytesDownloaded)]
  if (etaMs !== null) parts.push(`ETA ${formatDuration(etaMs)}`)
  if (problems > 0) parts.push(`${formatCountOf(problems, 'problem')}`)
  return parts.join(' · ')
}
