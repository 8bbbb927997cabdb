import { Presets, SingleBar } from 'cli-progress'
import type { Output } from './output.ts'

/** On a terminal: drawn anew so often. */
export const BAR_EVERY_MS = 100
/** In a pipe: one line in ten seconds. */
export const LINE_EVERY_MS = 10_000

/** A bar on a terminal that goes away when all is done. */
export interface Bar {
  /** Draws it, not too often. `text` stands behind the counts. */
  update(done: number, total: number, text: () => string): void
  /** Takes the bar away; may be called more than once. */
  stop(): void
}

/** A bar that is drawn from its first update on. */
export function createBar(stderr: Output): Bar {
  const bar = new SingleBar(
    {
      format: '{bar} {percentage}% {value}/{total}  {text}',
      stream: stderr as unknown as NodeJS.WritableStream,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: true,
      linewrap: false,
    },
    Presets.shades_classic,
  )
  let drawnMs = -Infinity
  let started = false
  return {
    update(done, total, text) {
      if (done < total && performance.now() - drawnMs < BAR_EVERY_MS) return
      drawnMs = performance.now()
      // an interrupt has taken it away already: drawn again it would stay behind
      if (started && !bar.isActive) return
      if (!started) bar.start(total, 0, { text: '' })
      started = true
      bar.setTotal(total)
      bar.update(done, { text: text() })
    },
    stop() {
      if (started) bar.stop()
    },
  }
}
