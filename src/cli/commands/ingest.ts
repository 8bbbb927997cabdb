import type { Command } from '@commander-js/extra-typings'
import { CkvdError } from '../../errors.ts'
import type { IngestOptions } from '../../ingest/ingest-options.ts'
import type { IngestRequest } from '../../ingest/request/request-options.ts'
import { LEFT_OUT, parseIngestRequest } from '../../ingest/request.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { END_NOTES, metricsOption, onEndOption, pingOption } from '../end/end-options.ts'
import { runAnnounced } from '../end/announced-run.ts'
import { runRequest } from '../ingest-run.ts'
import { requestSurroundings } from '../request-surroundings.ts'
import {
  addSettings,
  dataOption,
  intervalsOf,
  intervalsOption,
  mapMarketOption,
  marketOption,
  symbolsOf,
  symbolsOption,
  wordOption,
} from '../options.ts'
import { endOption, monthOption, startOption } from '../range-options.ts'

/** `ckvd ingest`. */
export function addIngestCommand(program: Command, context: CliContext): void {
  const command = program
    .command('ingest')
    .description('plans, downloads, verifies, decodes, stores, backfills, reports: every requested bar present or explained')
    .option('--universe <FILE>', 'a list: CSV (market,symbol,…,available_intervals) or one symbol a line; - is standard input')
    .addOption(marketOption('market of symbols and of a list of one symbol a line (default: spot); of a CSV only this market'))
    .addOption(mapMarketOption())
    .addOption(symbolsOption('as the arguments; with --universe only these symbols of it'))
    .addOption(dataOption())
    .addOption(intervalsOption('only these intervals, or all that are listed (default: 1m)'))
    .addOption(startOption('first day (default: the first one that the listing has)'))
    .addOption(endOption('day after the last one (default: today)'))
    .addOption(monthOption())
    .addOption(
      wordOption('--archives', 'which archives: auto takes months where all their days are asked', ['auto', 'daily', 'monthly']).default(
        'auto' as const,
      ),
    )
    .option('--no-rest', 'do not ask the REST API: missing days stay pending or partial')
    .option('--dry-run', 'print the plan; download and write nothing')
    .option('--csv', 'with --dry-run: CSV on stdout, a line an archive')
    .option('--refresh', 'compare all stored days with the listing and take what was published anew')
    .option('--retry-failed', 'plan only days that are unexplained')
    .option('--force', 'plan all days, stored or not')
    .option('--cross-check', 'compare all days of monthly archives with the daily ones')
    .option('--keep-archives', "keep the ZIP files, under the lake's archives/")
    .addOption(onEndOption())
    .addOption(pingOption())
    .addOption(metricsOption())
  addSettings(command, {
    example: 'ckvd ingest BTCUSDT ETHUSDT --start 2024-01-01\nckvd ingest --universe universe.csv --intervals 1m,1h --month 2024-01',
    exits: {
      0: 'every requested day is stored, or its absence is explained',
      1: 'a bug',
      2: 'wrong usage, configuration or universe file; nothing was done',
      3: 'finished, but some days are partial, disputed, unexplainable, quarantined or failed; they are listed',
      4: 'stopped early: banned or rate limited, disk full, lake locked, sources unreachable',
      130: 'interrupted; safe to run again',
    },
    notes: END_NOTES,
  })
  command
    .argument('[symbols...]', 'symbols, such as BTCUSDT; with --universe only these symbols of it')
    .action((words, _options, self) => runAnnounced(context, self, (run) => runRequest(run, () => readOptions(run, words))))
}

/** The flags of `ingest`, as commander hands them over. */
type IngestFlags = Omit<IngestRequest, 'universe' | 'signal' | 'onProgress'> & { readonly universe?: string; readonly csv?: true }

function readOptions(run: CommandRun<IngestFlags>, words: readonly string[]): Promise<IngestOptions> {
  const { universe, market, mapMarket, data, start, end, month, archives, csv } = run.options
  const { rest, dryRun, refresh, retryFailed, force, crossCheck, keepArchives } = run.options
  if (csv === true && dryRun !== true)
    throw new CkvdError('CKVD_USAGE', 'Expected `--dry-run` with `--csv`: a line an archive is what a plan has to tell.')
  const symbols = symbolsOf(words, run.options.symbols)
  return parseIngestRequest(
    {
      ...{ universe, market, mapMarket, symbols, data, intervals: intervalsOf(run), start, end, month, archives },
      ...{ rest, dryRun, refresh, retryFailed, force, crossCheck, keepArchives, signal: run.signal },
    },
    run.settings,
    {
      ...requestSurroundings(run),
      onLeftOut: ({ market, symbol }) => run.logger.warn({ market, symbol }, LEFT_OUT),
    },
  )
}
