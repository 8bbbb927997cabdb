import { CkvdError } from '../errors.ts'

/** What a caller calls the two ends of a range: `--start` and `--end`, or `startTime` and `endTime`. */
export interface EndNames {
  readonly start: string
  readonly end: string
}

/** The flags of a range. */
export const FLAG_ENDS: EndNames = { start: '--start', end: '--end' }

/**
 * Checks that a range holds something. Days and ISO times of one length sort by time; an end that is not known (undefined, null) bounds nothing.
 * @throws CkvdError of the given code for a start that is not before its end
 */
export function checkOrder(
  { start, end }: { readonly start?: string | null | undefined; readonly end?: string | null | undefined },
  names: EndNames,
  code: 'CKVD_USAGE' | 'CKVD_TIME' = 'CKVD_USAGE',
): void {
  if (typeof start !== 'string' || typeof end !== 'string' || start < end) return
  throw new CkvdError(code, `Expected \`${names.start}\` before \`${names.end}\` (which is excluded), got ${start} and ${end}.`, {
    details: { start, end },
  })
}
