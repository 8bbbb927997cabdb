import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import type { ExportFormat } from '../../codec/export/export-format.ts'
import { EXPORT_FORMATS } from '../../codec/export/export-format.ts'
import { rowWordOfAll } from '../../dataset/told.ts'
import { CkvdError } from '../../errors.ts'
import type { ExportProgress, ExportResult } from '../../export/export-tally.ts'
import { runExport } from '../../export/export.ts'
import { openLake } from '../../lake/lake.ts'
import { CONDITIONS } from '../../model/condition.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { neverRequestedLine, neverRequestedTitle } from '../show/never-requested.ts'
import { unexplainedLine } from '../show/unexplained-day.ts'
import { endOption, monthOption, startOption } from '../range-options.ts'
import type { FilterFlags } from '../options.ts'
import {
  addSettings,
  LOCAL_SETTINGS,
  dataOption,
  filterOf,
  intervalsOption,
  marketOption,
  requireOption,
  symbolsOption,
  wordOption,
} from '../options.ts'
import { formatBytes, formatCount, formatCountOf, formatDuration, formatRate } from '../show/output.ts'
import { createProgress } from '../show/progress.ts'
import { localOrigin, tellSandbox } from '../show/sandbox-data.ts'
import { shortList } from '../show/short-list.ts'

interface ExportFlags extends FilterFlags {
  readonly out?: string
  readonly format: ExportFormat
  readonly gzip?: true
  readonly replace?: true
}

/** `ckvd export`. */
export function addExportCommand(program: Command, context: CliContext): void {
  const command = program
    .command('export')
    .description(
      'the lake, or a part of it, as Parquet (zstd), CSV or Arrow files in Hive partitions; what has not changed since the last export stays as it is',
    )
    .addOption(new Option('--out <DIR>', 'directory of the export: data/, coverage and manifest.json are written there'))
    .addOption(wordOption('--format', 'form of the files', EXPORT_FORMATS).default('parquet' as const))
    .option('--gzip', 'compress CSV files')
    .option('--replace', 'DIR may hold another selection or format: what is not selected now is removed')
    .addOption(dataOption())
    .addOption(marketOption())
    .addOption(symbolsOption())
    .addOption(intervalsOption('only these intervals (default: all)'))
    .addOption(startOption('first day; listed days from here on that were never requested end in exit code 3'))
    .addOption(endOption('day after the last one; likewise'))
    .addOption(monthOption())
  addSettings(command, {
    settings: [...LOCAL_SETTINGS, 'workers'],
    example: [
      'ckvd export --out ./export',
      'ckvd export --out ./btc --symbols BTCUSDT --intervals 1m,1h --start 2024-01-01 --end 2025-01-01',
      'ckvd export --out ./csv --format csv --gzip --market um',
      'ckvd query "SELECT symbol, count(*) FROM spot_1m GROUP BY ALL" --from ./export',
    ].join('\n'),
    exits: {
      0: 'exported; every day of the selection is stored, or its absence is explained',
      2: 'wrong usage, no lake there, nothing selected, or DIR holds another export',
      3: 'exported, but some days are partial, disputed, unexplainable, quarantined, failed or were never requested, or a shard is bad; they are listed',
      4: 'stopped early: disk full, DIR cannot be written, or another run is writing to it',
      130: 'interrupted; the same command goes on from there',
    },
  })
  command.action((_options, self) => runCommand(context, self, exportLake, { sources: false, reports: true }))
}

async function exportLake(run: CommandRun<ExportFlags>): Promise<number> {
  const { format, gzip, replace } = run.options
  const out = resolve(run.context.cwd, requireOption(run.options.out, '--out DIR'))
  if (gzip === true && format !== 'csv')
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`--gzip\` with \`--format csv\`, got ${format}: its files are compressed already or made to be mapped.`,
    )
  const filter = filterOf(run)
  await using lake = await openLake(resolve(run.context.cwd, run.settings.lake), { mode: 'read', ...localOrigin(run) })
  const view = createProgress<ExportProgress>(run, {
    message: 'exporting',
    facts: ({ done, total, rows, totalRows, bytesWritten, problems, elapsedMs, etaMs }) => ({
      ...{ done, total, rows, totalRows, bytesWritten, problems, elapsedMs, etaMs },
    }),
    parts: progressParts,
  })
  const result = await runExport(lake, {
    out,
    encoding: { format, gzip: gzip === true },
    filter,
    replace: replace === true,
    workers: run.settings.workers,
    signal: run.signal,
    logger: run.logger,
    onProgress: view.update,
  }).finally(() => view.stop())
  if (run.json) run.printJson(result)
  else printResult(run, result)
  tellSandbox(run, lake.origin)
  return result.exit
}

function progressParts({ done, total, rows, elapsedMs, etaMs, bytesWritten, problems }: ExportProgress): string[] {
  return [
    formatRate(rows, elapsedMs, 'rows'),
    ...(etaMs === null ? [] : [`ETA ${formatDuration(etaMs)}`]),
    ...(problems > 0 ? [formatCountOf(problems, 'problem')] : []),
    `${formatCount(done)}/${formatCount(total)} files`,
    `${formatBytes(bytesWritten)} written`,
  ]
}

function printResult(run: CommandRun<object>, result: ExportResult): void {
  const { stdout } = run.context
  const line = (text: string): void => void stdout.write(`${text}\n`)
  const { written, unchanged, removed, failed } = result.files
  const format = result.gzip ? `${result.format}, gzip` : result.format
  line(
    `${formatCountOf(result.series, 'series', 'series')} in ${result.out}: ${formatCountOf(result.rows, 'row')}, ${formatBytes(result.bytes)} (${format})`,
  )
  const parts = [`${formatCountOf(written, 'file')} written`, `${formatCount(unchanged)} unchanged`, `${formatCount(removed)} removed`]
  if (failed > 0) parts.push(`${formatCount(failed)} failed`)
  const rate = result.rows_written > 0 ? ` (${formatRate(result.rows_written, result.elapsed_ms, 'rows')})` : ''
  line(`${parts.join(', ')}: ${formatBytes(result.bytes_written)} in ${formatDuration(result.elapsed_ms)}${rate}`)
  const days = CONDITIONS.filter((condition) => result.days[condition] > 0)
  line(
    `days: ${days.map((condition) => `${formatCount(result.days[condition])} ${condition}`).join(', ')}; each with its evidence in ${result.coverage}`,
  )
  stdout.write(
    shortList(
      `${formatCount(result.problems.length)} could not be exported (what was there before is still there)`,
      result.problems.map(({ path, code, message }) => `${path}  ${code}: ${message}`),
    ),
  )
  stdout.write(
    shortList(
      `${formatCount(result.unexplained.length)} not explained`,
      result.unexplained.map((day) => unexplainedLine(day, day)),
    ),
  )
  const never = result.never_requested_days
  stdout.write(
    shortList(
      neverRequestedTitle(never),
      never.map((stretch) => neverRequestedLine(stretch, stretch)),
    ),
  )
  const word = rowWordOfAll([...result.unexplained, ...never]) === 'bar' ? 'Bars' : 'Rows'
  line(
    result.exit === 0
      ? 'Every day of the selection is exported, or its absence is explained. (exit 0)'
      : `${word} are missing without explanation. (exit 3)`,
  )
}
