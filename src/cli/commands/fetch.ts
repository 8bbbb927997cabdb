import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import type { Table } from 'apache-arrow'
import { tableToIPC } from 'apache-arrow'
import { FUNDING_RATE } from '../../dataset/sets/funding.ts'
import { datasetOf } from '../../dataset/registry.ts'
import { CkvdError } from '../../errors.ts'
import type { Interval } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import { dayOfUs, isoOfUs } from '../../model/utc-day.ts'
import { MarketClient } from '../../library/client.ts'
import { DataSource } from '../../question/names.ts'
import type { FetchStep, GetDataOptions } from '../../question/query.ts'
import { FLAG_ENDS } from '../../question/range-order.ts'
import { checkEndIsNoMonth, DAY_FLAGS, parseMonthRange, parseStartDay } from '../../question/month-words.ts'
import type { TimeRangeOptions } from '../../question/time-range.ts'
import { parseTimeRange } from '../../question/time-range.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { addSettings, datasetOption, intervalOption, marketOption, wordOption } from '../options.ts'
import { monthOption } from '../range-options.ts'
import { describeTable } from '../show/fetch-table.ts'
import { createFetchView } from '../show/fetch-view.ts'
import { OutFile } from '../show/out-file.ts'
import type { OutFormat } from '../show/out-format.ts'
import { chooseFormat, FORMAT_DEFAULT, OUT_FORMATS } from '../show/out-format.ts'
import type { Output } from '../show/output.ts'
import { formatCountOf, formatDuration, writeData } from '../show/output.ts'
import { tellSandbox } from '../show/sandbox-data.ts'
import { disputedText } from '../show/disputed-days.ts'
import { csvOf, disputedOf, gapsOf, mapObjects } from '../show/table-rows.ts'

/** Sources by the words of `--source`. */
export const SOURCES = { auto: DataSource.AUTO, cache: DataSource.CACHE, vision: DataSource.VISION, rest: DataSource.REST } as const

/** How a command that takes times knows the parts of its range. */
export const RANGE_FLAGS = {
  ...FLAG_ENDS,
  days: '--days',
  time: 'a day such as 2024-01-01 (UTC), or a time with a zone such as 2024-01-01T00:00:00Z',
}

/** The flags of `fetch`, as commander hands them over. */
interface FetchFlags extends TimeFlags {
  readonly market?: Market
  readonly data?: string
  readonly interval: Interval
  readonly source: keyof typeof SOURCES
  readonly funding?: true
  readonly reindex?: true
  readonly format?: OutFormat
  readonly out?: string
}

/** `ckvd fetch`. */
export function addFetchCommand(program: Command, context: CliContext): void {
  const command = program
    .command('fetch')
    .description('the bars of one symbol in a range: from the lake, then Vision, then REST; whole days that are fetched are stored')
    .addOption(marketOption('market of the symbol: spot, um, cm or option (default: spot)'))
    .addOption(datasetOption('data set, as Vision calls it, such as fundingRate or aggTrades (default: klines)'))
    .addOption(intervalOption('--interval', 'bar length, 1s to 1M; of data sets that have intervals').default('1m' as const))
    .addOption(new Option('--start <TIME>', 'first time: a day (UTC) or an ISO time with a zone'))
    .addOption(new Option('--end <TIME>', 'time after the last one (default: now)'))
    .addOption(monthOption())
    .addOption(new Option('--days <N>', 'length in days, before --end or after --start').argParser(parseDays))
    .addOption(wordOption('--source', 'auto asks all in turn', ['auto', 'cache', 'vision', 'rest']).default('auto' as const))
    .option('--funding', 'as --data fundingRate (um, cm)')
    .option('--reindex', 'rows of nulls where bars are missing')
    .addOption(wordOption('--format', FORMAT_DEFAULT, OUT_FORMATS))
    .addOption(new Option('--out <FILE>', 'write there instead of to standard output'))
  addSettings(command, {
    example: 'ckvd fetch BTCUSDT --market um --interval 1h --days 7\nckvd fetch ETHUSDT --start 2024-01-01 --end 2024-02-01 --out eth.csv',
    exits: {
      0: 'all bars of the range are there, or their absence is explained',
      2: 'wrong usage or configuration',
      3: 'bars are missing without explanation, or the symbol is unknown: nothing was written; or days are disputed: their rows were written, and the days are named',
      4: 'banned, rate limited, a source is unreachable, or the file could not be written',
      130: 'interrupted',
    },
  })
  command
    .argument('<symbol>', 'symbol, such as BTCUSDT (cm: BTCUSD_PERP)')
    .action((symbol, _options, self) => runCommand(context, self, (run) => runFetch(run, symbol)))
}

async function runFetch(run: CommandRun<FetchFlags>, symbol: string): Promise<number> {
  const { options } = run
  const format = chooseFormat(options, run.context.stdout.isTTY === true || run.json)
  const steps: FetchStep[] = []
  const client = createMarketClient(run, options.market ?? 'spot')
  const startedMs = performance.now()
  const view = createFetchView(run, symbol)
  try {
    await using file =
      options.out === undefined
        ? undefined
        : await OutFile.create(resolve(run.context.cwd, options.out), resolve(run.context.cwd, run.settings.lake))
    const query = { ...readQuery(run, symbol), onStep: (step: FetchStep) => void steps.push(step), onProgress: view.update }
    const table = (await client.getData(query).finally(() => view.stop())) as Table
    for (const step of steps) run.logger.debug({ ...step }, 'step')
    if (file !== undefined) {
      for (const part of await render(table, format, {})) await file.write(part)
      await file.commit()
    } else if (!run.json) for (const part of await render(table, format, run.context.stdout)) writeData(run.context.stdout, textOf(part))
    if (run.interactive)
      run.context.stderr.write(`${summaryOf(table, steps, options.out)} in ${formatDuration(performance.now() - startedMs)}\n`)
    const origin = (await client.readOrigin()) ?? null
    // who names the form writes for a program
    tellSandbox(run, origin, file === undefined && options.format !== undefined && format !== 'table')
    const disputed = disputedOf(table)
    const exit = disputed.length === 0 ? 0 : 3
    if (run.json) {
      const summary = { command: 'fetch', exit, origin, symbol, rows: table.numRows, gaps: gapsOf(table).map(readableGap), disputed, steps }
      run.printJson(options.out === undefined ? { ...summary, bars: mapObjects(table) } : { ...summary, out: options.out })
    }
    if (disputed.length > 0) run.context.stderr.write(disputedText(disputed))
    return exit
  } finally {
    view.stop()
    await client.close()
  }
}

/** `2,880 rows (2 days from the lake, 1 day from Vision) written to btc.csv`: what a person is told at the end. */
function summaryOf(table: Table, steps: readonly FetchStep[], out: string | undefined): string {
  const names = { CACHE: 'the lake', VISION: 'Vision', REST: 'REST' }
  const from = steps.map(({ source, days }) => `${formatCountOf(days, 'day')} from ${names[source]}`).join(', ')
  const where = out === undefined ? '' : ` written to ${out}`
  return `${formatCountOf(table.numRows, 'row')}${from === '' ? '' : ` (${from})`}${where}`
}

/** A gap with its times as text, as all times of commands are. */
function readableGap({ start, end, ...rest }: ReturnType<typeof gapsOf>[number]) {
  return { start: isoOfUs(start), end: isoOfUs(end), ...rest }
}

/** A client on the settings of a command. */
export function createMarketClient(run: CommandRun<object>, market: Market): MarketClient {
  return new MarketClient({
    settings: run.settings,
    market,
    enforceSource: DataSource.AUTO,
    logger: run.logger,
    clockMs: () => run.clockMs(),
    env: run.context.env,
    // `--sandbox` has been started for the run, and the settings' URLs are its own
    startSandbox: null,
  })
}

function readQuery(run: CommandRun<FetchFlags>, symbol: string): GetDataOptions {
  const { data = 'klines', interval, source, reindex } = run.options
  if (run.options.funding === true && run.options.data !== undefined && data !== FUNDING_RATE.name)
    throw new CkvdError('CKVD_USAGE', `Expected \`--funding\` or \`--data ${data}\`, got both: they name different data.`)
  const funding = run.options.funding === true || data === FUNDING_RATE.name
  if (funding && reindex === true)
    throw new CkvdError('CKVD_USAGE', 'Expected `--funding` or `--reindex`, got both: funding rates have no grid of bars.')
  if (funding && (run.options.market ?? 'spot') === 'spot')
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`--market um\` or \`--market cm\` with \`${run.options.funding === true ? '--funding' : `--data ${data}`}\`, got spot: only perpetual contracts have funding rates.`,
    )
  if (source === 'cache' && !run.settings.enableCache)
    throw new CkvdError('CKVD_USAGE', 'Expected another source than `--source cache`: the lake is switched off (CKVD_ENABLE_CACHE).')
  const hasIntervals = !funding && datasetOf({ dataset: data }).hasInterval
  const range = readRange(run)
  // the client would say the same of its options
  parseTimeRange(range, run.clockMs(), RANGE_FLAGS)
  return {
    symbol,
    ...range,
    ...(funding ? { dataset: FUNDING_RATE.name } : { dataset: data, autoReindex: reindex === true }),
    // what is given is the library's to take or refuse; a default is no question
    ...(hasIntervals || run.isFlag('interval') ? { interval } : {}),
    enforceSource: SOURCES[source],
    returnPolars: false,
    includeSourceInfo: true,
    signal: run.signal,
  }
}

/** The flags of a range of times, as commander hands them over. */
export interface TimeFlags {
  readonly start?: string
  readonly end?: string
  readonly month?: string
  readonly days?: number
}

/** The range that the flags ask for: without any, the last day. */
export function readRange(run: CommandRun<TimeFlags>): TimeRangeOptions {
  const { start, end, month, days } = run.options
  if (month !== undefined) {
    const range = parseMonthRange({ month, start: start ?? days, end }, dayOfUs(run.clockMs() * 1000), DAY_FLAGS)
    // of a month that runs, what there is of it
    return { startTime: timeOf(range.start), endTime: range.isOver ? timeOf(range.end) : undefined }
  }
  if (end !== undefined) checkEndIsNoMonth(end, DAY_FLAGS)
  return {
    startTime: start === undefined ? undefined : timeOf(start),
    endTime: end === undefined ? undefined : timeOf(end),
    days: days ?? (start === undefined ? 1 : undefined),
  }
}

/** A day stands for its midnight, UTC, a month for that of its first day. */
function timeOf(text: string): string {
  const day = parseStartDay(text)
  return day === undefined ? text : `${day}T00:00:00Z`
}

/** `--days`, which may have a fraction. */
export function parseDays(text: string): number {
  const days = /^\d{1,5}(\.\d{1,6})?$/.test(text) ? Number(text) : 0
  if (days > 0) return days
  throw new CkvdError('CKVD_USAGE', `Expected \`--days\` to be a number above 0, got ${JSON.stringify(text)} (flag)`)
}

/** The rows in a form, part by part; `output` is where a table is read, a terminal or not. */
async function render(table: Table, format: OutFormat, output: Pick<Output, 'isTTY' | 'columns'>): Promise<Iterable<string | Uint8Array>> {
  switch (format) {
    case 'arrow':
      return [tableToIPC(table, 'file')]
    case 'parquet':
      // five megabytes that nothing else needs
      return [(await import('../../codec/export/parquet.ts')).encodeParquet(table.schema, table.batches)]
    case 'csv':
      return csvOf(table)
    case 'json':
      return [
        `[\n${mapObjects(table)
          .map((row) => JSON.stringify(row))
          .join(',\n')}\n]\n`,
      ]
    case 'table':
      return [describeTable(table, output)]
  }
}

/** Text that may come as bytes. */
function textOf(part: string | Uint8Array): string {
  return typeof part === 'string' ? part : Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString()
}
