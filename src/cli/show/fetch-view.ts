import type { CommandRun } from '../command.ts'
import { formatCount, formatDuration, formatRate } from './output.ts'
import type { ProgressLine } from './progress.ts'
import { createProgress } from './progress.ts'

/** Shows how far the days are that a call fetches, and before the first of them that it is looked for: rate and time left once there is a day. */
export function createFetchView(
  run: Pick<CommandRun<object>, 'context' | 'interactive' | 'quiet' | 'logger' | 'signal'>,
  symbol: string,
): ProgressLine<{ readonly done: number; readonly total: number }> {
  const startedMs = performance.now()
  return createProgress(run, {
    message: 'fetching',
    facts: ({ done, total }) => ({ done, total }),
    waits: `Looking for ${symbol}`,
    parts: ({ done, total }) => {
      const elapsedMs = performance.now() - startedMs
      const eta = `ETA ${formatDuration((elapsedMs / done) * (total - done))}`
      return [formatRate(done, elapsedMs, 'days'), eta, `${formatCount(done)}/${formatCount(total)} days fetched`]
    },
  })
}
