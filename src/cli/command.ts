import { oldPlaceMessage } from '../../config/lake-place.ts'
import { misnamedMessage } from '../../config/option-names.ts'
import { loadingError } from '../../config/open-files.ts'
import type { ResolvedSettings, Settings } from '../../config/settings.ts'
import { nowMs, resolveSettings } from '../../config/settings.ts'
import { sourceUrls, urlsFor, withSources } from '../../config/source-urls.ts'
import type { DecodePool } from '../acquire/decode-pool.ts'
import { abortError, CkvdError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { createLogger } from '../log.ts'
import { checkProxies } from '../sources/http/proxy.ts'
import type { CommonFlags, OptionHolder } from './options.ts'
import { applyFileDefaults, settingFlags } from './options.ts'
import { hasColor, printError } from './show/error-text.ts'
import { HeldOutput } from './show/held-output.ts'
import { jsonLine } from './show/json-line.ts'
import type { Output, TextOutput } from './show/output.ts'
import { rateWarning } from './show/rate-warning.ts'
import { createTextOutput } from './show/text-output.ts'
import { wrapText } from './show/wrap-text.ts'

/** The world around a command: `main.ts` passes the process's, tests pass their own. */
export interface CliContext {
  readonly stdin: AsyncIterable<Uint8Array | string>
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** aborted with `CKVD_ABORTED` by the first SIGINT, SIGTERM or SIGHUP; the second ends the process */
  readonly signal: AbortSignal
  /** decode threads that outlive the command; left out: it starts its own */
  readonly pool?: DecodePool
  /** wall clock in epoch milliseconds; for planning, `CommandRun.nowMs` may be fixed by `CKVD_NOW` */
  now(): number
  /** tells the exit code with which the process is to end */
  setExit(exit: number): void
}

/** The world as a command's body sees it: what it writes is made harmless for a terminal. */
export interface RunContext extends CliContext {
  readonly stdout: TextOutput
  readonly stderr: TextOutput
}

/** What a command's body works with. */
export interface CommandRun<Options> {
  readonly context: RunContext
  /** the command's flags, the config file's defaults filled in */
  readonly options: Options
  /** with `--sandbox` the five URLs are those of the exchange that was started */
  readonly settings: Settings
  readonly resolved: ResolvedSettings
  readonly logger: Logger
  readonly signal: AbortSignal
  /** `--json`: stdout gets `printJson` alone */
  readonly json: boolean
  readonly quiet: boolean
  /** true where progress bars and colours belong: a terminal, and neither `--quiet` nor `--json` */
  readonly interactive: boolean
  /** time of planning, epoch milliseconds: the clock, or `CKVD_NOW` */
  nowMs(): number
  /** a clock that runs, epoch milliseconds: it starts at `nowMs` */
  clockMs(): number
  /** true of a flag that stands on the command line: neither a default nor a key of the config file, which may be meant for other calls */
  isFlag(this: void, key: string): boolean
  /** the one JSON object of `--json` */
  printJson(value: unknown): void
}

/** A parsed command of commander, whatever its arguments. */
export interface ParsedCommand<Options> extends OptionHolder {
  name(): string
  opts(): Options
}

/** What a command needs, and how its text is taken. */
export interface CommandNeeds {
  /** false: it asks no source for anything, so no sandbox is started for it. Default true */
  readonly sources?: boolean
  /** true: its text tells how something is. With `--quiet` it is not shown where all is well, and on stderr where it is not. Default false */
  readonly reports?: boolean
  /** told of the error that ended the command, after it was shown */
  readonly onError?: (error: CkvdError) => void
}

/**
 * Runs a command's body between what all commands share: settings, logger, sandbox, and the one place where errors are caught and shown.
 * The body returns the exit code; what the command needs is said in `needs`.
 * A command is a file with one function, added to the list in `program.ts`:
 *
 *     export function addGreetCommand(program: Command, context: CliContext): void {
 *       const command = program.command('greet').description('says hello').addOption(dayOption('--start', 'first day'))
 *       addSettings(command, { example: 'ckvd greet', exits: { 0: 'said' } })
 *       command.action((_options, command) => runCommand(context, command, (run) => {
 *         run.context.stdout.write(`Hello from ${run.options.start ?? run.settings.lake}\n`)
 *         return 0
 *       }))
 *     }
 */
export async function runCommand<Options extends object>(
  context: CliContext,
  command: ParsedCommand<Options>,
  body: (run: CommandRun<Options>) => number | Promise<number>,
  needs: CommandNeeds = {},
): Promise<void> {
  let printed = false
  let logFile: string | null = null
  try {
    const created = createRun(context, command, () => {
      printed = true
    })
    const held = needs.reports === true && created.quiet ? new HeldOutput(created.context.stdout) : undefined
    const run = held === undefined ? created : { ...created, context: { ...created.context, stdout: held } }
    logFile = run.settings.logFile
    const { sources = true } = needs
    if (sources && !run.settings.sandbox) checkProxies(urlsFor(sourceUrls(run.settings)), context.env)
    const exit = sources && run.settings.sandbox ? await runInSandbox(run, body) : await body(run)
    if (exit !== 0) held?.release(run.context.stderr)
    context.setExit(exit)
  } catch (thrown) {
    const error = errorOf(thrown, context.signal)
    printError(context, error, command.name())
    if (logFile !== null) logTo(logFile, error)
    if ((command.opts() as CommonFlags).json === true && !printed) {
      context.stdout.write(jsonLine({ command: command.name(), exit: error.exit, error: error.toData() }))
    }
    context.setExit(error.exit)
    needs.onError?.(error)
  }
}

/** Writes an error to the log file. One that cannot be opened any more must not hide the error. */
function logTo(file: string, error: CkvdError): void {
  try {
    createLogger({ level: 'ERROR', file, destination: { write: () => true } }).error(error)
  } catch (thrown) {
    if (!(thrown instanceof CkvdError)) throw thrown
  }
}

function createRun<Options extends object>(around: CliContext, command: ParsedCommand<Options>, onJson: () => void): CommandRun<Options> {
  const context: RunContext = { ...around, stdout: createTextOutput(around.stdout), stderr: createTextOutput(around.stderr) }
  const given = command.opts() as CommonFlags & Readonly<Record<string, unknown>>
  const resolved = resolveSettings({ flags: settingFlags(given), env: context.env, cwd: context.cwd, configPath: given.config })
  applyFileDefaults(command, resolved.fileDefaults, resolved.configFile ?? '')
  const options = command.opts()
  const { json, quiet, verbose } = options as CommonFlags
  if (quiet === true && verbose === true) throw new CkvdError('CKVD_USAGE', 'Expected `--quiet` or `--verbose`, got both. Leave one out.')
  const { settings } = resolved
  const startedMs = context.now()
  const level = verbose === true ? 'DEBUG' : quiet === true ? 'ERROR' : settings.logLevel
  const pretty = context.stderr.isTTY === true ? 'clock' : 'dated'
  const color = hasColor(context.stderr, context.env)
  const logger = createLogger({
    level,
    file: settings.logFile ?? undefined,
    pretty,
    color,
    destination: logDestination(context.stderr.raw),
  })
  const slow = rateWarning(settings.maxRate)
  if (slow !== undefined) logger.warn(slow)
  for (const variable of resolved.misnamed) logger.warn(misnamedMessage(variable))
  if (resolved.oldLake !== null) logger.warn(oldPlaceMessage(resolved.oldLake))
  return {
    ...{ context, options, settings, resolved, logger, signal: context.signal, json: json === true, quiet: quiet === true },
    // a dumb terminal does not know how to draw a bar
    interactive: context.stderr.isTTY === true && context.env['TERM'] !== 'dumb' && quiet !== true && json !== true,
    nowMs: () => (settings.now === null ? context.now() : nowMs(settings)),
    clockMs: () => (settings.now === null ? context.now() : nowMs(settings) + context.now() - startedMs),
    isFlag: (key) => command.getOptionValueSource(key) === 'cli',
    printJson(value) {
      onJson()
      context.stdout.raw.write(jsonLine(value))
    },
  }
}

/** Where log lines go, which are clean and may be coloured: on a terminal no word of them is broken. */
function logDestination(output: Output): Output {
  return { write: (text) => output.write(output.isTTY === true ? wrapText(text, output.columns ?? Infinity) : text) }
}

async function runInSandbox<Options>(
  run: CommandRun<Options>,
  body: (run: CommandRun<Options>) => number | Promise<number>,
): Promise<number> {
  // loaded on demand: most runs have no use for an exchange
  const { startSandbox } = await import('../sandbox/index.ts')
  const sandbox = await startSandbox({ now: () => run.clockMs() })
  try {
    return await body({ ...run, settings: withSources(run.settings, sandbox.urls) })
  } finally {
    await sandbox.close()
  }
}

/** An interrupted call throws an `AbortError` of its own (Piscina, undici): the signal's reason says what it means. */
function errorOf(thrown: unknown, signal: AbortSignal): CkvdError {
  const interrupted = signal.aborted && thrown instanceof Error && thrown.name === 'AbortError'
  return interrupted ? abortError(signal) : loadingError(thrown)
}
