import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import { datasetNames } from '../../dataset/registry.ts'
import { CkvdError } from '../../errors.ts'
import { isPartOfExport } from '../../export/export-selection.ts'
import { openExportDatabase } from '../../export/query.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { addSettings, dataOption, LOCAL_SETTINGS, requireOption, wordOption } from '../options.ts'
import { OutFile } from '../show/out-file.ts'
import type { OutFormat } from '../show/out-format.ts'
import { chooseFormat, FORMAT_DEFAULT, OUT_FORMATS } from '../show/out-format.ts'
import { writeAnswer, writeAnswerTo } from '../show/query-output.ts'
import { tellSandbox } from '../show/sandbox-data.ts'

interface QueryFlags {
  readonly from?: string
  readonly data?: string[]
  readonly format?: OutFormat
  readonly out?: string
}

/** `ckvd query`. */
export function addQueryCommand(program: Command, context: CliContext): void {
  const command = program
    .command('query')
    .description(
      'SQL over an export, by DuckDB: a view for each market and interval (spot_1m, um_1h, cm_1mo), of other data sets with their name (um_markPriceKlines_1m, um_fundingRate), and coverage',
    )
    .addOption(new Option('--from <DIR>', 'directory of an export as Parquet or CSV (ckvd export --out DIR)'))
    .addOption(dataOption('views of these data sets alone, separated by commas (default: all that the export has)'))
    .addOption(wordOption('--format', FORMAT_DEFAULT, OUT_FORMATS))
    .addOption(new Option('--out <FILE>', 'write there instead of to standard output'))
  addSettings(command, {
    settings: LOCAL_SETTINGS,
    example: [
      'ckvd query "SELECT symbol, count(*), min(open_time), max(close) FROM spot_1m GROUP BY ALL" --from ./export',
      `ckvd query "SELECT date_trunc('day', open_time) AS day, arg_min(open, open_time) AS open, max(high) AS high, min(low) AS low,`,
      `  arg_max(close, open_time) AS close FROM spot_1m WHERE symbol = 'BTCUSDT' GROUP BY day ORDER BY day" --from ./export --out days.csv`,
      `ckvd query "SELECT symbol, day, condition, missing_bars, gaps[1].evidence FROM coverage WHERE missing_bars > 0" --from ./export`,
      'ckvd query "SHOW TABLES" --from ./export',
      'echo "SELECT count(*) FROM um_1h" | ckvd query - --from ./export',
    ].join('\n'),
    exits: {
      0: 'answered',
      2: 'wrong usage or SQL, no export there, or @duckdb/node-api is not installed',
      4: 'the export could not be read, a file of it is damaged, or the file not written',
      130: 'interrupted',
    },
    notes: [
      'Names are not case-sensitive in SQL: bars of a month are spot_1mo; spot_1M is refused. Times are UTC with microseconds.',
      'DuckDB comes with the optional package: npm install @duckdb/node-api.',
      'A query only reads: one SELECT over the files of the export, without other files and without network.',
    ],
  })
  command
    .argument('<sql>', 'one SELECT (also SHOW TABLES, DESCRIBE, SUMMARIZE, EXPLAIN); - reads it from standard input')
    .action((sql, _options, self) => runCommand(context, self, (run) => runQuery(run, sql), { sources: false }))
}

/** The data sets whose views are wanted; undefined: those of all. */
function viewedDatasets(data: readonly string[] | undefined): readonly string[] | undefined {
  return data === undefined || datasetNames().every((name) => data.includes(name)) ? undefined : data
}

async function runQuery(run: CommandRun<QueryFlags>, argument: string): Promise<number> {
  const { out } = run.options
  const format = chooseFormat(run.options, run.context.stdout.isTTY === true || run.json)
  const from = resolve(run.context.cwd, requireOption(run.options.from, '--from DIR'))
  if (run.json && out === undefined && format !== 'table' && format !== 'json')
    throw new CkvdError(
      'CKVD_USAGE',
      `Expected \`--out FILE\` with \`--json\` and \`--format ${format}\`: standard output has the one JSON object.`,
    )
  const sql = argument === '-' ? await readText(run.context.stdin) : argument
  if (out !== undefined) checkOutPath(resolve(run.context.cwd, out), from)
  using database = await openExportDatabase(from, run.signal, viewedDatasets(run.options.data))
  if (database.manifest.state !== 'complete')
    run.logger.warn({ from }, 'the export is unfinished: a run is under way or was interrupted; run ckvd export again for the whole of it')
  if (out === undefined) {
    const answer = await database.select(sql, run.signal)
    if (run.json) {
      const data: Record<string, unknown>[] = []
      for await (const chunk of answer.chunks)
        data.push(...chunk.map((row) => Object.fromEntries(answer.columns.map(({ name }, i) => [name, row[i]]))))
      run.printJson({ command: 'query', exit: 0, origin: database.manifest.origin, columns: answer.columns, rows: data.length, data })
    } else if (format !== 'arrow' && format !== 'parquet') await writeAnswer(answer, format, run.context.stdout)
    // who names the form writes for a program
    tellSandbox(run, database.manifest.origin, run.options.format !== undefined && format !== 'table')
    return 0
  }
  const path = resolve(run.context.cwd, out)
  await using file = await OutFile.create(path, resolve(run.context.cwd, run.settings.lake))
  const answer = await database.select(sql, run.signal)
  const rows = await writeAnswerTo(file, answer, format)
  await file.commit()
  tellSandbox(run, database.manifest.origin)
  if (run.json) run.printJson({ command: 'query', exit: 0, origin: database.manifest.origin, columns: answer.columns, rows, out: path })
  return 0
}

/** Throws CKVD_USAGE where an answer would take the place of a part of the export. */
function checkOutPath(path: string, from: string): void {
  if (!isPartOfExport(from, path)) return
  throw new CkvdError('CKVD_USAGE', `Expected \`--out\` beside the files of the export, got ${path}: it would be one of them.`)
}

async function readText(stdin: CliContext['stdin']): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stdin) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString('utf8')
}
