/**
 * Writes down when a process puts requests on the wire: `node --import ./sent-log.mjs …` with CKVD_SENT_LOG=FILE. Each request adds a line to the
 * file: its time, epoch milliseconds with a fraction, and its path. Nothing of ckvd is changed: undici tells it on a channel of diagnostics.
 */
import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'

/** Epoch milliseconds with a fraction, by the clock that all processes of a machine share; Date.now may go faster here. */
export function exactNow() {
  return performance.timeOrigin + performance.now()
}

const file = process.env.CKVD_SENT_LOG
if (file !== undefined) {
  subscribe('undici:client:sendHeaders', ({ request }) => appendFileSync(file, `${exactNow()} ${request.path}\n`))
}
