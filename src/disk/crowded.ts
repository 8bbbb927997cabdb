import { setTimeout as pause } from 'node:timers/promises'
import { crowdedCode } from '../errors.ts'

/** Pauses before something is tried again for which too many files were open, milliseconds: five seconds in all. */
export const CROWDED_PAUSES_MS: readonly number[] = [20, 40, 80, 160, 320, 640, 1280, 2560]

/** True for what the system says when the process, or the machine, has too many files open: of Node's errors and of ours. */
export function isCrowded(error: unknown): boolean {
  return crowdedCode(error) !== undefined
}

/** Does the work, and again after a pause where too many files are open: connections and threads have some, too, and give them back. */
export async function whenUncrowded<T>(work: () => Promise<T>): Promise<T> {
  for (const pauseMs of CROWDED_PAUSES_MS) {
    try {
      return await work()
    } catch (error) {
      if (!isCrowded(error)) throw error
      await pause(pauseMs * (0.5 + Math.random())) // not all at the same moment again
    }
  }
  return await work()
}
