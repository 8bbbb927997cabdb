import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { CkvdError } from '../../errors.ts'
import { openLake } from '../../lake/lake.ts'
import type { LedgerReader } from '../../lake/ledger.ts'
import { dayStartUs, isoOfUs, parseUtcDay } from '../../model/utc-day.ts'
import { CHANGE_KINDS, readChanges } from '../../report/history/changes.ts'
import { readRuns } from '../../report/history/runs.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import type { FilterFlags } from '../options.ts'
import { endOption, monthOption, startOption } from '../range-options.ts'
import { addSettings, filterOf, intervalsOption, LOCAL_SETTINGS, marketOption, symbolsOption } from '../options.ts'
import type { Since } from '../show/day-changes.ts'
import { showChanges, writeChangesCsv } from '../show/day-changes.ts'
import { localOrigin } from '../show/sandbox-data.ts'
import { findRun } from './runs.ts'

interface ChangesFlags extends FilterFlags {
  readonly since?: string
  readonly csv?: true
}

/** `ckvd changes`. */
export function addChangesCommand(program: Command, context: CliContext): void {
  const command = program
    .command('changes')
    .description('which days of the lake are not what they were: stored, upgraded, republished, replaced, unexplained')
    .option('--since <RUN|DAY>', 'number of a run, from its start on, or a day, UTC (default: the last run)')
    .addOption(marketOption())
    .addOption(symbolsOption())
    .addOption(intervalsOption('only these intervals (default: all)'))
    .addOption(startOption('first day of bars'))
    .addOption(endOption('day of bars after the last one'))
    .addOption(monthOption())
    .option('--csv', 'CSV on stdout, a line a day')
  addSettings(command, {
    settings: LOCAL_SETTINGS,
    example: 'ckvd changes\nckvd changes --since 2024-03-01 --csv\nckvd changes --since 12 --symbols BTCUSDT',
    exits: {
      0: 'told, whether or not something changed',
      2: 'wrong usage, no lake there, or no such run',
      4: 'the lake could not be read',
    },
    notes: [
      'stored: bars are there, or it is proved why there are none; upgraded: an archive replaced what REST gave; republished: the archive was',
      'published anew and taken; replaced: other bars for another reason; pending: nobody has them yet; unexplained: see the reason.',
      'Of the version before the lake knows digests and ETag, and whether it was from REST; its condition is not kept.',
    ],
  })
  command.action((_options, self) => runCommand(context, self, report, { sources: false }))
}

async function report(run: CommandRun<ChangesFlags>): Promise<number> {
  const filter = filterOf(run)
  await using lake = await openLake(resolve(run.context.cwd, run.settings.lake), { mode: 'read', ...localOrigin(run) })
  const since = parseSince(lake.catalog, run.options.since)
  const changes = readChanges(lake.catalog, filter, since.iso)
  if (run.options.csv === true && !run.json) {
    writeChangesCsv(run.context.stdout, changes)
    return 0
  }
  const all = [...changes]
  const days = Object.fromEntries(CHANGE_KINDS.map((kind) => [kind, all.filter(({ change }) => change === kind).length]))
  if (run.json)
    run.printJson({ command: 'changes', exit: 0, since: isoOfUs(Date.parse(since.iso) * 1000), run: since.run, days, changes: all })
  else showChanges(run.context.stdout, since, all)
  return 0
}

/** Throws CKVD_USAGE. */
function parseSince(ledger: LedgerReader, text: string | undefined): Since {
  const day = parseUtcDay(text ?? '')
  if (day !== undefined) return { run: null, iso: new Date(dayStartUs(day) / 1000).toISOString() }
  const runs = readRuns(ledger)
  const last = runs.at(-1)
  if (text === undefined && last === undefined)
    throw new CkvdError(
      'CKVD_USAGE',
      'Expected `--since DAY`, such as --since 2024-03-01, got nothing: without it changes are told since the last run, and the lake remembers none.',
    )
  if (text !== undefined && !/^\d+$/.test(text))
    throw new CkvdError('CKVD_USAGE', `Expected \`--since\` to be the number of a run or a day as YYYY-MM-DD, got "${text}" (flag).`)
  const { run, started_at } = text === undefined && last !== undefined ? last : findRun(runs, text ?? '')
  return { run, iso: new Date(started_at).toISOString() }
}
