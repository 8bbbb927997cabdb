import type { CommandRun } from '../command.ts'
import { formatCount, formatDuration, formatRate } from './output.ts'
import type { ProgressLine } from './progress.ts'
import { createProgress } from './progress.ts'

/** How far a listing is. */
export interface ListingProgress {
  readonly done: number
  readonly total: number
  readonly problems: number
}

/** Shows how far a listing is, with rate and ETA. */
export function createListingView(
  run: Pick<CommandRun<object>, 'context' | 'interactive' | 'quiet' | 'logger' | 'signal'>,
): ProgressLine<ListingProgress> {
  const startedMs = performance.now()
  const etaOf = ({ done, total }: ListingProgress): number => ((performance.now() - startedMs) / done) * (total - done)
  return createProgress(run, {
    message: 'listing symbols',
    waits: 'Reading which symbols there are',
    facts: (progress) => ({ ...progress, etaMs: etaOf(progress) }),
    parts: (progress) => [
      formatRate(progress.done, performance.now() - startedMs, 'symbols'),
      `ETA ${formatDuration(etaOf(progress))}`,
      `${formatCount(progress.done)}/${formatCount(progress.total)} symbols`,
    ],
  })
}
