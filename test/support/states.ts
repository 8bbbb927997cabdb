import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Makes the directory that holds those of all test processes of a run (see state.ts), and removes it when the run has ended: a test process
 * cannot remove its own, since it is ended by a signal. Called for each group of tests; the first call makes it.
 */
export default function setup(): (() => void) | undefined {
  if (process.env['STATES_OF_TESTS'] !== undefined) return undefined
  const directory = mkdtempSync(join(tmpdir(), 'ckvd-states-'))
  process.env['STATES_OF_TESTS'] = directory
  return () => {
    delete process.env['STATES_OF_TESTS']
    rmSync(directory, { recursive: true, force: true })
  }
}
