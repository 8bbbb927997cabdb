import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { Option } from '@commander-js/extra-typings'
import { seriesLabel } from '../../dataset/names.ts'
import { toldSeries } from '../../dataset/told.ts'
import { isCkvdError } from '../../errors.ts'
import { openLake } from '../../lake/lake.ts'
import { lakePaths } from '../../lake/layout.ts'
import type { Origin } from '../../lake/origin.ts'
import { pruneSeries } from '../../lake/prune.ts'
import type { VerifyProgress, VerifyResult } from '../../lake/verify.ts'
import { openLakeToVerify } from '../../lake/verifiable-lake.ts'
import { runVerify } from '../../lake/verify.ts'
import type { CliContext, CommandRun } from '../command.ts'
import { runCommand } from '../command.ts'
import { addSettings, dataOption } from '../options.ts'
import { formatBytes, formatCount, formatCountOf, formatDuration, formatRate } from '../show/output.ts'
import { repairDays } from '../repair.ts'
import { fetchedOrigin, localOrigin, tellSandbox } from '../show/sandbox-data.ts'
import { createProgress } from '../show/progress.ts'
import { shortList } from '../show/short-list.ts'
import { parseSeriesName } from '../show/series-name.ts'

interface VerifyFlags {
  readonly repair?: true
  readonly data?: readonly string[]
}

/** `ckvd verify`. */
export function addVerifyCommand(program: Command, context: CliContext): void {
  const command = program
    .command('verify')
    .description(
      'checks every shard (digest, schema, rows), sweeps temporary files, lists foreign files, rebuilds a lost catalog; a read-only lake is checked alone',
    )
    .addOption(dataOption('only shards of these data sets, separated by commas (default: all, and foreign files are listed)'))
    .option('--repair', 'fetch again what is bad')
    .addOption(
      new Option(
        '--prune <SERIES>',
        'remove a series instead, e.g. spot/BTCUSDT/1m: its shards and what the catalog knows of it',
      ).argParser((text) => parseSeriesName('--prune', text)),
    )
  addSettings(command, {
    example: 'ckvd verify --lake ./lake\nckvd verify --lake ./lake --repair',
    exits: {
      0: 'every shard is what the catalog says',
      2: 'wrong usage, no lake there, or (--prune) no such series in it',
      3: 'some shards are bad; they are listed, and planned anew by the next ingest',
      4: 'the lake could not be read, or another run is writing to it; or it is read-only and its catalog lost',
    },
  })
  command.action((_options, self) =>
    runCommand(
      context,
      self,
      async (run) => {
        const root = resolve(context.cwd, run.settings.lake)
        const origin = run.options.repair === true ? fetchedOrigin(run) : localOrigin(run)
        await openLake(root, { mode: 'read', ...origin }).then(
          (lake) => lake.close(),
          (error: unknown) => {
            // a lost or damaged catalog is what verify is for; a directory that is no lake is not
            if (!isCkvdError(error) || error.code === 'CKVD_ORIGIN') throw error
            if (error.code === 'CKVD_LAKE_MISSING' && !existsSync(lakePaths(root).data)) throw error
          },
        )
        return run.options.prune === undefined ? verify(run, root) : prune(run, root, run.options.prune)
      },
      { reports: true },
    ),
  )
}

async function prune(run: CommandRun<object>, root: string, series: ReturnType<typeof parseSeriesName>): Promise<number> {
  await using lake = await openLake(root, { mode: 'write', tell: (message) => run.logger.info(message), ...localOrigin(run) })
  const { shards, bytes } = await pruneSeries(lake, series)
  if (run.json) run.printJson({ command: 'verify', exit: 0, pruned: { ...toldSeries(series), shards, bytes } })
  else run.context.stdout.write(`Removed ${seriesLabel(series)}: ${formatCountOf(shards, 'shard')}, ${formatBytes(bytes)}.\n`)
  return 0
}

async function verify(run: CommandRun<VerifyFlags>, root: string): Promise<number> {
  const { result, origin } = await check(run, root)
  const repair = run.options.repair === true && result.bad.length > 0 ? await repairDays(run, result.bad) : null
  const exit = repair === null ? (result.bad.length > 0 ? 3 : 0) : repair.exit
  if (run.json) run.printJson({ command: 'verify', exit, ...jsonOf(result), repair })
  else show(run, result, repair)
  tellSandbox(run, origin)
  return exit
}

async function check(run: CommandRun<VerifyFlags>, root: string): Promise<{ result: VerifyResult; origin: Origin | undefined }> {
  const options = { tell: (message: string) => run.logger.info(message), ...localOrigin(run) }
  // what is to be repaired must be written
  await using lake =
    run.options.repair === true ? await openLake(root, { ...options, mode: 'write', repair: true }) : await openLakeToVerify(root, options)
  const startedMs = performance.now()
  const view = createProgress<VerifyProgress>(run, {
    message: 'verifying',
    facts: ({ step, done, total }) => ({ step, done, total }),
    parts: ({ done, total }) => {
      const elapsedMs = performance.now() - startedMs
      if (total === null) return [`Looking at files: ${formatCount(done)}`]
      const eta = `ETA ${formatDuration((elapsedMs / done) * (total - done))}`
      return [formatRate(done, elapsedMs, 'shards'), eta, `checked ${formatCount(done)}/${formatCount(total)} shards`]
    },
  })
  const result = await runVerify(lake, { signal: run.signal, datasets: run.options.data, onProgress: view.update }).finally(() =>
    view.stop(),
  )
  return { result, origin: lake.origin }
}

function jsonOf(result: VerifyResult) {
  const { shards, bytes, bad, foreign, adopted, unrecorded, readOnly, swept, rebuilt, elapsedMs } = result
  return {
    shards,
    bytes,
    bad: bad.map(({ series, ...rest }) => ({ ...toldSeries(series), ...rest })),
    foreign,
    adopted,
    unrecorded,
    read_only: readOnly,
    swept,
    rebuilt,
    elapsed_ms: Math.round(elapsedMs),
  }
}

function show(run: CommandRun<object>, result: VerifyResult, repair: { exit: number; stored: number } | null): void {
  const { stdout } = run.context
  const line = (text: string): void => void stdout.write(`${text}\n`)
  line(`${formatCountOf(result.shards, 'shard')} checked, ${formatBytes(result.bytes)}, in ${formatDuration(result.elapsedMs)}`)
  if (result.damagedCatalog !== undefined) line(`the catalog was damaged: it was moved to ${result.damagedCatalog}`)
  if (result.rebuilt) line('the catalog was rebuilt from the shards; days without a shard, bans and runs are planned anew')
  if (result.adopted > 0)
    line(`${formatCountOf(result.adopted, 'whole shard')} that the catalog did not know ${result.adopted === 1 ? 'was' : 'were'} taken in`)
  if (result.unrecorded > 0) line(`${formatCountOf(result.unrecorded, 'whole shard')} that the catalog does not know`)
  if (result.swept > 0) line(`${formatCountOf(result.swept, 'temporary file')} of killed runs removed`)
  stdout.write(
    shortList(`${formatCountOf(result.foreign.length, 'foreign file')} below data/, not believed and left alone`, result.foreign),
  )
  const bad = result.bad.map(({ path, code, message }) => `${path}  ${code}: ${message}`)
  stdout.write(shortList(formatCountOf(bad.length, 'bad shard'), bad))
  if (result.readOnly !== null)
    line(`The lake is read-only (${result.readOnly}): what is found is told and not recorded, and temporary files stay.`)
  if (repair !== null) line(`repaired: ${formatCountOf(repair.stored, 'day')} fetched again`)
  else if (result.bad.length > 0 && result.readOnly !== null)
    line('Run `ckvd verify --repair` where the lake can be written, to fetch them anew. (exit 3)')
  else if (result.bad.length > 0) line('Run `ckvd verify --repair`, or the ingest again, to fetch them anew. (exit 3)')
  else line('Every shard is what the catalog says. (exit 0)')
}
