import { CkvdError } from '../../errors.ts'
import type { HttpAnswer } from './http-exchange.ts'
import { answerClockMs, parseBanText, parseRetryAfter } from './retry-and-ban-times.ts'

/**
 * The error of an answer with a status that nobody wants: CKVD_FORBIDDEN, CKVD_HTTP_BUSY or CKVD_HTTP_STATUS. Where its text speaks of a ban,
 * `bannedMs` of details says for how long: the later of header and text.
 */
export function statusError(answer: HttpAnswer, url: string): CkvdError {
  const { status, headers } = answer
  const text = new TextDecoder().decode(answer.body.subarray(0, 200))
  const clockMs = answerClockMs(headers, Date.now())
  const retryAfterMs = parseRetryAfter(headers['retry-after'], clockMs)
  const banTextMs = parseBanText(answer.body, clockMs)
  const details = {
    ...{ url, status, body: text },
    ...(banTextMs === undefined ? {} : { bannedMs: Math.max(banTextMs, retryAfterMs ?? 0) }),
  }
  if (status === 403 || status === 451) {
    const place = url.replace(/[?#].*/, '')
    const message = `${place} answered ${status}: it refuses this address (${refusalReason(text)}). Use another network, or a proxy (HTTPS_PROXY).`
    return new CkvdError('CKVD_FORBIDDEN', message, { details })
  }
  if (status === 408 || status === 429 || status >= 500) {
    return new CkvdError('CKVD_HTTP_BUSY', `${url} answered ${status}: it is overloaded or out of order.`, {
      details: retryAfterMs === undefined ? details : { ...details, retryAfterMs },
    })
  }
  const location = headers['location']
  const hint = location === undefined ? '' : ` and pointed to ${location.slice(0, 200)}; set the URL of that source if this is meant`
  return new CkvdError('CKVD_HTTP_STATUS', `Expected status 200 from ${url}, got ${status}${hint}. Check the URLs of \`ckvd config\`.`, {
    details,
  })
}

/** Why a server refuses, in its own words where they are the exchange's (`{"code": 0, "msg": "…"}`), on one line. */
function refusalReason(body: string): string {
  const [, words] = /"msg"\s*:\s*"((?:[^"\\]|\\.)+)/.exec(body) ?? []
  return words === undefined ? 'a firewall or a country rule' : words.replace(/\s+/g, ' ').replace(/\.$/, '')
}
