import { everySecond } from '../../waiting.ts'
import type { CommandRun } from '../command.ts'
import { formatDuration } from './output.ts'
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
  /** what stands behind the share, the most important first */
  readonly parts: (progress: T) => readonly string[]
  /** what is waited for before the first update; left out: nothing is shown before it */
  readonly waits?: string
}

/**
 * A line with share, rate and time left on a terminal, a log line every ten seconds in a pipe, nothing with `--quiet`; where nobody knows how
 * much there is, `total` is null and there is no share. It is shown anew each second, also while nothing is done, so that what takes long
 * is told from what has come to a stop.
 */
export function createProgress<T extends { readonly done: number; readonly total: number | null }>(
  run: Shown,
  form: ProgressForm<T>,
): ProgressLine<T> {
  if (run.quiet) return SILENT
  const show = run.interactive ? createLine(run, form) : createLog(run, form)
  const startedMs = performance.now()
  let last: T | undefined
  let beat: Disposable | undefined
  let stopped = false
  const tell = (): void => {
    if (last !== undefined) show.update(last)
    else show.wait(performance.now() - startedMs)
  }
  if (form.waits !== undefined) beat = everySecond(tell)
  return {
    update(progress) {
      if (stopped) return
      last = progress
      beat ??= everySecond(tell)
      show.update(progress)
    },
    stop() {
      stopped = true
      beat?.[Symbol.dispose]()
      show.stop()
    },
  }
}

const SILENT: ProgressLine<unknown> = { update: () => undefined, stop: () => undefined }

interface Show<T> extends ProgressLine<T> {
  /** shows that the first update is waited for, and for how long it has been */
  wait(this: void, elapsedMs: number): void
}

function createLine<T extends { readonly done: number; readonly total: number | null }>(
  run: Shown,
  { parts, waits = '' }: ProgressForm<T>,
): Show<T> {
  const bar = createBar(run, DRAW_EVERY_MS)
  return {
    wait: (elapsedMs) => bar.update(0, null, () => [waits, formatDuration(elapsedMs)]),
    update: (progress) => bar.update(progress.done, progress.total, () => parts(progress)),
    stop: () => bar.stop(),
  }
}

function createLog<T>(run: Shown, { message, facts, waits = '' }: ProgressForm<T>): Show<T> {
  const isDue = every(LOG_EVERY_MS, performance.now())
  return {
    wait(elapsedMs) {
      if (isDue()) run.logger.info(rounded({ elapsedMs }), waits)
    },
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
