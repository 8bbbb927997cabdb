/** The steps in which something is stored, in this order. */
export type StepName = 'write' | 'sync' | 'rename' | 'sync-dir' | 'transaction' | 'remove'

/**
 * A seam for crash and fault tests: called before and after each step with the absolute path it is about (for the
 * transaction, the catalog's). What it throws takes the way of an error of the operating system at that point.
 */
export type Steps = (name: `before ${StepName}` | `after ${StepName}`, path: string) => void | Promise<void>

/** Runs one step; without `steps` it is nothing but the step, and returns when that does. */
export function runStep(steps: Steps | undefined, name: StepName, path: string, step: () => Promise<void> | void): Promise<void> | void {
  return steps === undefined ? step() : runWatched(steps, name, path, step)
}

async function runWatched(steps: Steps, name: StepName, path: string, step: () => Promise<void> | void): Promise<void> {
  await steps(`before ${name}`, path)
  await step()
  await steps(`after ${name}`, path)
}
