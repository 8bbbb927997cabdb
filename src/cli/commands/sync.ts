import type { Command } from '@commander-js/extra-typings'
import type { IngestOptions } from '../../ingest/ingest-options.ts'
import { LEFT_OUT } from '../../ingest/request.ts'
import type { SyncRequest } from '../../ingest/sync-request.ts'
import { parseSyncRequest } from '../../ingest/sync-request.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { END_NOTES, metricsOption, onEndOption, pingOption } from '../end/end-options.ts'
import { runAnnounced } from '../end/announced-run.ts'
import { runRequest } from '../ingest-run.ts'
import { addSettings, dataOption, dayOption, intervalsOf, intervalsOption, marketOption, symbolsOption, wordOption } from '../options.ts'
import { requestSurroundings } from '../request-surroundings.ts'

/** `ckvd sync`. */
export function addSyncCommand(program: Command, context: CliContext): void {
  const command = program
    .command('sync')
    .description('brings every series of the lake up to yesterday: the ingest of what the lake holds, for every day')
    .option('--universe <FILE>', 'only its symbols; those that the lake does not hold yet begin as `ckvd ingest` begins them')
    .addOption(marketOption())
    .addOption(symbolsOption())
    .addOption(dataOption())
    .addOption(intervalsOption('only these intervals, or all (default: those that the lake holds; of a new symbol 1m)'))
    .addOption(dayOption('--start', 'with --universe: first day of what the lake does not hold yet (default: the first one listed)'))
    .addOption(
      wordOption('--archives', 'which archives: auto takes months where all their days are asked', ['auto', 'daily', 'monthly']).default(
        'auto' as const,
      ),
    )
    .option('--no-rest', 'do not ask the REST API: missing days stay pending or partial')
    .option('--dry-run', 'print the plan; download and write nothing')
    .option('--refresh', 'compare all stored days with the listing and take what was published anew')
    .option('--cross-check', 'compare all days of monthly archives with the daily ones')
    .option('--keep-archives', "keep the ZIP files, under the lake's archives/")
    .addOption(onEndOption())
    .addOption(pingOption())
    .addOption(metricsOption())
  addSettings(command, {
    example: 'ckvd sync --quiet\nckvd sync --market um --intervals 1h',
    exits: {
      0: 'every day of every series is stored, or its absence is explained',
      1: 'a bug',
      2: 'wrong usage, or the lake has nothing of what is named; nothing was done',
      3: 'finished, but some days are partial, disputed, unexplainable, quarantined or failed; they are listed',
      4: 'stopped early: banned or rate limited, disk full, lake locked, sources unreachable',
      130: 'interrupted; safe to run again',
    },
    notes: [
      'Each series goes on from the day with which the lake has it. Days between its first day and yesterday that were never requested',
      'are requested now; days before it are not: `ckvd ingest --start` brings them.',
      '',
      ...END_NOTES,
    ],
  })
  command.action((_options, self) => runAnnounced(context, self, (run) => runRequest(run, () => readOptions(run))))
}

function readOptions(run: CommandRun<Omit<SyncRequest, 'signal' | 'onProgress'>>): Promise<IngestOptions> {
  const { universe, market, symbols, data, archives } = run.options
  // in the config file it is meant for an ingest
  const isMeant = universe !== undefined || run.isFlag('start')
  const start = isMeant ? run.options.start : undefined
  const { rest, dryRun, refresh, crossCheck, keepArchives } = run.options
  return parseSyncRequest(
    {
      ...{ universe, market, symbols, data, intervals: intervalsOf(run), start, archives },
      ...{ rest, dryRun, refresh, crossCheck, keepArchives, signal: run.signal },
    },
    run.settings,
    {
      ...requestSurroundings(run),
      onLeftOut: ({ market, symbol }) => run.logger.warn({ market, symbol }, LEFT_OUT),
    },
  )
}
