import type { CommandRun } from '../command.ts'
import { createBar } from './progress-bar.ts'

type Shown = Pick<CommandRun<object>, 'context' | 'interactive' | 'quiet' | 'logger' | 'signal'>

/** On a terminal: drawn anew so often. */
const DRAW_EVERY_MS = 100
/** In a pipe: one line in ten seconds. */
const LOG_EVERY_MS = 10_000

/** What shows how far something is; `stop` takes away what was drawn, however the command ended. */
export interface ProgressLine<T> {
  update(this: void, progress: T): void
  stop(this: void): void
}

/** How a progress is shown. */
export interface ProgressForm<T> {
  /** the message of a log line */
  readonly message: string
  /** the fields of a log line; times are rounded to milliseconds */
  readonly facts: (progress: T) => Readonly<Record<string, number | string | null>>
}

/**
 * A line with share, rate and time left on a terminal, a log line every ten seconds in a pipe, nothing with `--quiet`. `parts` are what
 * stands behind the share, the most important first; where nobody knows how much there is, `total` is null and there is no share.
 */
export function createProgress<T extends { readonly done: number; readonly total: number | null }>(
  run: Shown,
  form: ProgressForm<T> & { readonly parts: (progress: T) => readonly string[] },
): ProgressLine<T> {
  if (run.quiet) return SILENT
  if (!run.interactive) return createLog(run, form)
  const bar = createBar(run, DRAW_EVERY_MS)
  return { update: (progress) => bar.update(progress.done, progress.total, () => form.parts(progress)), stop: () => bar.stop() }
}

/** As `createProgress`, of one sentence, such as `Checking shards: 1,234`. */
export function createCounter<T>(run: Shown, form: ProgressForm<T> & { readonly text: (progress: T) => string }): ProgressLine<T> {
  if (run.quiet) return SILENT
  if (!run.interactive) return createLog(run, form)
  const bar = createBar(run, DRAW_EVERY_MS)
  return { update: (progress) => bar.update(0, null, () => [form.text(progress)]), stop: () => bar.stop() }
}

const SILENT: ProgressLine<unknown> = { update: () => undefined, stop: () => undefined }

function createLog<T>(run: Shown, { message, facts }: ProgressForm<T>): ProgressLine<T> {
  const isDue = every(LOG_EVERY_MS, performance.now())
  return {
    update(progress) {
      if (isDue()) run.logger.info(rounded(facts(progress)), message)
    },
    stop: () => undefined,
  }
}

/** True once in so many milliseconds. */
function every(everyMs: number, lastMs: number): () => boolean {
  return () => {
    if (performance.now() - lastMs < everyMs) return false
    lastMs = performance.now()
    return true
  }
}

function rounded(facts: Readonly<Record<string, number | string | null>>): Record<string, number | string | null> {
  return Object.fromEntries(
    Object.entries(facts).map(([key, value]) => [key, key.endsWith('Ms') && typeof value === 'number' ? Math.round(value) : value]),
  )
}
