import { CkvdError } from '../errors.ts'
import type { CliContext } from './command.ts'

/**
 * Runs a command line as this process and ends it with its exit code. The first SIGINT or SIGTERM stops the command cleanly, the second
 * one stops the process at once.
 */
export async function runProcess(run: (args: readonly string[], context: Omit<CliContext, 'setExit'>) => Promise<number>): Promise<never> {
  const interrupt = new AbortController()
  const stop = (signalName: NodeJS.Signals): void => {
    if (interrupt.signal.aborted) process.exit(130)
    if (process.stderr.isTTY) process.stderr.write('\nStopping cleanly; interrupt again to stop at once.\n')
    interrupt.abort(new CkvdError('CKVD_ABORTED', `Interrupted by ${signalName}. It is safe to run the same command again.`))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)

  // `ckvd coverage | head` closes our output early. The work goes on: it is not what the reader of its report asked for that counts.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }

  const { stdin, stdout, stderr, env } = process
  const context = { stdin, stdout, stderr, env, cwd: process.cwd(), signal: interrupt.signal, now: Date.now }
  const exit = await run(process.argv.slice(2), context)
  // output into a pipe may still be on its way; the callback comes with an error when nobody reads any more
  await new Promise((resolve) => stdout.write('', resolve))
  process.exit(exit)
}
