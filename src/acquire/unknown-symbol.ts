import { seriesLabel } from '../dataset/names.ts'
import { CkvdError } from '../errors.ts'
import type { Series } from '../model/series.ts'

/** The error of a series of which nothing is known. */
export function unknownSymbol(series: Series, restAsked: boolean): CkvdError {
  const who = restAsked ? 'Neither the archive listing nor REST knows' : 'The archive listing does not know'
  return new CkvdError(
    'CKVD_UNKNOWN_SYMBOL',
    `${who} ${seriesLabel(series)}. Check the symbol, market and interval${restAsked ? '' : ', or let REST be asked (no --no-rest)'}.`,
    {
      details: { ...series },
    },
  )
}
