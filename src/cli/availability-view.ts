import { Presets, SingleBar } from 'cli-progress'
import type { CommandRun } from './command.ts'
import { formatDuration, formatRate } from './output.ts'

const BAR_EVERY_MS = 100
/** In a pipe: one line in ten seconds. */
const LINE_EVERY_MS = 10_000

/** Shows how far a listing is. */
export interface ListingView {
  onProgress(this: void, done: number, total: number, problems: number): void
  /** Takes the bar away and gives the cursor back, however the run ended. */
  stop(): void
}

/** Shows how far a listing is: a bar with rate and ETA on a terminal, a log line every ten seconds in a pipe, nothing with `--quiet`. */
export function createListingView(run: Pick<CommandRun<object>, 'context' | 'interactive' | 'quiet' | 'logger'>): ListingView {
  if (run.quiet) return { onProgress: () => undefined, stop: () => undefined }
  const startedMs = performance.now()
  let shownMs = run.interactive ? -Infinity : startedMs
  const due = (everyMs: number): boolean => {
    if (performance.now() - shownMs < everyMs) return false
    shownMs = performance.now()
    return true
  }
  const etaOf = (done: number, total: number): number => ((performance.now() - startedMs) / done) * (total - done)
  if (!run.interactive) {
    return {
      onProgress(done, total, problems) {
        if (due(LINE_EVERY_MS)) run.logger.info({ done, total, problems, etaMs: Math.round(etaOf(done, total)) }, 'listing symbols')
      },
      stop: () => undefined,
    }
  }
  const stream = run.context.stderr as unknown as NodeJS.WritableStream
  const bar = new SingleBar(
    {
      format: '{bar} {percentage}% {value}/{total} symbols  {text}',
      stream,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: true,
      linewrap: false,
    },
    Presets.shades_classic,
  )
  return {
    onProgress(done, total) {
      if (done < total && !due(BAR_EVERY_MS)) return
      if (!bar.isActive) bar.start(total, 0, { text: '' })
      bar.update(done, {
        text: `${formatRate(done, performance.now() - startedMs, 'symbols')} · ETA ${formatDuration(etaOf(done, total))}`,
      })
    },
    stop: () => bar.stop(),
  }
}
