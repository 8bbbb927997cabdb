import { MAX_HOLD_MS } from '../../../config/markets.ts'
import { parseHttpDate } from './http-date.ts'

/**
 * The clock by which the times in an answer count, epoch ms: the earlier of ours and the answer's own (`Date`), so that a ban does not end too
 * early where our clock is ahead. What a cache kept (`Age`) has an old one.
 * @param headers names in small letters
 */
export function answerClockMs(headers: Readonly<Record<string, string>>, nowMs: number): number {
  const dateMs = headers['age'] === undefined ? parseHttpDate(headers['date']) : undefined
  return Math.min(nowMs, dateMs ?? nowMs)
}

/** Seconds, also with a fraction. */
const SECONDS = /^\d+(\.\d+)?$/
/** So much of an error's text is read. */
const MAX_TEXT_BYTES = 64 * 1024

/**
 * What a `Retry-After` asks for, in milliseconds: seconds (also a fraction of them) or an HTTP date. At most MAX_HOLD_MS. Undefined where it is
 * missing, cannot be read, or lies in the past: the caller then takes its own time.
 */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  // a header that stands there several times is joined by commas, and a date has one of its own: the longest that can be read counts
  const parts = (text ?? '').split(',').map((part) => part.trim())
  const stated = parts.flatMap((part, i) => {
    if (SECONDS.test(part)) return [Number(part) * 1000]
    const dateMs = parseHttpDate(part) ?? parseHttpDate(`${part}, ${parts[i + 1]}`)
    return dateMs === undefined ? [] : [dateMs - nowMs]
  })
  return bounded(Math.max(...stated))
}

/**
 * `IP banned until 1718000000000` in an error body: how far that lies ahead, in milliseconds, at most MAX_HOLD_MS, the latest of several; undefined:
 * no such text, or it has passed. Milliseconds are what the exchange writes; its other APIs tell times in seconds and microseconds, too.
 */
export function parseBanText(body: Uint8Array | undefined, nowMs: number): number | undefined {
  if (body === undefined) return undefined
  const text = new TextDecoder().decode(body.subarray(0, MAX_TEXT_BYTES))
  // JSON may write any character so, and a body that is cut is none
  const plain = text.replace(/\\u([\da-f]{4})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
  const ends = [...plain.matchAll(/banned\s+until\s+(\d+(?:\.\d+)?)/gi)].map(([, until]) => epochMs(Number(until)))
  return bounded(Math.max(...ends) - nowMs)
}

/** An epoch time of this or the next century, whose unit its size tells: 1e9 seconds are of 2001, 1e11 milliseconds of 1973. */
function epochMs(time: number): number {
  if (time < 1e11) return time * 1000
  if (time < 1e14) return time
  if (time < 1e17) return time / 1000
  return time < 1e20 ? time / 1e6 : time
}

function bounded(delayMs: number): number | undefined {
  return delayMs > 0 ? Math.ceil(Math.min(delayMs, MAX_HOLD_MS)) : undefined
}
