import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import type { Table } from 'apache-arrow'
import { datasetOf, named } from '../../dataset/registry.ts'
import { CkvdError, isCkvdError } from '../../errors.ts'
import { openLake } from '../../lake/lake.ts'
import type { Interval } from '../../model/interval.ts'
import { countSlots, intervalPathName } from '../../model/interval.ts'
import type { Market } from '../../model/market.ts'
import type { Series, TimeRange } from '../../model/series.ts'
import type { ChartShade, ChartSlot } from '../../pages/chart/chart-data.ts'
import { parseSymbol } from '../../question/symbol-format.ts'
import { parseTimeRange } from '../../question/time-range.ts'
import { formatChartPage } from '../../report/chart/chart-page.ts'
import type { SourcedSlot } from '../../report/chart/chart-shades.ts'
import { findDayShades, findRestShades, gapShades, readRecorded } from '../../report/chart/chart-shades.ts'
import { writeReport } from '../../report/report-file.ts'
import { findBrowser, takePicture } from '../browser.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { addSettings, datasetOption, intervalOption, marketOption, wordOption } from '../options.ts'
import { monthOption } from '../range-options.ts'
import { disputedText } from '../show/disputed-days.ts'
import { createFetchView } from '../show/fetch-view.ts'
import { checkOutside, OutFile } from '../show/out-file.ts'
import { formatCountOf } from '../show/output.ts'
import { localOrigin, tellSandbox } from '../show/sandbox-data.ts'
import { disputedOf, mapRows, namesOf } from '../show/table-rows.ts'
import type { TimeFlags } from './fetch.ts'
import { createMarketClient, parseDays, RANGE_FLAGS, readRange, SOURCES } from './fetch.ts'

/** A page of more would take a browser seconds to open, and a file of many megabytes. */
const MOST_BARS = 100_000

/** Pixels of a picture. */
const PICTURE = { width: 1280, height: 800 } as const

const COLUMNS = ['open_time', 'open', 'high', 'low', 'close', 'volume'] as const

/** The flags of `chart`, as commander hands them over. */
interface ChartFlags extends TimeFlags {
  readonly market?: Market
  readonly data?: string
  readonly interval: Interval
  readonly source: keyof typeof SOURCES
  readonly out?: string
  readonly png?: string
}

/** `ckvd chart`. */
export function addChartCommand(program: Command, context: CliContext): void {
  const command = program
    .command('chart')
    .description(
      'a range of one symbol as a page of candles and volume: one file, no network; gaps and days that are not final are shaded, with their evidence',
    )
    .addOption(marketOption('market of the symbol: spot, um or cm (default: spot)'))
    .addOption(datasetOption('data set of bars, as Vision calls it (default: klines)'))
    .addOption(intervalOption('--interval', 'bar length, 1s to 1M').default('1m' as const))
    .addOption(new Option('--start <TIME>', 'first time: a day (UTC) or an ISO time with a zone'))
    .addOption(new Option('--end <TIME>', 'time after the last one (default: now)'))
    .addOption(monthOption())
    .addOption(new Option('--days <N>', 'length in days, before --end or after --start (default: 1)').argParser(parseDays))
    .addOption(wordOption('--source', 'auto asks all in turn', ['auto', 'cache', 'vision', 'rest']).default('auto' as const))
    .addOption(
      new Option(
        '--out <FILE>',
        'the page (default: SYMBOL-INTERVAL.html, of another data set SYMBOL-DATA-INTERVAL.html, or none with --png)',
      ),
    )
    .addOption(new Option('--png <FILE>', 'a picture of it, taken by a browser that is on PATH'))
  addSettings(command, {
    example:
      'ckvd chart BTCUSDT --interval 1h --days 30\nckvd chart BTCUSDT --market um --interval 15m --start 2024-01-01 --end 2024-01-08 --png week.png',
    exits: {
      0: 'the page is written: all bars of the range are in it, or their absence is explained',
      2: 'wrong usage or configuration, or (--png) no browser is there',
      3: 'bars are missing without explanation, or days are disputed: they are in the page, and named; or there is no bar at all, or the symbol is unknown: nothing was written',
      4: 'banned or rate limited (the bars that there are are drawn), a source is unreachable, or the file could not be written',
      130: 'interrupted',
    },
  })
  command
    .argument('<symbol>', 'symbol, such as BTCUSDT (cm: BTCUSD_PERP)')
    .action((symbol, _options, self) => runCommand(context, self, (run) => runChart(run, symbol), { reports: true }))
}

/** What is asked for, and where it goes. */
interface ChartTask {
  readonly series: Series
  readonly range: TimeRange
  /** absolute; undefined: not kept */
  readonly page: string | undefined
  readonly png: { readonly file: string; readonly browser: string } | undefined
}

async function runChart(run: CommandRun<ChartFlags>, symbol: string): Promise<number> {
  const task = await readTask(run, symbol)
  const client = createMarketClient(run, task.series.market)
  const view = createFetchView(run, symbol)
  try {
    const { dataset, interval } = task.series
    const asked = client.getWithHoles({
      ...{ symbol, ...readRange(run), dataset, interval, columns: COLUMNS, enforceSource: SOURCES[run.options.source] },
      ...{ autoReindex: true, includeSourceInfo: true, signal: run.signal, onProgress: view.update },
    })
    const { table, gaps, unexplained } = await asked.finally(() => view.stop())
    const origin = (await client.readOrigin()) ?? null
    const { slots, sources } = readSlots(table)
    const shades = [...gapShades(gaps), ...(await readShades(run, task, sources))]
    const html = formatChartPage({ series: task.series, range: task.range, slots, shades, origin })
    await writeChart(run, task, html)
    const bars = slots.filter((slot) => slot.length > 1).length
    return tell(run, task, { bars, shades, disputed: disputedOf(table), unexplained, origin })
  } finally {
    view.stop()
    await client.close()
  }
}

async function readTask(run: CommandRun<ChartFlags>, symbol: string): Promise<ChartTask> {
  const { market = 'spot', data, interval, out, png, source } = run.options
  const dataset = datasetOf({ dataset: data })
  if (dataset.rules === null)
    throw new CkvdError('CKVD_USAGE', `Expected \`--data\` to be a data set of bars, got ${dataset.name}: it has no candles.`)
  const range = parseTimeRange(readRange(run), run.clockMs(), RANGE_FLAGS)
  const bars = countSlots(range.startUs, range.endUs, interval)
  if (bars > MOST_BARS) {
    const message = `Expected at most ${MOST_BARS.toLocaleString('en-US')} bars on a page, the range has ${bars.toLocaleString('en-US')} of ${interval}. Choose a longer --interval, or a shorter range.`
    throw new CkvdError('CKVD_USAGE', message, { details: { bars, interval } })
  }
  if (source === 'cache' && !run.settings.enableCache)
    throw new CkvdError('CKVD_USAGE', 'Expected another source than `--source cache`: the lake is switched off (CKVD_ENABLE_CACHE).')
  const series = { ...named(dataset), market, symbol: parseSymbol(symbol, market, dataset.name), interval }
  const pathOf = (file: string): string => resolve(run.context.cwd, file)
  const page =
    out ??
    (png === undefined
      ? `${[series.symbol, ...(series.dataset === undefined ? [] : [series.dataset]), intervalPathName(interval)].join('-')}.html`
      : undefined)
  const root = pathOf(run.settings.lake)
  if (page !== undefined) checkOutside('--out', pathOf(page), root)
  if (png !== undefined) checkOutside('--png', pathOf(png), root)
  return {
    ...{ series, range, page: page === undefined ? undefined : pathOf(page) },
    png: png === undefined ? undefined : { file: pathOf(png), browser: await findBrowser(run.context.env) },
  }
}

/** The rows of a table that has all slots of the grid: bars, and where each is from. */
function readSlots(table: Table): { slots: ChartSlot[]; sources: SourcedSlot[] } {
  const place = new Map(namesOf(table).map((name, i) => [name, i]))
  const slots: ChartSlot[] = []
  const sources: SourcedSlot[] = []
  mapRows(table, (cells) => {
    const number = (name: (typeof COLUMNS)[number]): number => Number(cells[place.get(name) ?? -1])
    const time = Date.parse(String(cells[place.get('open_time') ?? -1])) / 1000
    const source = String(cells[place.get('_data_source') ?? -1])
    slots.push(source === '' ? [time] : [time, number('open'), number('high'), number('low'), number('close'), number('volume')])
    sources.push({ time, source: source === '' ? null : source })
  })
  return { slots, sources }
}

/** What is not final: by the lake, which has the reasons, and by who gave the bars. */
async function readShades(
  run: CommandRun<ChartFlags>,
  { series, range }: ChartTask,
  sources: readonly SourcedSlot[],
): Promise<ChartShade[]> {
  if (!run.settings.enableCache) return findRestShades(sources, [], series)
  try {
    await using lake = await openLake(resolve(run.context.cwd, run.settings.lake), { mode: 'read', ...localOrigin(run) })
    const recorded = readRecorded(lake.catalog, series, range)
    return [...findDayShades(lake.catalog, recorded, range), ...findRestShades(sources, recorded, series)]
  } catch (error) {
    if (!isCkvdError(error, 'CKVD_LAKE_MISSING')) throw error
    return findRestShades(sources, [], series)
  }
}

async function writeChart(run: CommandRun<ChartFlags>, { page, png }: ChartTask, html: string): Promise<void> {
  if (page !== undefined) await writeReport(page, html)
  if (png === undefined) return
  const folder = await mkdtemp(join(tmpdir(), 'ckvd-chart-'))
  try {
    const source = join(folder, 'chart.html')
    await writeReport(source, html)
    const picture = await takePicture({ browser: png.browser, page: source, ...PICTURE, signal: run.signal })
    await using file = await OutFile.create(png.file, resolve(run.context.cwd, run.settings.lake))
    await file.write(picture)
    await file.commit()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What the page shows, and what is not well with it. */
interface DrawnBars {
  readonly bars: number
  readonly shades: readonly ChartShade[]
  readonly disputed: readonly string[]
  /** the error of bars that are missing without explanation */
  readonly unexplained: CkvdError | null
  readonly origin: string | null
}

/** Tells what was drawn; gives the exit code. */
function tell(run: CommandRun<ChartFlags>, { series, page, png }: ChartTask, drawn: DrawnBars): number {
  const { bars, shades, disputed, unexplained, origin } = drawn
  const exit = unexplained?.exit ?? (disputed.length === 0 ? 0 : 3)
  const files = [page, png?.file].filter((file) => file !== undefined)
  if (run.json) {
    const paths = { page: page ?? null, png: png?.file ?? null }
    run.printJson({ command: 'chart', exit, origin, ...series, bars, ...paths, shades, disputed, error: unexplained })
  } else {
    const shaded = shades.length === 0 ? '' : `, ${formatCountOf(shades.length, 'shaded stretch', 'shaded stretches')}`
    run.context.stdout.write(`${formatCountOf(bars, 'bar')}${shaded}. Written:\n${files.map((file) => `  ${file}\n`).join('')}`)
    if (unexplained !== null)
      run.context.stdout.write(`${unexplained.code}: ${unexplained.message} They are hatched in what was written. (exit ${exit})\n`)
  }
  tellSandbox(run, origin === 'sandbox' ? origin : null)
  if (disputed.length > 0) run.context.stderr.write(disputedText(disputed))
  return exit
}
