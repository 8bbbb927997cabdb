import type { CkvdError } from '../errors.ts'
import { isFailure } from '../errors.ts'
import type { Series } from '../model/series.ts'
import { chunkRange } from '../model/series.ts'
import type { UtcDay } from '../model/utc-day.ts'
import type { Rest } from '../sources/rest.ts'
import type { KlineSource } from '../sources/source.ts'
import type { SeriesBounds } from './reconcile.ts'

/** REST, which also tells where a series begins. */
export type BirthSource = KlineSource & Pick<Rest, 'fetchFirstBar'>

/** Open time of a series' first bar, us (null: REST has no bar of it), or why REST could not be asked. */
export type Birth = { readonly asked: true; readonly firstUs: number | null } | { readonly asked: false; readonly error: CkvdError }

/** Asks REST where a series begins. Throws CKVD_ABORTED and bugs. */
export async function askBirth(series: Series, rest: BirthSource, signal: AbortSignal): Promise<Birth> {
  try {
    return { asked: true, firstUs: await rest.fetchFirstBar(series, { signal }) }
  } catch (error) {
    if (!isFailure(error)) throw error
    return { asked: false, error }
  }
}

/**
 * The bounds of a series whose first archive does not tell where it begins, since it has no row or cannot be believed. Without REST's
 * word they stay open: what is then missing is unexplained. Throws CKVD_ABORTED and bugs.
 */
export async function boundsFromBirth(
  task: { readonly series: Series; readonly days: readonly UtcDay[]; readonly bounds: SeriesBounds },
  { rest, signal }: { readonly rest: BirthSource | null; readonly signal: AbortSignal },
): Promise<SeriesBounds> {
  const { series, bounds } = task
  const [first] = task.days
  if (rest === null || first === undefined) return bounds
  const birth = await askBirth(series, rest, signal)
  // with a bar before the archive REST knows the series from earlier on, and all of the archive's bars are expected
  const startUs = birth.asked ? birth.firstUs : null
  return startUs === null || startUs < chunkRange(first, series.interval).startUs ? bounds : { ...bounds, startUs }
}
