import type { RequestSurroundings } from '../ingest/request/request-options.ts'
import type { CommandRun } from './command.ts'

/** What surrounds the request of a command that ingests. */
export function requestSurroundings(run: CommandRun<object>): RequestSurroundings {
  const { context } = run
  const { env, cwd, stdin, pool } = context
  return { caller: 'command', clockMs: () => run.clockMs(), systemMs: () => context.now(), env, cwd, stdin, pool }
}
