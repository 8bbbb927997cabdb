import type { CkvdError } from '../../errors.ts'
import type { Columns } from '../../model/columns.ts'
import type { DoubtReason, Evidence } from '../../model/evidence.ts'
import type { Gap } from '../../model/gaps.ts'

/** What REST answered about some gaps. */
export type RestAnswer = {
  /** it can tell nothing of what is before, us */
  readonly reachUs: number
} & (
  | {
      readonly kind: 'asked'
      /** rows that have closed, ascending, also beyond the gaps */
      readonly rows: Columns
      /** those of them that do not break a bar's rules: what no second source has may be stored */
      readonly sound: Columns
      /** the others, by their open times, in words */
      readonly odd: ReadonlyMap<number, string>
      /** open times of all rows that came, ascending */
      readonly seen: readonly number[]
      /** true when one answer has both bars, next to each other */
      readonly linked: (beforeUs: number, afterUs: number) => boolean
      /** open time of a bar after which the same answer, up to now, has none */
      readonly silentAfterUs: number | null
      /** of rows that were asked for by their ids: what is known of a gap; absent: their times tell */
      readonly explain?: (gap: Gap) => Evidence
    }
  /** nothing can be said of the gaps, and why; `passing`: it could not answer now, and may another time */
  | {
      readonly kind: 'silent'
      readonly reason: DoubtReason
      readonly note: string | null
      readonly passing: boolean
      readonly error: CkvdError | null
    }
)
