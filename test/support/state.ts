import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'

/*
 * The state directory of everything that a test process starts: what tests remember of their servers is nothing to the user who runs them. A
 * test about what is remembered names a directory of its own. They lie in the directory of the run, which goes when the run has ended.
 */
if (process.env['CKVD_STATE'] === undefined) {
  const states = process.env['STATES_OF_TESTS']
  if (states === undefined) throw new Error('Expected the directory that test/support/states.ts makes, found none. Check globalSetup.')
  process.env['CKVD_STATE'] = mkdtempSync(join(states, 'state-'))
}
