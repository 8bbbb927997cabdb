import { z } from 'zod'
import { CkvdError } from '../errors.ts'
import { parseJson } from '../json-text.ts'

/** Milliseconds of the years 2001 to 2096, as a number or its digits. */
const Timestamp = z
  .union([
    z.int(),
    z
      .string()
      .regex(/^\d{13}$/)
      .transform(Number),
  ])
  .pipe(z.int().min(1e12).max(4e12))
const Decimal = z.string().regex(/^\d+(\.\d+)?$/)

/**
 * A page of REST's statistics of futures, `[{"symbol":"BTCUSDT","sumOpenInterest":"20403.637","timestamp":1583127900000,…}]`: of each time,
 * in microseconds, the values of some fields, NaN where a row does not have one; in ascending order. Throws CKVD_REST_BODY, also for a time
 * that is told twice.
 */
export function decodeRestStatistics(body: Uint8Array, fields: readonly string[], url: string): Map<number, readonly number[]> {
  const text = new TextDecoder().decode(body)
  const refuse = (expected: string, cause?: unknown): never => {
    throw new CkvdError('CKVD_REST_BODY', `Expected ${expected} from ${url}, found ${text.slice(0, 80)}.`, { details: { url }, cause })
  }
  const values = Object.fromEntries(fields.map((field) => [field, z.union([Decimal, z.literal(''), z.null()]).optional()]))
  const rows = z.array(z.object({ timestamp: Timestamp, ...values })).safeParse(parseJson(text))
  if (!rows.success) return refuse('statistics of futures', rows.error)
  const told = rows.data.map((row): [number, readonly number[]] => {
    const cells = row as Readonly<Record<string, unknown>>
    return [Number(cells['timestamp']) * 1000, fields.map((field) => valueOf(cells[field]))]
  })
  const byTime = new Map(told.sort(([a], [b]) => a - b))
  return byTime.size === told.length ? byTime : refuse('statistics of each time once')
}

function valueOf(text: unknown): number {
  return typeof text === 'string' && text !== '' ? Number(text) : NaN
}
