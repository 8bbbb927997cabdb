import { loadingError } from '../../config/open-files.ts'
import { readFileSync } from 'node:fs'
import type { CommandUnknownOpts } from '@commander-js/extra-typings'
import { Command } from '@commander-js/extra-typings'
import { CommanderError } from 'commander'
import { CkvdError } from '../errors.ts'
import { systemCode } from '../system-errors.ts'
import type { CliContext } from './command.ts'
import { runProcess } from './run-process.ts'
import { hasColor, printError } from './show/error-text.ts'
import { jsonLine } from './show/json-line.ts'
import { createTextOutput } from './show/text-output.ts'

type AddCommand = (program: Command, context: CliContext) => void

/** All commands, in the order of `ckvd --help`; each with what it needs is loaded when it is wanted. A new command is one file and one entry here. */
const COMMANDS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  ingest: async () => (await import('./commands/ingest.ts')).addIngestCommand,
  sync: async () => (await import('./commands/sync.ts')).addSyncCommand,
  availability: async () => (await import('./commands/availability.ts')).addAvailabilityCommand,
  coverage: async () => (await import('./commands/coverage.ts')).addCoverageCommand,
  runs: async () => (await import('./commands/runs.ts')).addRunsCommand,
  changes: async () => (await import('./commands/changes.ts')).addChangesCommand,
  verify: async () => (await import('./commands/verify.ts')).addVerifyCommand,
  upgrade: async () => (await import('./commands/upgrade.ts')).addUpgradeCommand,
  fetch: async () => (await import('./commands/fetch.ts')).addFetchCommand,
  chart: async () => (await import('./commands/chart.ts')).addChartCommand,
  export: async () => (await import('./commands/export.ts')).addExportCommand,
  query: async () => (await import('./commands/query.ts')).addQueryCommand,
  resample: async () => (await import('./commands/resample.ts')).addResampleCommand,
  prove: async () => (await import('./commands/prove.ts')).addProveCommand,
  sandbox: async () => (await import('./commands/sandbox.ts')).addSandboxCommand,
  config: async () => (await import('./commands/config.ts')).addConfigCommand,
}

/** The command line, which parses nothing yet: with what `word`, the first one of the line, needs. */
export async function createProgram(context: CliContext, word?: string): Promise<Command> {
  const program = createBareProgram('ckvd', context)
    .description('Binance candlesticks, whole or explained: a bulk ingester of archives and REST into a lake of Arrow files')
    .addHelpText('after', '\nExit codes: 0 done, 1 bug, 2 wrong usage, 3 finished with unexplained days, 4 stopped early, 130 interrupted')
  const commands = await Promise.all(loadersFor(word).map((load) => load()))
  for (const add of commands) add(program, context)
  return program
}

function loadersFor(word: string | undefined): readonly (() => Promise<AddCommand>)[] {
  if (word === '--version' || word === '-V') return []
  const only = word !== undefined && Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined
  return only === undefined ? Object.values(COMMANDS) : [only]
}

/** A program without commands that prints and fails as all of ours do. */
export function createBareProgram(name: string, context: CliContext): Command {
  return new Command(name)
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void createTextOutput(context.stdout).write(text),
      writeErr: (text) => void createTextOutput(context.stderr).write(text),
      // commander's usage errors are shown by runCli, in the form of all errors
      outputError: () => undefined,
      getOutHelpWidth: () => context.stdout.columns ?? 100,
      getErrHelpWidth: () => context.stderr.columns ?? 100,
      getOutHasColors: () => hasColor(context.stdout, context.env),
      getErrHasColors: () => hasColor(context.stderr, context.env),
    })
}

/** Runs one command line (without `node` and the script). Resolves with the exit code; never rejects. */
export async function runCli(
  args: readonly string[],
  context: Omit<CliContext, 'setExit'>,
  create: (context: CliContext, word?: string) => Command | Promise<Command> = createProgram,
): Promise<number> {
  let exit = 0
  let program: Command | undefined
  try {
    program = await create({ ...context, setExit: (code) => (exit = code) }, args[0])
    await program.parseAsync(knownWords(program, args), { from: 'user' })
    return exit
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0
    const command = program?.commands.find((one) => one.name() === args[0])
    const error = thrown instanceof CommanderError ? await usageError(thrown, command ?? program) : loadingError(thrown)
    if (error === undefined) return 2
    // also where the command could not even be loaded
    const name = args[0] !== undefined && Object.hasOwn(COMMANDS, args[0]) ? args[0] : ''
    printError(context, error, name)
    // the flags could not be read, so `--json` is looked for among the words: a program that asked for JSON gets it
    if (args.includes('--json')) context.stdout.write(jsonLine({ command: name, exit: error.exit, error: error.toData() }))
    return error.exit
  }
}

/** Runs the command line of this process, and ends it. A function, since what commands load on demand waits for what is still being loaded. */
export function start(): Promise<never> {
  return runProcess((args, context) => runCli(args, context))
}

/** The words of a command line; of a command that there is not its name alone, so that no help is printed as if there were. */
function knownWords({ commands }: Pick<Command, 'commands'>, args: readonly string[]): string[] {
  const [word = '-'] = args
  const isKnown = word.startsWith('-') || word === 'help' || commands.length === 0 || commands.some((command) => command.name() === word)
  return isKnown ? [...args] : [word]
}

/** A usage error of commander in our form; undefined when it has printed the help instead (`ckvd` alone). */
async function usageError(thrown: CommanderError, command: ParsedWords | undefined): Promise<CkvdError | undefined> {
  if (thrown.code === 'commander.help') return undefined
  const [, flag] = thrown.code === 'commander.unknownOption' ? (/'(-[^'=]+)/.exec(thrown.message) ?? []) : []
  const advice = flag === undefined || command === undefined ? undefined : await flagAdvice(flag, command)
  if (advice !== undefined) return new CkvdError('CKVD_USAGE', `Unknown option '${flag}'. ${advice}`)
  const message = thrown.message.replace(/^error: /, '').replace(/\n\(?(.*?)\)?$/, '. $1')
  return new CkvdError('CKVD_USAGE', message.charAt(0).toUpperCase() + message.slice(1))
}

/** What a command knows of its own words. */
type ParsedWords = Pick<CommandUnknownOpts, 'name' | 'options' | 'registeredArguments'>

/** What was probably meant by a flag that a command does not have: another flag, by whatever name it goes elsewhere, or an argument. */
async function flagAdvice(flag: string, command: ParsedWords): Promise<string | undefined> {
  // what all settings are called, which a command that is read does not need
  const { findOption } = await import('../../config/option-names.ts')
  const meant = findOption(
    flag,
    command.options.flatMap(({ long }) => long ?? []),
  )
  if (meant !== undefined) return `Did you mean ${meant}?`
  const argument = findOption(
    flag,
    command.registeredArguments.map((one) => one.name()),
  )
  return argument === undefined ? undefined : `It is no flag but a word of its own: ckvd ${command.name()} ${argument.toUpperCase()}`
}

/** The version in package.json, which lies above `src` and above `dist/src` alike. */
function packageVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    const text = readIfThere(new URL(path, import.meta.url))
    if (text !== undefined) return (JSON.parse(text) as { version: string }).version
  }
  throw new CkvdError('CKVD_BUG', 'Expected package.json beside the program, found none. Install the package again.')
}

function readIfThere(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
