import { seriesLabel } from '../dataset/names.ts'
import { isToldByRest } from '../dataset/reach.ts'
import { toldInterval, toldSeries } from '../dataset/told.ts'
import { CkvdError } from '../errors.ts'
import type { Series } from '../model/series.ts'

/** The error of a series of which nothing is known. */
export function unknownSymbol(series: Series, restAsked: boolean): CkvdError {
  const isTold = isToldByRest(series)
  const who = restAsked && isTold ? 'Neither the archive listing nor REST knows' : 'The archive listing does not know'
  const what = toldInterval(series) === null ? 'symbol and market' : 'symbol, market and interval'
  return new CkvdError(
    'CKVD_UNKNOWN_SYMBOL',
    `${who} ${seriesLabel(series)}. Check the ${what}${restAsked || !isTold ? '' : ', or let REST be asked (no --no-rest)'}.`,
    {
      details: toldSeries(series),
    },
  )
}
