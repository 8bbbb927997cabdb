import type { CommandRun } from '../command.ts'
import { formatDuration, formatRate } from './output.ts'
import { createBar, LINE_EVERY_MS } from './progress-bar.ts'

/** Shows how far a listing is. */
export interface ListingView {
  onProgress(this: void, done: number, total: number, problems: number): void
  /** Takes the bar away and gives the cursor back, however the run ended. */
  stop(): void
}

/** Shows how far a listing is: a bar with rate and ETA on a terminal, a log line every ten seconds in a pipe, nothing with `--quiet`. */
export function createListingView(run: Pick<CommandRun<object>, 'context' | 'interactive' | 'quiet' | 'logger' | 'signal'>): ListingView {
  if (run.quiet) return { onProgress: () => undefined, stop: () => undefined }
  const startedMs = performance.now()
  const etaOf = (done: number, total: number): number => ((performance.now() - startedMs) / done) * (total - done)
  if (!run.interactive) {
    let loggedMs = startedMs
    return {
      onProgress(done, total, problems) {
        if (performance.now() - loggedMs < LINE_EVERY_MS) return
        loggedMs = performance.now()
        run.logger.info({ done, total, problems, etaMs: Math.round(etaOf(done, total)) }, 'listing symbols')
      },
      stop: () => undefined,
    }
  }
  const bar = createBar(run, ' symbols')
  return {
    onProgress: (done, total) =>
      bar.update(
        done,
        total,
        () => `${formatRate(done, performance.now() - startedMs, 'symbols')} · ETA ${formatDuration(etaOf(done, total))}`,
      ),
    stop: () => bar.stop(),
  }
}
