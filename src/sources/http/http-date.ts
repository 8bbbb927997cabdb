/**
 * Dates as HTTP allows them (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, and two obsolete forms, of which one lacks the zone. Other texts
 * are none, though `Date.parse` makes something of many: the year 2001 of a `1`, this machine's own zone of a time without one.
 */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d{2}:\d{2}:\d{2}(?: GMT| \d{4})$/

/** An HTTP date as epoch milliseconds; undefined where it is none. */
export function parseHttpDate(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? ''
  if (!HTTP_DATE.test(trimmed)) return undefined
  const timeMs = Date.parse(trimmed.endsWith('GMT') ? trimmed : `${trimmed} GMT`)
  return Number.isNaN(timeMs) ? undefined : timeMs
}
