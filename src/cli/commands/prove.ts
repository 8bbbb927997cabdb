import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { CkvdError } from '../../errors.ts'
import type { Lake, WritableLake } from '../../lake/lake.ts'
import { openLake } from '../../lake/lake.ts'
import { listSelectedSeries } from '../../lake/selection.ts'
import type { Market } from '../../model/market.ts'
import type { Series } from '../../model/series.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { addDays } from '../../model/utc-day.ts'
import type { ProvableInterval, ProvenDay } from '../../resample/prove.ts'
import { proveDay, recordProof, tradesOf } from '../../resample/prove.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { symbolOf } from '../../question/symbol-format.ts'
import { addSettings, LOCAL_SETTINGS, marketOption, symbolsOf, wordOption } from '../options.ts'
import type { RangeFlags } from '../range-options.ts'
import { endOption, monthOption, rangeOf, startOption } from '../range-options.ts'
import { formatCountOf } from '../show/output.ts'
import { createProgress } from '../show/progress.ts'
import type { ProvenSeries } from '../show/proof-report.ts'
import { printProof } from '../show/proof-report.ts'
import { localOrigin, tellSandbox } from '../show/sandbox-data.ts'

const INTERVALS: readonly ProvableInterval[] = ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h']

interface ProveFlags extends RangeFlags {
  readonly market?: Market
  readonly interval: ProvableInterval
}

/** `ckvd prove`. */
export function addProveCommand(program: Command, context: CliContext): void {
  const command = program
    .command('prove')
    .description('bars of the lake compared with its trades: every open, high, low, close, volume and count made anew of what was traded')
    .addOption(marketOption())
    .addOption(wordOption('--interval', 'length of the bars that are proved', INTERVALS).default('1m' as const))
    .addOption(startOption('first day (UTC; default: all that have both)'))
    .addOption(endOption('day after the last one'))
    .addOption(monthOption())
  addSettings(command, {
    settings: LOCAL_SETTINGS,
    example:
      'ckvd ingest BTCUSDT --data klines,trades --start 2024-03-01 --end 2024-03-08\n' +
      'ckvd prove BTCUSDT --start 2024-03-01 --end 2024-03-08',
    exits: {
      0: 'each bar is what its trades say; the evidence of these days says `proved`',
      2: 'wrong usage, or the lake has no bars and trades of these symbols; nothing was written',
      3: 'bars differ from their trades, or a day has not both whole; they are listed',
      4: 'the lake could not be read or written, or another run is writing to it',
      130: 'interrupted; what was proved until then is recorded',
    },
    notes: [
      'Aggregate trades prove no bars: they have one time for several trades.',
      'Of futures some trades are not published (of the insurance fund, of auto-deleveraging): where the bars count them, they differ.',
    ],
  })
  command
    .argument('[symbols...]', 'symbols, such as BTCUSDT (default: all of which the lake has bars and trades)')
    .action((words, _options, self) => runCommand(context, self, (run) => prove(run, words), { sources: false }))
}

async function prove(run: CommandRun<ProveFlags>, words: readonly string[]): Promise<number> {
  const { start, end } = rangeOf(run.options, run.nowMs())
  const root = resolve(run.context.cwd, run.settings.lake)
  // a lake that is not there is not begun
  await (await openLake(root, { mode: 'read', ...localOrigin(run) })).close()
  await using lake = await openLake(root, { mode: 'write', tell: (message) => run.logger.info(message), ...localOrigin(run) })
  const work = chooseSeries(lake, run.options, words).map((series) => ({ series, days: daysOf(lake, series, start, end) }))
  const total = work.reduce((sum, { days }) => sum + days.length, 0)
  if (total === 0)
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected days of bars or trades in the range, found none in ${lake.paths.root}. \`ckvd coverage --data klines,trades\` tells what it holds.`,
    )
  const view = createProgress<{ done: number; total: number }>(run, {
    message: 'proving',
    facts: (progress) => progress,
    parts: ({ done }) => [formatCountOf(done, 'day')],
  })
  const results: ProvenSeries[] = []
  let done = 0
  try {
    for (const { series, days } of work) {
      const proven: ProvenDay[] = []
      for (const day of days) {
        proven.push(await proveOne(run, lake, series, day))
        view.update({ done: ++done, total })
      }
      results.push({ ...series, days: proven })
    }
  } finally {
    view.stop()
  }
  const exit = results.every(({ days }) => days.every(({ outcome }) => outcome === 'proved')) ? 0 : 3
  if (run.json) run.printJson({ command: 'prove', exit, series: results })
  else if (!run.quiet || exit !== 0) {
    printProof(run.quiet ? run.context.stderr : run.context.stdout, results, exit)
    tellSandbox(run, lake.origin)
  }
  return exit
}

async function proveOne(run: CommandRun<ProveFlags>, lake: WritableLake, series: Series, day: UtcDay): Promise<ProvenDay> {
  const proven = await proveDay(lake, series, day, run.signal)
  await recordProof(lake, series, proven, new Date(run.clockMs()).toISOString())
  return proven
}

/** The series of bars that flags and arguments name and that have trades. Throws CKVD_USAGE where one that is named has not both. */
function chooseSeries(lake: Lake, { market, interval }: ProveFlags, words: readonly string[]): Series[] {
  const named = (symbolsOf(words, undefined) ?? []).map((symbol) => symbolOf(symbol, market ?? 'spot'))
  const filter = market === undefined ? {} : { market }
  const bars = listSelectedSeries(lake.catalog, { ...filter, intervals: [interval] })
  const both = bars.filter((series) => lake.catalog.getSeries(tradesOf(series)) !== undefined)
  const chosen = named.length === 0 ? both : both.filter(({ symbol }) => named.includes(symbol))
  const missing = named.filter((symbol) => chosen.every((series) => series.symbol !== symbol))
  if (chosen.length > 0 && missing.length === 0) return chosen
  const what = `${interval} bars and trades of ${missing.length > 0 ? missing.join(', ') : 'a symbol'}${market === undefined ? '' : ` in ${market}`}`
  throw new CkvdError(
    'CKVD_USAGE',
    `Expected ${what} in the lake ${lake.paths.root}, found not both. \`ckvd ingest SYMBOL --data klines,trades\` fetches them, \`ckvd coverage --data klines,trades\` tells what it holds.`,
  )
}

/** Days of a range: all of it that has bars or trades. */
function daysOf(lake: Lake, series: Series, start: UtcDay | undefined, end: UtcDay | undefined): UtcDay[] {
  const days = new Set<UtcDay>()
  for (const of of [series, tradesOf(series)]) for (const { day } of lake.catalog.iterateDays(of, start, end)) days.add(day)
  if (start !== undefined && end !== undefined && days.size > 0) for (let day = start; day < end; day = addDays(day, 1)) days.add(day)
  return [...days].sort()
}
