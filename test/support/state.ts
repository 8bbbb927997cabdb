import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/*
 * The state directory of everything that a test process starts: what tests remember of their servers is nothing to the user who runs them. A
 * test about what is remembered names a directory of its own.
 */
if (process.env['CKVD_STATE'] === undefined) {
  const directory = mkdtempSync(join(tmpdir(), 'ckvd-state-'))
  process.env['CKVD_STATE'] = directory
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
}
