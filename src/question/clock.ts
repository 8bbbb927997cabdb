import type { Settings } from '../../config/settings.ts'
import { nowMs } from '../../config/settings.ts'

/** A clock in epoch milliseconds that runs: the system's, or one that starts now at the fixed time of `CKVD_NOW`. */
export function createClock(settings: Pick<Settings, 'now'>): () => number {
  if (settings.now === null) return Date.now
  const startMs = nowMs(settings)
  const startedMs = performance.now()
  return () => startMs + Math.floor(performance.now() - startedMs)
}
