import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createTempDirectory } from '../support/temp-lake.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

test('a run of tests leaves nothing in the directory of temporary files, whichever way its processes end', async () => {
  await using directory = await createTempDirectory()
  const temporary = join(directory.path, 'tmp')
  await mkdir(temporary)
  // the surroundings of whoever runs tests: this process itself has a state directory already
  const { CKVD_STATE: _state, STATES_OF_TESTS: _states, ...env } = process.env
  // one file of those that share a process, and one of those that have their own
  const files = ['test/unit/dataset/names.test.ts', 'test/unit/docs/changelog.test.ts', 'test/integration/nothing-there.test.ts']
  const child = spawn(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ...files], {
    cwd: ROOT,
    env: { ...env, TMPDIR: temporary, TEMP: temporary, TMP: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [exit] = (await once(child, 'close')) as [number | null]
  expect([exit, output]).toEqual([0, expect.stringContaining('3 passed')])
  expect(await readdir(temporary)).toEqual([])
})
