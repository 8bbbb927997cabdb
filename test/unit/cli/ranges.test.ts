import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../../src/cli/program.ts'
import { createTempDirectory } from '../../support/temp-lake.ts'
import { runHere } from './support.ts'

/** What each command that takes a range needs besides. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  ingest: ['--universe', 'symbols.txt', '--market', 'spot'],
  changes: [],
  coverage: [],
  chart: ['BTCUSDT'],
  export: ['--out', 'export'],
  fetch: ['BTCUSDT'],
  prove: [],
  resample: ['--to', '1h'],
}

const RANGES = [
  ['after its end', '2024-01-09', '2024-01-02'],
  ['on its end', '2024-01-09', '2024-01-09'],
] as const

describe.each(Object.entries(COMMANDS))('%s', (name, args) => {
  test.each(RANGES)('a start %s is refused in the one sentence, before anything is done', async (_what, start, end) => {
    await using directory = await createTempDirectory()
    await writeFile(join(directory.path, 'symbols.txt'), 'BTCUSDT\n')
    const around = { cwd: directory.path, env: { CKVD_LAKE: 'lake', CKVD_STATE: 'state' } }
    const typed = await runHere([name, ...args, '--start', start, '--end', end], around)
    await writeFile(join(directory.path, 'ckvd.config.json'), JSON.stringify({ start, end }))
    for (const result of [typed, await runHere([name, ...args], around)]) {
      expect(result.exit).toBe(2)
      expect(result.stdout).toBe('')
      expect(result.stderr).toMatch(
        new RegExp(
          `^error CKVD_(USAGE|TIME): Expected \`--start\` before \`--end\` \\(which is excluded\\), got ${start}\\S* and ${end}\\S*\\.$`,
          'm',
        ),
      )
    }
  })
})

test('every command that takes a range is in the table', async () => {
  const output = { write: () => undefined }
  const program = await createProgram({
    stdin: (async function* () {})(),
    stdout: output,
    stderr: output,
    env: {},
    cwd: '.',
    signal: new AbortController().signal,
    now: () => 0,
    setExit: () => undefined,
  })
  const ranged = program.commands.filter(({ options }) => ['--start', '--end'].every((flag) => options.some(({ long }) => long === flag)))
  expect(ranged.map((command) => command.name()).sort()).toEqual(Object.keys(COMMANDS).sort())
})
