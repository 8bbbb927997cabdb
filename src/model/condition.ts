/** What is known of a chunk. See README, "Conditions". */
export type Condition =
  'complete' | 'provisional' | 'outage' | 'unlisted' | 'pending' | 'partial' | 'disputed' | 'unexplainable' | 'quarantined' | 'failed'

/** All conditions, explained ones first: the order of every table. */
export const CONDITIONS: readonly Condition[] = [
  'complete',
  'provisional',
  'outage',
  'unlisted',
  'pending',
  'partial',
  'disputed',
  'unexplainable',
  'quarantined',
  'failed',
]

const UNEXPLAINED: ReadonlySet<Condition> = new Set(['partial', 'disputed', 'unexplainable', 'quarantined', 'failed'])

/** True when the chunk's bars are all there or their absence is explained. Anything else makes the exit code 3. */
export function isExplained(condition: Condition): boolean {
  return !UNEXPLAINED.has(condition)
}

/** Zero chunks of each condition, to be counted up. */
export function countNone(): Record<Condition, number> {
  return Object.fromEntries(CONDITIONS.map((condition) => [condition, 0])) as Record<Condition, number>
}
