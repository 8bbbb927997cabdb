import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { DecodePool } from '../../acquire/decode-pool.ts'
import { CkvdError, describeSystemError } from '../../errors.ts'
import type { DryRunResult, IngestOptions } from '../../ingest/ingest.ts'
import type { IngestResult } from '../../ingest/result.ts'
import { parseUniverse } from '../../ingest/universe.ts'
import type { Interval } from '../../model/interval.ts'
import { dayOfUs } from '../../model/utc-day.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { ingestSettings } from '../ingest-settings.ts'
import { showDryRun, showPlan, showResult } from '../show/ingest-output.ts'
import {
  addSettings,
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

const MAX_UNIVERSE_BYTES = 64 << 20
const DEFAULT_INTERVALS: readonly Interval[] = ['1m']

/** `ckvd ingest`. */
export function addIngestCommand(program: Command, context: CliContext): void {
  const command = program
    .command('ingest')
    .description('plans, downloads, verifies, decodes, stores, backfills, reports: every requested bar present or explained')
    .option('--universe <FILE>', 'symbols to ingest: CSV (market,symbol,…,available_intervals) or one symbol a line; - is standard input')
    .addOption(marketOption('of a CSV only this market; market of a list of one symbol a line'))
    .addOption(mapMarketOption())
    .addOption(symbolsOption())
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
      3: 'finished, but some days are partial, quarantined or failed; they are listed',
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

/** The flags of `ingest`, as commander hands them over. */
interface IngestFlags {
  readonly universe?: string
  readonly market?: 'spot' | 'um' | 'cm'
  readonly mapMarket?: 'um' | 'cm'
  readonly symbols?: string[]
  readonly intervals?: Interval[] | 'all'
  readonly start?: IngestOptions['end']
  readonly end?: IngestOptions['end']
  readonly archives: IngestOptions['archives']
  readonly rest: boolean
  readonly dryRun?: true
  readonly refresh?: true
  readonly retryFailed?: true
  readonly force?: true
  readonly crossCheck?: true
  readonly keepArchives?: true
}

async function readOptions(run: CommandRun<IngestFlags>, events: IngestOptions['events']): Promise<IngestOptions> {
  const { options: flags, settings, context } = run
  if (flags.force === true && flags.retryFailed === true)
    throw new CkvdError('CKVD_USAGE', 'Expected `--force` (all days) or `--retry-failed` (unexplained days only), got both. Leave one out.')
  const name = requireOption(flags.universe, '--universe FILE')
  const bytes = await readUniverse(name, context)
  const universe = parseUniverse(bytes, {
    name,
    market: flags.market,
    symbols: flags.symbols,
    intervals: flags.intervals ?? DEFAULT_INTERVALS,
    mapMarket: flags.mapMarket,
  })
  for (const line of universe.withoutInterval)
    run.logger.warn({ market: line.market, symbol: line.symbol }, 'symbol left out: its line lists none of the intervals asked for')
  return {
    universe: universe.series,
    start: flags.start ?? null,
    end: flags.end ?? dayOfUs(run.nowMs() * 1000),
    archives: flags.archives,
    rest: flags.rest,
    refresh: flags.refresh === true,
    retryFailed: flags.retryFailed === true,
    force: flags.force === true,
    crossCheck: flags.crossCheck === true,
    keepArchives: flags.keepArchives === true,
    ...ingestSettings(run, resolve(context.cwd, settings.lake)),
    events: { ...events, onPlan: (totals, series) => showPlan(run, totals, series) },
  }
}

async function readUniverse(name: string, context: CliContext): Promise<Uint8Array> {
  const stream = name === '-' ? context.stdin : createReadStream(resolve(context.cwd, name))
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array | string>) {
      const bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk
      length += bytes.length
      if (length > MAX_UNIVERSE_BYTES)
        throw new CkvdError('CKVD_UNIVERSE', `Expected a universe file of at most 64 MiB, ${name} is larger.`)
      chunks.push(bytes)
    }
  } catch (cause) {
    if (cause instanceof CkvdError) throw cause
    throw new CkvdError('CKVD_USAGE', `Could not read the universe file ${name}: ${describeSystemError(cause)}.`, { cause })
  }
  return Buffer.concat(chunks)
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
