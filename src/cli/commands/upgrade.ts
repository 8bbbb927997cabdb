import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { toldSeries } from '../../dataset/told.ts'
import { openLake } from '../../lake/lake.ts'
import type { Origin } from '../../lake/origin.ts'
import { listAbsent, listSelectedSeries } from '../../lake/selection.ts'
import type { UpgradeProgress, UpgradeResult } from '../../lake/upgrade.ts'
import { planUpgrade, runUpgrade } from '../../lake/upgrade.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import type { FilterFlags } from '../options.ts'
import { addSettings, filterOf, intervalsOption, LOCAL_SETTINGS, marketOption, symbolsOption } from '../options.ts'
import { formatBytes, formatCount, formatCountOf, formatDuration } from '../show/output.ts'
import { createProgress } from '../show/progress.ts'
import { localOrigin, tellSandbox } from '../show/sandbox-data.ts'
import { shortList } from '../show/short-list.ts'

interface UpgradeFlags extends Pick<FilterFlags, 'market' | 'symbols' | 'intervals'> {
  readonly dryRun?: true
}

/** `ckvd upgrade`. */
export function addUpgradeCommand(program: Command, context: CliContext): void {
  const command = program
    .command('upgrade')
    .description('brings a lake of format 1 to format 2, without a download: bars of 15m and longer into a file a month, or a year')
    .addOption(marketOption())
    .addOption(symbolsOption())
    .addOption(intervalsOption('only these intervals (default: all)'))
    .option('--dry-run', 'tell files and bytes before and after (an estimate), and change nothing')
  addSettings(command, {
    settings: LOCAL_SETTINGS,
    example: 'ckvd upgrade --lake ./lake --dry-run\nckvd upgrade --lake ./lake',
    exits: {
      0: 'what was asked for is of format 2 (--dry-run: would be)',
      2: 'wrong usage, or no lake there',
      3: 'some shards are damaged and stay as they are, or the lake has nothing of what the filters name; they are listed',
      4: 'the lake could not be read or written, or another run is writing to it; the same command goes on',
      130: 'interrupted; the same command goes on',
    },
    notes: ['The lake is read as it is, before, meanwhile and after; an ingest brings what it touches to format 2, too.'],
  })
  command.action((_options, self) => runCommand(context, self, upgrade, { sources: false, reports: true }))
}

async function upgrade(run: CommandRun<UpgradeFlags>): Promise<number> {
  const startedMs = performance.now()
  const isDry = run.options.dryRun === true
  const { result, absent, origin } = isDry ? await plan(run) : await change(run)
  const exit = result.left.length > 0 || absent.length > 0 ? 3 : 0
  const elapsedMs = performance.now() - startedMs
  if (run.json) run.printJson({ command: 'upgrade', exit, dry_run: isDry, ...jsonOf(result), absent, elapsed_ms: Math.round(elapsedMs) })
  else show(run, result, { absent, exit, elapsedMs })
  tellSandbox(run, origin)
  return exit
}

interface Outcome {
  readonly result: UpgradeResult
  /** symbols and intervals that the filters name and the lake has not */
  readonly absent: readonly string[]
  readonly origin: Origin | undefined
}

/** Opened to be read: a lake that is not there is not begun. */
async function plan(run: CommandRun<UpgradeFlags>): Promise<Outcome> {
  const filter = filterOf(run)
  await using lake = await openLake(resolve(run.context.cwd, run.settings.lake), { mode: 'read', ...localOrigin(run) })
  const series = listSelectedSeries(lake.catalog, filter)
  return { result: planUpgrade(lake.catalog, series), absent: listAbsent(filter, series), origin: lake.origin }
}

async function change(run: CommandRun<UpgradeFlags>): Promise<Outcome> {
  const filter = filterOf(run)
  const root = resolve(run.context.cwd, run.settings.lake)
  await (await openLake(root, { mode: 'read', ...localOrigin(run) })).close()
  await using lake = await openLake(root, { mode: 'write', tell: (message) => run.logger.info(message), ...localOrigin(run) })
  const series = listSelectedSeries(lake.catalog, filter)
  const view = createProgress<UpgradeProgress>(run, {
    message: 'upgrading',
    facts: ({ done, total, chunks }) => ({ done, total, chunks }),
    parts: ({ done, total, chunks }) => [`${formatCount(done)}/${formatCount(total)} series`, formatCountOf(chunks, 'chunk')],
  })
  const result = await runUpgrade(lake, series, { signal: run.signal, onProgress: view.update }).finally(() => view.stop())
  return { result, absent: listAbsent(filter, series), origin: lake.origin }
}

function jsonOf({ series, chunks, before, after, left }: UpgradeResult) {
  return {
    series,
    chunks,
    files: { before: before.files, after: after.files },
    bytes: { before: before.bytes, after: after.bytes },
    left: left.map(({ series, ...rest }) => ({ ...toldSeries(series), ...rest })),
  }
}

function show(
  run: CommandRun<UpgradeFlags>,
  { series, chunks, before, after, left }: UpgradeResult,
  { absent, exit, elapsedMs }: { readonly absent: readonly string[]; readonly exit: number; readonly elapsedMs: number },
): void {
  const isDry = run.options.dryRun === true
  const line = (text: string): void => void run.context.stdout.write(`${text}\n`)
  if (chunks > 0) {
    const about = isDry ? 'about ' : ''
    line(`${formatCountOf(chunks, 'chunk')} of ${formatCount(series)} series ${isDry ? 'stand' : 'stood'} in files of format 1`)
    line(`before: ${formatCountOf(before.files, 'file')}, ${formatBytes(before.bytes)}`)
    line(`after:  ${formatCountOf(after.files, 'pack')}, ${about}${formatBytes(after.bytes)}`)
  } else line('Nothing stands in files of format 1 that could be brought into packs.')
  const bad = left.map(({ path, code, message }) => `${path}  ${code}: ${message}`)
  run.context.stdout.write(
    shortList(`${formatCountOf(bad.length, 'damaged shard')}, left as ${bad.length === 1 ? 'it is' : 'they are'}`, bad),
  )
  run.context.stdout.write(shortList('the lake has nothing of', absent))
  if (left.length > 0) line('Run `ckvd verify --repair` to fetch anew what is damaged: it comes in packs.')
  line(isDry ? `Nothing was changed. (exit ${exit})` : `Done in ${formatDuration(elapsedMs)}. (exit ${exit})`)
}
