import { z } from 'zod'
import { CkvdError } from '../errors.ts'
import { parseJson } from '../json-text.ts'
import type { Columns } from '../model/columns.ts'

/** Times are whole milliseconds of the years 2001 to 2096; whatever else a row has is not looked at. */
const Body = z.array(z.object({ fundingTime: z.int().min(1e12).max(4e12), fundingRate: z.string().regex(/^-?\d+(\.\d+)?$/) }))

/**
 * A page of REST's funding rates, `[{"symbol":"BTCUSDT","fundingTime":1775001600003,"fundingRate":"0.00003521",…}]`, as columns; the hours
 * of a rate are not told: 0. Throws CKVD_REST_BODY, also for rates that are not in strictly ascending order.
 */
export function decodeRestRates(body: Uint8Array, url: string): Columns {
  const text = new TextDecoder().decode(body)
  const refuse = (expected: string, cause?: unknown): never => {
    throw new CkvdError('CKVD_REST_BODY', `Expected ${expected} from ${url}, found ${text.slice(0, 80)}.`, { details: { url }, cause })
  }
  const rates = Body.safeParse(parseJson(text))
  if (!rates.success) return refuse('funding rates', rates.error)
  const times = rates.data.map(({ fundingTime }) => fundingTime)
  if (times.some((time, i) => time <= (times[i - 1] ?? 0))) return refuse('funding rates in ascending order of time')
  return {
    openTime: BigInt64Array.from(times, (time) => BigInt(time) * 1000n),
    intervalHours: new BigInt64Array(times.length),
    rate: Float64Array.from(rates.data, ({ fundingRate }) => Number(fundingRate)),
  }
}
