import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { CkvdError } from '../../errors.ts'
import { openLake } from '../../lake/lake.ts'
import type { RunRecord } from '../../report/history/runs.ts'
import { readRuns } from '../../report/history/runs.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { addSettings, LOCAL_SETTINGS } from '../options.ts'
import { showRun, showRuns, writeRunsCsv } from '../show/run-history.ts'
import { localOrigin } from '../show/sandbox-data.ts'

interface RunsFlags {
  readonly csv?: true
}

/** `ckvd runs`. */
export function addRunsCommand(program: Command, context: CliContext): void {
  const command = program
    .command('runs')
    .description('the history of a lake: what each run stored, upgraded and took anew, and what failed')
    .option('--csv', 'CSV on stdout, a line a run')
  addSettings(command, {
    settings: LOCAL_SETTINGS,
    example: 'ckvd runs\nckvd runs 12\nckvd changes --since 12',
    exits: { 0: 'told', 2: 'wrong usage, no lake there, or no such run', 4: 'the lake could not be read' },
    notes: [
      "Runs are those of ingest, sync, verify --repair and the library's ingest and sync. The exit code tells of this command alone.",
    ],
  })
  command
    .argument('[RUN]', 'the number of a run: all that the lake remembers of it')
    .action((number, _options, self) => runCommand(context, self, (run) => report(run, number), { sources: false }))
}

async function report(run: CommandRun<RunsFlags>, number: string | undefined): Promise<number> {
  await using lake = await openLake(resolve(run.context.cwd, run.settings.lake), { mode: 'read', ...localOrigin(run) })
  const runs = readRuns(lake.catalog)
  const chosen = number === undefined ? undefined : findRun(runs, number)
  if (run.json) run.printJson({ command: 'runs', exit: 0, runs: chosen === undefined ? runs : [chosen] })
  else if (run.options.csv === true) writeRunsCsv(run.context.stdout, chosen === undefined ? runs : [chosen])
  else if (chosen === undefined) showRuns(run.context.stdout, runs)
  else showRun(run.context.stdout, chosen)
  return 0
}

/** The run of a number. Throws CKVD_USAGE. */
export function findRun(runs: readonly RunRecord[], text: string): RunRecord {
  const found = runs.find(({ run }) => String(run) === text)
  if (found !== undefined) return found
  const known = runs.length === 0 ? 'the lake remembers none' : `the lake remembers ${runs[0]?.run ?? ''} to ${runs.at(-1)?.run ?? ''}`
  throw new CkvdError('CKVD_USAGE', `Expected the number of a run, got "${text}": ${known}. \`ckvd runs\` lists them.`)
}
