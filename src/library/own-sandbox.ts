import type { Sandbox } from '../sandbox/index.ts'

/** Loaded on demand: most clients have no use for an exchange. */
export async function startOwnSandbox(clockMs: () => number): Promise<Sandbox> {
  const { startSandbox } = await import('../sandbox/index.ts')
  return startSandbox({ now: clockMs })
}
