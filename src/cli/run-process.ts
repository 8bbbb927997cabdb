import { CkvdError, toCkvdError } from '../errors.ts'
import { describeSystemError, systemCode } from '../system-errors.ts'
import type { CliContext } from './command.ts'
import { isNohup } from './hangup.ts'
import { ProcessOutput } from './process-output.ts'
import { printError } from './show/error-text.ts'

/**
 * Runs a command line as this process and ends it with its exit code. The first SIGINT, SIGTERM or SIGHUP stops the command cleanly, the
 * second one stops the process at once; under `nohup` a SIGHUP changes nothing.
 */
export async function runProcess(run: (args: readonly string[], context: Omit<CliContext, 'setExit'>) => Promise<number>): Promise<never> {
  const stdout = new ProcessOutput(process.stdout, 1)
  const stderr = new ProcessOutput(process.stderr, 2)
  process.on('exit', () => stderr.restoreTerminal())
  // what nobody waits for, such as memory that Node's own parts do not get
  process.on('uncaughtException', (thrown) => {
    const error = toCkvdError(thrown)
    printError({ stderr, env: process.env }, error, '')
    process.exit(error.exit)
  })

  const interrupt = new AbortController()
  const stop = (signalName: NodeJS.Signals): void => {
    if (interrupt.signal.aborted) process.exit(130)
    // whoever draws a bar takes it away now
    interrupt.abort(new CkvdError('CKVD_ABORTED', `Interrupted by ${signalName}. It is safe to run the same command again.`))
    if (stderr.isTTY) stderr.write('\nStopping cleanly; interrupt again to stop at once.\n')
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  const { stdin, env } = process
  process.on('SIGHUP', isNohup(env) ? () => undefined : stop)

  const args = process.argv.slice(2)
  const context = { stdin, stdout, stderr, env, signal: interrupt.signal, now: Date.now }
  const cwd = findWorkingDirectory(args, context)
  const exit = cwd === undefined ? 2 : await run(args, { ...context, cwd })
  await stdout.flush()
  process.exit(stdout.failure === undefined ? exit : tellLostOutput(exit, stdout.failure, context))
}

/** What ends well although nobody was told so does not end well. */
function tellLostOutput(exit: number, failure: Error, context: Pick<CliContext, 'stderr' | 'env'>): number {
  const code = systemCode(failure) ?? ''
  const why = code === 'EPIPE' ? 'its reader has closed it (EPIPE)' : describeSystemError(failure)
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  const message = `Cannot write to standard output: ${why}. The work went on and ended with code ${exit}; what it printed is not whole.`
  const error = new CkvdError(isFull ? 'CKVD_DISK_FULL' : 'CKVD_REPORT_IO', message, { cause: failure })
  printError(context, error, '')
  return exit === 0 || exit === 3 ? error.exit : exit
}

/** The working directory; undefined, once that is told, where it has been removed and the command line needs one. */
function findWorkingDirectory(args: readonly string[], context: Pick<CliContext, 'stderr' | 'env'>): string | undefined {
  try {
    return process.cwd()
  } catch (cause) {
    if (args.some((word) => ['--help', '-h', '--version', '-V'].includes(word))) return '/'
    const message = 'The working directory of this process has been removed. Change to another one (cd), then run the command again.'
    printError(context, new CkvdError('CKVD_USAGE', message, { cause }), '')
    return undefined
  }
}
