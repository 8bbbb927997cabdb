import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { csvLine } from '../../codec/export/csv-text.ts'
import type { Dataset } from '../../dataset/dataset.ts'
import { KLINES } from '../../dataset/sets/klines.ts'
import { datasetOf, datasetsOf } from '../../dataset/registry.ts'
import { CkvdError } from '../../errors.ts'
import type { Market } from '../../model/market.ts'
import { hasRest, MARKETS } from '../../model/market.ts'
import { dayOfUs } from '../../model/utc-day.ts'
import type { UtcDay } from '../../model/utc-day.ts'
import { UNIVERSE_NAME } from '../../report/availability/availability-csv.ts'
import type { AvailabilityResult } from '../../report/availability/availability-run.ts'
import { CACHE_NAME, PAGE_NAME, runAvailability } from '../../report/availability/availability-run.ts'
import type { SymbolAvailability } from '../../report/availability/availability.ts'
import { createListingView } from '../show/availability-view.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { addSettings, dataOption, dayOption, integerOption, marketOption, symbolsOption, wordOption } from '../options.ts'
import type { ShortlistFlags } from '../shortlist-options.ts'
import { kindOption, quoteOption, shortlistOf } from '../shortlist-options.ts'
import { formatCount, formatCountOf, formatDuration, printTable, writeData } from '../show/output.ts'
import { shortList } from '../show/short-list.ts'

const MS_PER_HOUR = 3_600_000

/** Quote asset of the reports over all markets. */
const REPORTED_QUOTE = 'USDT'

interface AvailabilityFlags extends ShortlistFlags {
  readonly data?: string[]
  readonly market?: Market
  readonly out: string
  readonly asOf?: UtcDay
  readonly recentDays: number
  readonly archives: 'daily' | 'monthly'
  readonly maxAge: number
  readonly html?: true
  readonly csv?: true
}

/** `ckvd availability`. */
export function addAvailabilityCommand(program: Command, context: CliContext): void {
  const command = program
    .command('availability')
    .description(
      'which symbol has archives since when: walks the listing of each market and writes the reports; a universe for ingest among them',
    )
    .addOption(dataOption())
    .addOption(marketOption('list only this market; reports over all markets are then not written'))
    .option('--out <DIR>', `where the reports go, and ${CACHE_NAME} with what was listed`, 'reports')
    .option('--live', `choose symbols with recent data; what is chosen, by any of these, is told, and written to ${UNIVERSE_NAME}`)
    .addOption(kindOption())
    .addOption(quoteOption())
    .addOption(
      integerOption('--min-days', 'choose symbols with archives of at least this many days; reads whole listings', {
        min: 1,
        max: 100_000,
      }),
    )
    .addOption(symbolsOption())
    .addOption(dayOption('--as-of', 'the universe as it was on this day (included); intervals are those of now (default: today)'))
    .addOption(
      integerOption('--recent-days', 'a symbol is live when its last day is at most this many days before --as-of', {
        min: 0,
        max: 100_000,
      }).default(5),
    )
    .addOption(wordOption('--archives', 'which archives are listed', ['daily', 'monthly']).default('daily' as const))
    .addOption(
      integerOption('--max-age', 'hours for which a listing of an earlier run is taken from the cache; 0: never', {
        min: 0,
        max: 1_000_000,
      }).default(24),
    )
    .option('--html', `write ${PAGE_NAME} too; reads whole listings, as --csv and --json do, to tell missing days`)
    .option('--csv', 'CSV on stdout, a line a symbol, with last day and missing days')
  addSettings(command, {
    example:
      'ckvd availability --html\nckvd availability --live --kind perpetual --quote USDT --min-days 365\nckvd ingest --universe reports/universe.csv --dry-run\nckvd availability --live --quote USDT --market spot --csv | ckvd ingest --universe - --start 2024-05-01',
    exits: {
      0: 'all symbols were listed and the reports are written',
      2: 'wrong usage or configuration; nothing was done',
      3: 'reports are written without the symbols and markets that could not be listed, which are told; or no market could be; or nothing is chosen',
      4: 'stopped early: listing unreachable, disk full; the reports of before stay, the same command goes on from there',
      130: 'interrupted; the same command goes on from there',
    },
  })
  command.action((_options, self) => runCommand(context, self, runOnce, { reports: true }))
}

async function runOnce(run: CommandRun<AvailabilityFlags>): Promise<number> {
  const { options, settings, context } = run
  const markets = options.market === undefined ? MARKETS : [options.market]
  const datasets = readDatasets(options, markets)
  if (options.html === true && datasets.length > 1)
    throw new CkvdError('CKVD_USAGE', 'Expected one data set with `--html`, got several: a page is of one.')
  const view = createListingView(run)
  const result = await runAvailability({
    listingUrl: settings.listingUrl,
    datasets,
    markets,
    archives: options.archives,
    quote: options.quote ?? REPORTED_QUOTE,
    shortlist: shortlistOf(options),
    asOf: options.asOf ?? dayOfUs(run.nowMs() * 1000),
    recentDays: options.recentDays,
    allDays: run.json || options.csv === true,
    html: options.html === true,
    out: resolve(context.cwd, options.out),
    maxAgeMs: options.maxAge * MS_PER_HOUR,
    concurrency: settings.concurrency,
    maxRetries: settings.maxRetries,
    nowMs: run.nowMs(),
    clockMs: () => run.clockMs(),
    env: context.env,
    signal: run.signal,
    onProgress: (done, total, problems) => view.update({ done, total, problems }),
    onNote: (note) => run.logger.warn(note),
  }).finally(() => view.stop())
  if (run.json) run.printJson(result)
  else if (options.csv === true) printCsv(run, result.symbols)
  else printText(run, result)
  if (!run.json) printProblems(run, result)
  return result.exit
}

/** The data sets that are listed, of those that are named. Throws CKVD_USAGE where the market has none of them. */
function readDatasets({ data = [KLINES.name] }: AvailabilityFlags, listed: readonly Market[]): Dataset[] {
  const datasets = data.map((dataset) => datasetOf({ dataset }))
  const there = datasets.filter(({ markets }) => markets.some((market) => listed.includes(market)))
  if (there.length > 0) return there
  const has = datasets.map(({ name, markets }) => `${name}: ${markets.join(', ')}`).join('; ')
  const own = listed.filter((market) => !hasRest(market)).flatMap(datasetsOf)
  const advice = own.length === 0 ? '' : ` Of ${listed.join(', ')} there is \`--data ${own.join(',')}\`.`
  throw new CkvdError('CKVD_USAGE', `Expected \`--market\` to be one that has the data set (${has}), got ${listed.join(', ')}.${advice}`)
}

function printCsv(run: CommandRun<AvailabilityFlags>, symbols: readonly SymbolAvailability[]): void {
  const { stdout } = run.context
  const columns = [
    'market',
    'symbol',
    'kind',
    'delivery_date',
    'base',
    'quote',
    'first',
    'last',
    'recent',
    'days',
    'missing_days',
    'interval',
  ] as const
  // lines that name no data set are of whichever an ingest is asked for
  const isOfKlines = symbols.every(({ dataset }) => dataset === KLINES.name)
  writeData(stdout, csvLine([...columns, 'available_intervals', ...(isOfKlines ? [] : ['dataset'])]))
  for (const symbol of symbols) {
    const cells = [...columns.map((column) => String(symbol[column] ?? '')), symbol.available_intervals.join(',')]
    writeData(stdout, csvLine([...cells, ...(isOfKlines ? [] : [symbol.dataset])]))
  }
}

function printText(run: CommandRun<AvailabilityFlags>, result: AvailabilityResult): void {
  const { stdout } = run.context
  const sets = [...new Set(result.symbols.map(({ dataset }) => dataset))]
  const groups = sets.flatMap((dataset) => MARKETS.map((market) => ({ dataset, market })))
  const ofGroup = ({ dataset, market }: (typeof groups)[number]) =>
    result.symbols.filter((symbol) => symbol.dataset === dataset && symbol.market === market)
  const counted = result.symbols.some(({ days }) => days !== null)
  printTable(stdout, {
    head: ['market', 'symbols', 'live', 'ended', 'first day', 'last day', ...(counted ? ['missing days'] : [])],
    align: ['left', 'right', 'right', 'right', 'left', 'left', 'right'],
    rows: groups.flatMap((group) => {
      const own = ofGroup(group)
      if (own.length === 0) return []
      const live = own.filter(({ recent }) => recent).length
      const missing = own.reduce((sum, { missing_days }) => sum + (missing_days ?? 0), 0)
      const days = [
        own.map(({ first }) => first).sort()[0] ?? '',
        own
          .map(({ last }) => last)
          .sort()
          .at(-1) ?? '',
      ]
      const name = group.dataset === KLINES.name ? group.market : `${group.market} ${group.dataset}`
      const counts = [formatCount(own.length), formatCount(live), formatCount(own.length - live)]
      return [[name, ...counts, ...days, ...(counted ? [formatCount(missing)] : [])]]
    }),
  })
  stdout.write(
    `As of ${result.as_of}: ${formatCountOf(result.requests.listing, 'listing request')} in ${formatDuration(result.elapsed_ms)}`,
  )
  stdout.write(result.cached === 0 ? '.\n' : `; ${formatCountOf(result.cached, 'symbol')} from the cache.\n`)
  stdout.write(`Written:\n${result.files.map((file) => `  ${file}`).join('\n')}\n`)
  if (result.universe !== null && result.symbols.length > 0) {
    const chosen = `${formatCount(result.symbols.length)} of ${formatCountOf(result.listed, 'symbol')} are chosen`
    stdout.write(`${chosen}. What it would take to have them:\n  ckvd ingest --universe ${result.universe} --dry-run\n`)
  }
}

function printProblems(run: CommandRun<AvailabilityFlags>, { problems, symbols, universe, not_listed }: AvailabilityResult): void {
  const { stderr } = run.context
  const markets = problems.filter(({ symbol }) => symbol === null).length
  const counts = [...countOf(markets, 'market'), ...countOf(problems.length - markets, 'symbol')]
  const title = `${counts.join(' and ')} could not be listed and ${problems.length === 1 ? 'is' : 'are'} in no report (exit 3)`
  const lines = problems.map(({ market, symbol, code, message }) => `${market}${symbol === null ? '' : ` ${symbol}`}  ${code}: ${message}`)
  stderr.write(shortList(title, lines))
  stderr.write(shortList(`${formatCountOf(not_listed.length, 'symbol')} of --symbols that no market has (exit 3)`, not_listed))
  if (universe !== null && symbols.length === 0) stderr.write(`No symbol is chosen: ${universe} has a header alone (exit 3).\n`)
}

/** A count in words; nothing for none. */
function countOf(number: number, word: string): string[] {
  return number > 0 ? [formatCountOf(number, word)] : []
}
