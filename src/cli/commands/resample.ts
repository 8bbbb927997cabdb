import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import { CkvdError } from '../../errors.ts'
import type { Lake } from '../../lake/lake.ts'
import { openLake } from '../../lake/lake.ts'
import { listSelectedSeries } from '../../lake/selection.ts'
import type { Interval } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import { filterResampled } from '../../model/resample.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import { dayOfUs } from '../../model/utc-day.ts'
import { symbolOf } from '../../question/symbol-format.ts'
import { BarCheck } from '../../resample/resample-check.ts'
import type { LakeBars } from '../../resample/resample-lake.ts'
import { LakeResampler, openRange, stateOf } from '../../resample/resample-lake.ts'
import { findAmountColumn } from '../../resample/amount-column.ts'
import { SizedLake } from '../../resample/sized-lake.ts'
import type { BarWriter } from '../show/bar-writer.ts'
import {
  createArrowWriter,
  createCsvWriter,
  createJsonWriter,
  createParquetWriter,
  createTableWriter,
  createTextWriter,
} from '../show/bar-writer.ts'
import type { OutFormat } from '../show/out-format.ts'
import { chooseFormat, FORMAT_DEFAULT, OUT_FORMATS } from '../show/out-format.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { sumNeverRequested } from '../show/never-requested.ts'
import {
  addSettings,
  datasetOption,
  LOCAL_SETTINGS,
  intervalOption,
  marketOption,
  symbolsOf,
  symbolsOption,
  wordOption,
} from '../options.ts'
import { parseFlag } from '../flag-parser.ts'
import type { RangeFlags } from '../range-options.ts'
import { endOption, monthOption, rangeOf, startOption } from '../range-options.ts'
import type { Plan, SizedText } from '../resample-plan.ts'
import { planOf, readSize, sourceOf } from '../resample-plan.ts'
import type { Sink } from '../show/out-file.ts'
import { OutFile } from '../show/out-file.ts'
import { writeData } from '../show/output.ts'
import type { SeriesResult } from '../show/resample-report.ts'
import { exitOf, printReport } from '../show/resample-report.ts'
import { localOrigin, tellSandbox } from '../show/sandbox-data.ts'

/** The flags of `resample`, as commander hands them over. */
interface ResampleFlags extends RangeFlags {
  readonly market?: Market
  readonly symbols?: string[]
  readonly from: Interval
  readonly to?: Interval
  readonly by?: SizedText
  readonly data?: string
  readonly check?: true
  readonly incomplete?: true
  readonly format?: OutFormat
  readonly out?: string
}

/** What is done to each series. */
interface Job {
  readonly lake: Lake
  readonly plan: Plan
  readonly opens: TimeRange
  readonly writer: BarWriter | undefined
}

/** `ckvd resample`. */
export function addResampleCommand(program: Command, context: CliContext): void {
  const command = program
    .command('resample')
    .description("larger bars made of the lake's smaller ones, on the exchange's own grid, and compared with the exchange's own bars")
    .addOption(marketOption())
    .addOption(symbolsOption())
    .addOption(intervalOption('--from', 'length of the bars that are in the lake; of klines alone').default('1m' as const))
    .addOption(intervalOption('--to', 'length of the bars to make; it must be made of whole bars of --from'))
    .addOption(
      new Option(
        '--by <SIZE>',
        'size of the bars to make instead: 90s, 7m, 1000trades, 10BTC, 500000USDT (of trades unless --data says klines)',
      ).argParser(parseFlag('--by', 'a size such as 7m, 1000trades or 10BTC', readSize)),
    )
    .addOption(datasetOption('what bars are made of: klines, trades or aggTrades (default: klines; with --by trades)'))
    .addOption(startOption('first day on which a larger bar may open (UTC; default: all)'))
    .addOption(endOption('day after the last one'))
    .addOption(monthOption())
    .option(
      '--check',
      "compare with the exchange's own bars in the lake and list every difference; no bars are printed without --format or --out",
    )
    .option(
      '--incomplete',
      'also bars in which smaller ones are missing; columns bars and expected_bars tell how many there are (with --by: that some are)',
    )
    .addOption(wordOption('--format', `${FORMAT_DEFAULT}; with --check alone no bars`, OUT_FORMATS))
    .addOption(new Option('--out <FILE>', 'write the bars there instead of to standard output'))
  addSettings(command, {
    settings: LOCAL_SETTINGS,
    example:
      'ckvd resample BTCUSDT --to 1h --start 2024-01-01 --end 2024-02-01 --out btc-1h.parquet\n' +
      'ckvd resample --market spot --from 1m --to 1d --check',
    exits: {
      0: 'done; all smaller bars of the range are stored or explained, and --check found no difference',
      2: 'wrong usage, or the lake has no such bars; nothing was written',
      3: '--check found differences or nothing to compare with, some days are partial, disputed, unexplainable, quarantined, failed or were never requested, or a shard is damaged; they are listed',
      4: 'the lake or the output could not be read or written',
      130: 'interrupted; no --out file was written',
    },
  })
  command
    .argument('[symbols...]', 'symbols, such as BTCUSDT (default: all that the lake has bars of)')
    .action((words, _options, self) => runCommand(context, self, (run) => runResample(run, words), { sources: false }))
}

async function runResample(run: CommandRun<ResampleFlags>, words: readonly string[]): Promise<number> {
  const { options, context } = run
  const plan = planOf(options, run.isFlag)
  const { to } = plan
  const days = rangeOf(options, run.nowMs())
  const isCheckAlone = options.check === true && options.out === undefined && options.format === undefined
  const format = isCheckAlone ? undefined : chooseFormat(options, context.stdout.isTTY === true || run.json)
  const root = resolve(context.cwd, run.settings.lake)
  await using lake = await openLake(root, { mode: 'read', ...localOrigin(run) })
  const chosen = chooseSeries(lake, options, plan, words)
  const opens = openRange(days.start, days.end)
  checkAny(lake, chosen, plan, opens)
  await using file = options.out === undefined ? undefined : await OutFile.create(resolve(context.cwd, options.out), root)
  const toStdout: Sink = { write: (part) => Promise.resolve(writeData(context.stdout, part as string)) }
  const hasBars = format !== undefined && (file !== undefined || !run.json)
  const writer = hasBars ? createWriter(run, format, file ?? toStdout, plan) : undefined
  const results: SeriesResult[] = []
  for (const series of chosen) results.push(await resampleSeries(run, series, { lake, plan, opens, writer }))
  await writer?.end()
  await file?.commit()
  const exit = exitOf(results)
  if (run.json) {
    const range = { start: days.start ?? null, end: days.end ?? null }
    run.printJson({ command: 'resample', exit, from: sourceOf(plan), to, range, series: results, out: options.out ?? null })
  } else if (!run.quiet || exit !== 0) {
    // bars in a pipe are alone there
    const isPiped = writer !== undefined && file === undefined && (format !== 'table' || context.stdout.isTTY !== true)
    printReport(isPiped || run.quiet ? context.stderr : context.stdout, results, {
      checked: options.check === true,
      out: options.out,
      exit,
    })
    tellSandbox(run, lake.origin, true)
  }
  return exit
}

/** The series with smaller bars that flags and arguments name. Throws CKVD_USAGE when one that is named is not there. */
function chooseSeries(lake: Lake, options: ResampleFlags, { dataset, from, rule }: Plan, words: readonly string[]): Series[] {
  const { market } = options
  const named = (symbolsOf(words, options.symbols) ?? []).map((symbol) => symbolOf(symbol, market ?? 'spot'))
  const all = listSelectedSeries(lake.catalog, {
    ...(market === undefined ? {} : { market }),
    ...(dataset === undefined ? { intervals: [from] } : { datasets: [dataset] }),
  })
  // where nobody is named, those that trade in the asset
  const isMeant = (series: Series): boolean =>
    named.length > 0 ? named.includes(series.symbol) : rule?.kind !== 'amount' || findAmountColumn(series, rule.asset) !== undefined
  const chosen = all.filter(isMeant)
  const missing = named.filter((symbol) => chosen.every((series) => series.symbol !== symbol))
  if (chosen.length > 0 && missing.length === 0) return chosen
  const what = `${dataset ?? `${from} bars`} of ${missing.length > 0 ? missing.join(', ') : 'any symbol'}${market === undefined ? '' : ` in ${market}`}`
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected ${what} in the lake ${lake.paths.root}, found none. \`ckvd coverage\` tells what it holds, \`ckvd ingest ${dataset === undefined ? `--intervals ${from}` : `--data ${dataset}`}\` fetches them.`,
  )
}

/** Throws CKVD_USAGE when the lake has no day of smaller bars for the range, or bars cannot be made of what is chosen. */
function checkAny(lake: Lake, chosen: readonly Series[], plan: Plan, opens: TimeRange): void {
  // each is made before a bar is written: what it refuses is told first
  const resamplers = chosen.map((series) => resamplerOf(lake, series, plan, opens))
  if (resamplers.some((resampler) => resampler.hasDays())) return
  const range = [opens.startUs, opens.endUs].map((timeUs) => (Number.isFinite(timeUs) ? dayOfUs(timeUs) : '…')).join(' to ')
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected days of ${plan.dataset ?? `${plan.from} bars`} in the lake ${lake.paths.root} for bars of ${plan.to} that open in ${range}, found none. \`ckvd coverage\` tells what it holds.`,
  )
}

/** Bars of the exchange's grid, or of a size of their own. */
function resamplerOf(lake: Lake, series: Series, { rule, to }: Plan, opens: TimeRange): LakeResampler | SizedLake {
  return rule === null ? new LakeResampler(lake, series, to as Interval, opens) : new SizedLake(lake, series, rule, opens)
}

function createWriter(run: CommandRun<ResampleFlags>, format: OutFormat, sink: Sink, plan: Plan): BarWriter {
  const withCounts = run.options.incomplete === true
  const { stdout } = run.context
  const metadata = new Map([
    ['ckvd.interval', plan.to],
    ['ckvd.resampled_from', sourceOf(plan)],
  ])
  switch (format) {
    case 'table':
      return run.options.out === undefined && stdout.isTTY === true
        ? createTableWriter(sink, withCounts, stdout.columns)
        : createTextWriter(sink, withCounts)
    case 'csv':
      return createCsvWriter(sink, withCounts)
    case 'json':
      return createJsonWriter(sink, withCounts)
    case 'arrow':
      return createArrowWriter(sink, withCounts, metadata)
    case 'parquet':
      return createParquetWriter(sink, withCounts, metadata)
  }
}

async function resampleSeries(run: CommandRun<ResampleFlags>, series: Series, job: Job): Promise<SeriesResult> {
  const { lake, plan, opens, writer } = job
  const resampler = resamplerOf(lake, series, plan, opens)
  const { market, symbol } = series
  const target = { ...(plan.dataset === undefined ? series : { market, symbol }), interval: plan.to }
  const check =
    run.options.check === true && resampler instanceof LakeResampler ? new BarCheck(lake, opens, resampler, run.signal) : undefined
  const counts = { complete: 0, outage: 0, incomplete: 0 }
  const differences = []
  for await (const bars of resampler.bars(run.signal)) {
    for (let row = 0; row < bars.bars.length; row++) counts[stateOf(bars, row)]++
    if (check !== undefined) differences.push(...(await check.compare(bars)))
    await writeBars(writer, target, bars, run.options.incomplete === true)
  }
  await writer?.endSeries?.()
  if (check !== undefined) differences.push(...(await check.finish()))
  run.logger.debug({ ...target, ...counts }, 'series resampled')
  return {
    ...target,
    from: sourceOf(plan),
    bars: counts,
    unexplained: resampler.unexplained,
    never_requested: sumNeverRequested(resampler.neverRequested),
    never_requested_days: resampler.neverRequested,
    check: check === undefined ? null : { ...check.counts, differences },
  }
}

async function writeBars(
  writer: BarWriter | undefined,
  series: Pick<Series, 'market' | 'symbol'>,
  bars: LakeBars,
  withIncomplete: boolean,
): Promise<void> {
  const wanted = withIncomplete ? bars : filterResampled(bars, (row) => stateOf(bars, row) === 'complete')
  if (writer !== undefined && wanted.bars.length > 0) await writer.write(series, wanted)
}
