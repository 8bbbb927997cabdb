import { Presets, SingleBar } from 'cli-progress'
import { listenAbort } from '../../waiting.ts'
import type { CommandRun } from '../command.ts'

/** A bar on a terminal that goes away when all is done. */
export interface Bar {
  /** Draws it, not too often. `text` stands behind the counts. */
  update(done: number, total: number, text: () => string): void
  /** Takes the bar away; may be called more than once. */
  stop(): void
}

/** A bar that is drawn from its first update on, and goes away for good when the command is interrupted. `unit` stands behind the counts. */
export function createBar({ context, signal }: Pick<CommandRun<object>, 'context' | 'signal'>, everyMs: number, unit = ''): Bar {
  const bar = new SingleBar(
    {
      format: `{bar} {percentage}% {value}/{total}${unit}  {text}`,
      stream: context.stderr.raw as unknown as NodeJS.WritableStream,
      // signals are ours
      gracefulExit: false,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: true,
      linewrap: false,
    },
    Presets.shades_classic,
  )
  let drawnMs = -Infinity
  let started = false
  const stop = (): void => {
    if (started) bar.stop()
  }
  const stopListening = listenAbort(signal, stop)
  return {
    update(done, total, text) {
      // drawn after an interrupt it would stay behind
      if (signal.aborted) return
      if (done < total && performance.now() - drawnMs < everyMs) return
      drawnMs = performance.now()
      // complete, it has gone away already
      if (started && !bar.isActive) return
      if (!started) bar.start(total, 0, { text: '' })
      started = true
      bar.setTotal(total)
      bar.update(done, { text: text() })
    },
    stop() {
      stopListening()
      stop()
    },
  }
}
