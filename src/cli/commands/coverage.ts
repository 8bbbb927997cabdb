import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import { csvLine } from '../../codec/export/csv-text.ts'
import { datasetOf } from '../../dataset/registry.ts'
import { seriesOf } from '../../dataset/told.ts'
import { CkvdError } from '../../errors.ts'
import { openLake } from '../../lake/lake.ts'
import { liesOutsideLife } from '../../lake/requested.ts'
import { listAbsent, listSelectedSeries } from '../../lake/selection.ts'
import type { Condition } from '../../model/condition.ts'
import { CONDITIONS, isExplained } from '../../model/condition.ts'
import { dayOfUs } from '../../model/utc-day.ts'
import { readCalendar } from '../../report/coverage/coverage-calendar.ts'
import { formatCoveragePage } from '../../report/coverage/coverage-page.ts'
import type { SeriesCoverage } from '../../report/coverage/coverage.ts'
import { hasUnexplained, readCoverage, sumMissing } from '../../report/coverage/coverage.ts'
import { writeReport } from '../../report/report-file.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { endOption, monthOption, startOption } from '../range-options.ts'
import type { FilterFlags } from '../options.ts'
import { acceptUnexplained } from '../accept-days.ts'
import { addSettings, dataOption, LOCAL_SETTINGS, filterOf, intervalsOption, marketOption, symbolsOption } from '../options.ts'
import { SHOWN_CONDITIONS, showCoverage } from '../show/coverage-text.ts'
import { hasColor } from '../show/error-text.ts'
import { checkOutside } from '../show/out-file.ts'
import { writeData } from '../show/output.ts'
import { localOrigin, tellSandbox } from '../show/sandbox-data.ts'

interface CoverageFlags extends FilterFlags {
  readonly csv?: true
  readonly html?: string
  readonly accept?: string
  readonly condition?: readonly Condition[]
  readonly reason?: string
}

/** `ckvd coverage`. */
export function addCoverageCommand(program: Command, context: CliContext): void {
  const command = program
    .command('coverage')
    .description('what the lake holds: days by condition, gaps with their evidence, days that were never requested')
    .addOption(dataOption('only these data sets, as Vision calls them, or all (default: all)'))
    .addOption(marketOption())
    .addOption(symbolsOption())
    .addOption(intervalsOption('only these intervals (default: all)'))
    .addOption(startOption('first day'))
    .addOption(endOption('day after the last one'))
    .addOption(monthOption())
    .option('--csv', 'CSV on stdout, a line a series')
    .option('--html <FILE>', 'write a page too: a calendar for each series, its gaps with their evidence, totals; one file, no network')
    .addOption(
      new Option(
        '--accept <SERIES/DAYS>',
        'record that a person accepts an unexplained day, e.g. spot/BTCUSDT/1m/2021-02-11; all of a series without a day, of days (the end excluded) with 2021-02-11..2021-02-14',
      ),
    )
    .addOption(
      new Option(
        '--condition <LIST>',
        'accept the unexplained days of these conditions alone, of --accept or of all that the filters choose (with --reason)',
      ).argParser(parseConditions),
    )
    .option('--reason <TEXT>', 'why it is accepted (with --accept or --condition)')
  addSettings(command, {
    settings: LOCAL_SETTINGS,
    example:
      'ckvd coverage --symbols BTCUSDT --intervals 1m\nckvd coverage --accept spot/BTCUSDT/1m/2021-02-11 --reason "looked at: exchange was down"\nckvd coverage --data fundingRate --market um --condition unexplainable --reason "never published"',
    exits: {
      0: 'everything that was requested is stored or explained',
      2: 'wrong usage, or no lake there',
      3: 'some days are partial, disputed, unexplainable, quarantined or failed, or the lake has nothing of what the filters name; they are listed',
      4: 'the lake could not be read, the page not written, or (--accept) another run is writing to the lake',
    },
  })
  command.action((_options, self) =>
    runCommand(context, self, (run) => (isAcceptance(run.options) ? acceptUnexplained(run) : report(run)), {
      sources: false,
      reports: true,
    }),
  )
}

/** True where days are to be accepted, not told. */
function isAcceptance({ accept, condition, reason }: CoverageFlags): boolean {
  return accept !== undefined || condition !== undefined || reason !== undefined
}

/** `--condition partial,unexplainable`: conditions that a person may accept. Throws CKVD_USAGE. */
function parseConditions(text: string): readonly Condition[] {
  const open = CONDITIONS.filter((condition) => !isExplained(condition))
  return text.split(',').map((word) => {
    const found = open.find((condition) => condition === word.trim())
    if (found !== undefined) return found
    throw new CkvdError('CKVD_USAGE', `Expected \`--condition\` to be conditions among ${open.join(', ')}, got "${word}" (flag).`)
  })
}

async function report(run: CommandRun<CoverageFlags>): Promise<number> {
  const filter = filterOf(run)
  const root = resolve(run.context.cwd, run.settings.lake)
  if (run.options.html !== undefined) checkOutside('--html', resolve(run.context.cwd, run.options.html), root)
  await using lake = await openLake(root, { mode: 'read', ...localOrigin(run) })
  const isOfAll = run.options.data === undefined
  const selected = listSelectedSeries(lake.catalog, isOfAll ? { ...filter, datasets: 'all' } : filter)
  const rows = selected.map((series) => readCoverage(lake.catalog, series, filter))
  const absent = listAbsent(filter, rows)
  // whoever names a part of the lake asks for it; of a lake that is empty as a whole nothing was requested
  const isOutside = selected.length > 0 && selected.every((series) => liesOutsideLife(lake.catalog, series, filter))
  const isEmpty = (!isOfAll || Object.keys(filter).length > 0) && rows.every(({ first }) => first === null) && !isOutside
  const exit = rows.some(hasUnexplained) || absent.length > 0 || isEmpty ? 3 : 0
  if (run.options.html !== undefined) {
    const series = rows.map((coverage) => ({ coverage, calendar: readCalendar(lake.catalog, seriesOf(coverage), filter) }))
    const page = formatCoveragePage({ series, origin: lake.origin ?? null, day: dayOfUs(run.nowMs() * 1000) })
    await writeReport(resolve(run.context.cwd, run.options.html), page)
    run.logger.info({ file: run.options.html }, 'page written')
  }
  if (run.json) run.printJson({ command: 'coverage', exit, origin: lake.origin ?? null, series: rows, absent, total: sumOf(rows) })
  else if (run.options.csv === true) printCsv(run, rows)
  else
    showCoverage(run.context.stdout, rows, {
      absent,
      exit,
      isOutside,
      origin: lake.origin,
      color: hasColor(run.context.stdout, run.context.env),
    })
  if (run.options.csv === true) tellSandbox(run, lake.origin, true)
  return exit
}

function sumOf(rows: readonly SeriesCoverage[]) {
  const add = (pick: (row: SeriesCoverage) => number): number => rows.reduce((sum, row) => sum + pick(row), 0)
  return {
    series: rows.length,
    days: Object.fromEntries(CONDITIONS.map((condition) => [condition, add((row) => row.days[condition])])),
    accepted: add((row) => row.accepted),
    never_requested: add((row) => row.never_requested),
    rows: add((row) => row.rows),
    bytes: add((row) => row.bytes),
    missing_bars: sumMissing(rows),
  }
}

function printCsv(run: CommandRun<CoverageFlags>, rows: readonly SeriesCoverage[]): void {
  const { stdout } = run.context
  const counts = [
    'accepted',
    'never_requested',
    'rows',
    'bytes',
    'missing_bars',
    'off_grid',
    'duplicates',
    'conflicts',
    'differing_rows',
  ] as const
  writeData(stdout, csvLine(['market', 'symbol', 'interval', 'first', 'last', ...SHOWN_CONDITIONS, ...counts, 'gaps', 'dataset']))
  for (const row of rows) {
    writeData(
      stdout,
      csvLine([
        row.market,
        row.symbol,
        row.interval ?? '',
        row.first ?? '',
        row.last ?? '',
        ...SHOWN_CONDITIONS.map((condition) => row.days[condition]),
        ...counts.map((key) => row[key] ?? ''),
        row.gaps.length,
        datasetOf(row).name,
      ]),
    )
  }
}
