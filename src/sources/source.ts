import type { KlineColumns } from '../model/kline.ts'
import type { Series, TimeRange } from '../model/series.ts'

/** The places from which bars come, in the order in which they are asked. */
export type SourceName = 'lake' | 'vision' | 'rest'

/**
 * What a source has of a stretch.
 *
 * `found`: `rows` ascend strictly, none outside the range. `missing` are the empty slots of bars that have closed by
 * now, as maximal stretches in order: an empty `found` is the source's word that there is nothing, never a failure.
 * `source` says where the rows come from in the words of a shard's `ckvd.source` (`vision-daily`, `rest`, `+`-joined).
 *
 * `absent`: the source cannot say anything of the stretch: it never stored it, has not published it, or does not know
 * the symbol.
 */
export type Stretch =
  | { readonly kind: 'found'; readonly rows: KlineColumns; readonly missing: readonly TimeRange[]; readonly source: string }
  | { readonly kind: 'absent'; readonly reason: 'not-stored' | 'not-published' | 'unlisted' }

/** The seam that makes failover a plain list. A source throws when it failed, and only then. */
export interface KlineSource {
  readonly name: SourceName
  /** Bars that open in `range`. Throws CkvdError. */
  fetchStretch(series: Series, range: TimeRange, o: { readonly signal: AbortSignal }): Promise<Stretch>
}
