import type { Command } from '@commander-js/extra-typings'
import { DecodePool } from '../../acquire/decode-pool.ts'
import type { DryRunResult, IngestOptions } from '../../ingest/ingest.ts'
import type { IngestRequest } from '../../ingest/request.ts'
import { LEFT_OUT, parseIngestRequest } from '../../ingest/request.ts'
import type { IngestResult } from '../../ingest/result.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { requestSurroundings } from '../request-surroundings.ts'
import { showDryRun, showPlan, showResult } from '../show/ingest-output.ts'
import {
  addSettings,
  dataOption,
  dayOption,
  intervalsOption,
  mapMarketOption,
  marketOption,
  requireOption,
  symbolsOption,
  wordOption,
} from '../options.ts'
import { tellSandbox } from '../show/sandbox-data.ts'
import type { ProgressView } from '../show/progress-view.ts'
import { createProgressView } from '../show/progress-view.ts'

/** `ckvd ingest`. */
export function addIngestCommand(program: Command, context: CliContext): void {
  const command = program
    .command('ingest')
    .description('plans, downloads, verifies, decodes, stores, backfills, reports: every requested bar present or explained')
    .option('--universe <FILE>', 'symbols to ingest: CSV (market,symbol,…,available_intervals) or one symbol a line; - is standard input')
    .addOption(marketOption('of a CSV only this market; market of a list of one symbol a line'))
    .addOption(mapMarketOption())
    .addOption(symbolsOption())
    .addOption(dataOption())
    .addOption(intervalsOption('only these intervals, or all that are listed (default: 1m)'))
    .addOption(dayOption('--start', 'first day (default: the first one that the listing has)'))
    .addOption(dayOption('--end', 'day after the last one (default: today)'))
    .addOption(
      wordOption('--archives', 'which archives: auto takes months where all their days are asked', ['auto', 'daily', 'monthly']).default(
        'auto' as const,
      ),
    )
    .option('--no-rest', 'do not ask the REST API: missing days stay pending or partial')
    .option('--dry-run', 'print the plan; download and write nothing')
    .option('--refresh', 'compare all stored days with the listing and take what was published anew')
    .option('--retry-failed', 'plan only days that are unexplained')
    .option('--force', 'plan all days, stored or not')
    .option('--cross-check', 'compare all days of monthly archives with the daily ones')
    .option('--keep-archives', "keep the ZIP files, under the lake's archives/")
  addSettings(command, {
    example:
      'ckvd ingest --universe spot_synchronal.csv --intervals 1m,1h --start 2024-01-01\nprintf "BTCUSDT\\n" | ckvd ingest --universe - --market um --start 2024-01-01 --end 2024-02-01',
    exits: {
      0: 'every requested day is stored, or its absence is explained',
      1: 'a bug',
      2: 'wrong usage, configuration or universe file; nothing was done',
      3: 'finished, but some days are partial, disputed, unexplainable, quarantined or failed; they are listed',
      4: 'stopped early: banned or rate limited, disk full, lake locked, sources unreachable',
      130: 'interrupted; safe to run again',
    },
  })
  command.action((_options, self) =>
    runCommand(context, self, async (run) => {
      const view = createProgressView(run)
      const options = await readOptions(run, view.events)
      return run.options.dryRun === true ? await plan(run, options, view) : await ingest(run, options, view)
    }),
  )
}

/** The flags of `ingest`, as commander hands them over: a request, but for the universe, which may be missing. */
type IngestFlags = Omit<IngestRequest, 'universe' | 'signal' | 'onProgress'> & { readonly universe?: string }

async function readOptions(run: CommandRun<IngestFlags>, events: IngestOptions['events']): Promise<IngestOptions> {
  const { market, mapMarket, symbols, data, intervals, start, end, archives } = run.options
  const { rest, dryRun, refresh, retryFailed, force, crossCheck, keepArchives } = run.options
  const universe = requireOption(run.options.universe, '--universe FILE')
  const options = await parseIngestRequest(
    {
      ...{ universe, market, mapMarket, symbols, data, intervals, start, end, archives },
      ...{ rest, dryRun, refresh, retryFailed, force, crossCheck, keepArchives, signal: run.signal },
    },
    run.settings,
    {
      ...requestSurroundings(run),
      onLeftOut: ({ market, symbol }) => run.logger.warn({ market, symbol }, LEFT_OUT),
    },
  )
  return { ...options, events: { ...events, onPlan: (totals, series) => showPlan(run, totals, series) } }
}

async function plan(run: CommandRun<IngestFlags>, options: IngestOptions, view: ProgressView): Promise<number> {
  const { planIngest } = await import('../../ingest/ingest.ts')
  return printDryRun(run, await planIngest(options).finally(() => view.stop()))
}

/** The decode threads start before the rest of the program is loaded: on two processors they are ready when the first archive comes. */
async function ingest(run: CommandRun<IngestFlags>, options: IngestOptions, view: ProgressView): Promise<number> {
  if (options.pool !== undefined) return await ingestWith(run, options, view)
  await using pool = new DecodePool({ workers: options.workers })
  pool.start()
  return await ingestWith(run, { ...options, pool }, view)
}

async function ingestWith(run: CommandRun<IngestFlags>, options: IngestOptions, view: ProgressView): Promise<number> {
  const { runIngest } = await import('../../ingest/ingest.ts')
  return printResult(run, await runIngest(options).finally(() => view.stop()))
}

function printDryRun(run: CommandRun<IngestFlags>, result: DryRunResult): number {
  if (run.json) run.printJson(result)
  else showDryRun(run.context.stdout, result)
  return result.exit
}

function printResult(run: CommandRun<IngestFlags>, result: IngestResult): number {
  if (run.json) run.printJson(result)
  else showResult(run.context.stdout, result)
  tellSandbox(run, run.settings.sandbox ? 'sandbox' : null)
  return result.exit
}
