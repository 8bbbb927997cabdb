import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import { CkvdError } from '../errors.ts'
import type { Interval } from '../model/interval.ts'
import { parseInterval } from '../model/interval.ts'
import type { RestMarket } from '../model/market.ts'
import { hasRest, isMarket } from '../model/market.ts'
import type { CommandRun } from './command.ts'
import { disputedText } from './show/disputed-days.ts'

/** The flags of both demonstrations. */
export interface DemoFlags {
  readonly symbol: string
  readonly interval: Interval
  readonly days: number
  readonly market: RestMarket
}

/** Adds `-s -i -d -m`. */
export function addDemoOptions(program: Command, defaults: { interval: Interval; days: number }) {
  return program
    .addOption(new Option('-s, --symbol <SYMBOL>', 'symbol').default('BTCUSDT'))
    .addOption(new Option('-i, --interval <NAME>', 'bar length').argParser(readInterval).default(defaults.interval))
    .addOption(new Option('-d, --days <N>', 'days up to now').argParser(readDays).default(defaults.days))
    .addOption(new Option('-m, --market <NAME>', 'spot, um or cm').argParser(readMarket).default('spot'))
}

/** The exit codes of both demonstrations. */
export const DEMO_EXITS = {
  0: 'shown',
  2: 'wrong usage',
  3: 'bars are missing without explanation, or days are disputed',
  4: 'a source cannot be reached',
  130: 'interrupted',
}

/** Ends a demonstration: names the disputed days of what it has shown, and prints its result where JSON is asked for. Gives the exit code. */
export function endDemo(run: CommandRun<DemoFlags>, shown: readonly { readonly disputed: readonly string[] }[], result: object): number {
  const { symbol, interval, market } = run.options
  const disputed = [...new Set(shown.flatMap((part) => part.disputed))]
  const exit = disputed.length === 0 ? 0 : 3
  if (run.json) run.printJson({ command: 'demo', exit, market, symbol, interval, ...result })
  if (disputed.length > 0) run.context.stderr.write(disputedText(disputed))
  return exit
}

function readInterval(text: string): Interval {
  const interval = parseInterval(text)
  if (interval !== undefined) return interval
  throw new CkvdError('CKVD_USAGE', `Expected \`--interval\` to be an interval such as 1m or 1h, got ${JSON.stringify(text)} (flag)`)
}

function readDays(text: string): number {
  const days = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (days >= 1) return days
  throw new CkvdError('CKVD_USAGE', `Expected \`--days\` to be an integer from 1 to 9999, got ${JSON.stringify(text)} (flag)`)
}

function readMarket(text: string): RestMarket {
  if (isMarket(text) && hasRest(text)) return text
  throw new CkvdError('CKVD_USAGE', `Expected \`--market\` to be spot, um or cm, got ${JSON.stringify(text)} (flag)`)
}
