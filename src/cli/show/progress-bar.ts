import { listenAbort } from '../../waiting.ts'
import type { CommandRun } from '../command.ts'

/** One line on a terminal that is written over and goes away when all is done. */
export interface Bar {
  /** Draws it, not too often. What does not fit of the parts is left out, the last ones first. */
  update(done: number, total: number | null, parts: () => readonly string[]): void
  /** Takes it away; may be called more than once. */
  stop(): void
}

const CELLS = 10
const SEPARATOR = ' · '

/**
 * A line that is drawn from its first update on, and goes away for good when the command is interrupted. It is never wider than the
 * terminal, and changes no mode of it: however the process ends, there is nothing to restore but the line itself.
 */
export function createBar({ context, signal }: Pick<CommandRun<object>, 'context' | 'signal'>, everyMs: number): Bar {
  const { stderr } = context
  let drawnMs = -Infinity
  let isDrawn = false
  const stop = (): void => {
    if (isDrawn) stderr.raw.write('\r\x1b[K')
    isDrawn = false
  }
  const stopListening = listenAbort(signal, stop)
  return {
    update(done, total, parts) {
      // drawn after an interrupt it would stay behind
      if (signal.aborted || performance.now() - drawnMs < everyMs) return
      drawnMs = performance.now()
      isDrawn = true
      stderr.raw.write(`\r${barLine(done, total, parts(), (stderr.columns ?? 80) - 1)}\x1b[K`)
    },
    stop() {
      stopListening()
      stop()
    },
  }
}

/** `████░░░░░░ 42% · 12.3 MB/s · ETA 3 min 05 s · …`, as much of it as fits. */
function barLine(done: number, total: number | null, parts: readonly string[], width: number): string {
  const share = total === null ? null : total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.floor((share ?? 0) * CELLS)
  const head = share === null ? [] : [`${'█'.repeat(filled)}${'░'.repeat(CELLS - filled)} ${Math.floor(share * 100)}%`]
  let line = ''
  for (const part of [...head, ...parts].filter((text) => text !== '')) {
    const next = line === '' ? part : `${line}${SEPARATOR}${part}`
    if (next.length > width) break
    line = next
  }
  return line
}
