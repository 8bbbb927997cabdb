import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import { openLake } from '../../lake/lake.ts'
import type { Market } from '../../model/market.ts'
import type { ProvableInterval } from '../../resample/prove.ts'
import type { ProofProgress, ProvableDataset } from '../../resample/prove-lake.ts'
import { PROVABLE_DATASETS, PROVABLE_INTERVALS, proveLake } from '../../resample/prove-lake.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { parseFlag } from '../flag-parser.ts'
import { addSettings, LOCAL_SETTINGS, marketOption, symbolsOf, wordOption } from '../options.ts'
import type { RangeFlags } from '../range-options.ts'
import { endOption, monthOption, rangeOf, startOption } from '../range-options.ts'
import { formatCount, formatCountOf } from '../show/output.ts'
import { createProgress } from '../show/progress.ts'
import { printProof } from '../show/proof-report.ts'
import { localOrigin, tellSandbox } from '../show/sandbox-data.ts'

interface ProveFlags extends RangeFlags {
  readonly data?: readonly ProvableDataset[]
  readonly market?: Market
  readonly interval: ProvableInterval
}

/** `ckvd prove`. */
export function addProveCommand(program: Command, context: CliContext): void {
  const command = program
    .command('prove')
    .description(
      'bars of the lake compared with its trades, each made anew of what was traded, and trades with the aggregates that name them',
    )
    .addOption(dataFlag())
    .addOption(marketOption())
    .addOption(wordOption('--interval', 'length of the bars that are proved', PROVABLE_INTERVALS).default('1m' as const))
    .addOption(startOption('first day (UTC; default: all that have both)'))
    .addOption(endOption('day after the last one'))
    .addOption(monthOption())
  addSettings(command, {
    settings: LOCAL_SETTINGS,
    example:
      'ckvd ingest BTCUSDT --data klines,trades --start 2024-03-01 --end 2024-03-08\n' +
      'ckvd prove BTCUSDT --start 2024-03-01 --end 2024-03-08\n' +
      'ckvd prove BTCUSDT --market um --data trades',
    exits: {
      0: 'each bar is what its trades say, each aggregate what its trades are; the evidence of these days says `proved`',
      2: 'wrong usage, or the lake has not both of these symbols; nothing was written',
      3: 'bars differ from their trades, trades are missing or differ, or a day has not both whole; they are listed',
      4: 'the lake could not be read or written, or another run is writing to it',
      130: 'interrupted; what was proved until then is recorded',
    },
    notes: [
      'Aggregate trades prove no bars: they have one time for several trades.',
      'Without --data trades are compared on the days that have both, trades and aggTrades.',
      'Of futures some trades are not published (of the insurance fund, of auto-deleveraging): where the bars count them, they differ.',
    ],
  })
  command
    .argument('[symbols...]', 'symbols, such as BTCUSDT (default: all of which the lake has both)')
    .action((words, _options, self) => runCommand(context, self, (run) => prove(run, words), { sources: false }))
}

/** `--data klines,trades`. */
function dataFlag() {
  const parse = (list: string): ProvableDataset[] | undefined => {
    const found = list.split(',').map((name) => PROVABLE_DATASETS.find((known) => known === name.trim()))
    return found.every((name) => name !== undefined) ? [...new Set(found)] : undefined
  }
  const text = 'what is proved: klines (by trades), trades (by aggTrades), separated by commas (default: what the lake can prove)'
  return new Option('--data <LIST>', text).argParser(parseFlag('--data', PROVABLE_DATASETS.join(' or '), parse))
}

async function prove(run: CommandRun<ProveFlags>, words: readonly string[]): Promise<number> {
  const { data, market, interval } = run.options
  const choice = { data, market, interval, symbols: symbolsOf(words, undefined), ...rangeOf(run.options, run.nowMs()) }
  const root = resolve(run.context.cwd, run.settings.lake)
  // a lake that is not there is not begun
  await (await openLake(root, { mode: 'read', ...localOrigin(run) })).close()
  await using lake = await openLake(root, { mode: 'write', tell: (message) => run.logger.info(message), ...localOrigin(run) })
  const view = createProgress<ProofProgress>(run, {
    message: 'proving',
    facts: (progress) => ({ ...progress }),
    parts: ({ done, total }) => [`${formatCount(done)}/${formatCountOf(total, 'day')}`],
  })
  const nowIso = (): string => new Date(run.clockMs()).toISOString()
  const result = await proveLake(lake, choice, { signal: run.signal, nowIso, onProgress: view.update }).finally(() => view.stop())
  if (run.json) run.printJson({ ...result })
  else if (!run.quiet || result.exit !== 0) {
    printProof(run.quiet ? run.context.stderr : run.context.stdout, result)
    tellSandbox(run, lake.origin)
  }
  return result.exit
}
