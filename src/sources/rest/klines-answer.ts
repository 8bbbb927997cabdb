import { parseJson } from '../../json-text.ts'
import { decodeRestRows } from '../../codec/rest-rows.ts'
import { CkvdError, isCkvdError } from '../../errors.ts'
import type { Interval } from '../../model/interval.ts'
import type { KlineColumns } from '../../model/kline.ts'
import { isoOfUs } from '../../model/utc-day.ts'
import type { HttpAnswer } from '../http/http-exchange.ts'
import type { Page } from './rest-pages.ts'

/*
 * Error codes in bodies `{"code":-1121,"msg":"Invalid symbol."}`, from Binance's documents "Error Codes" of spot,
 * USDⓈ-M and COIN-M futures.
 */
const INVALID_SYMBOL = new Set([-1121, -1122])
const INVALID_INTERVAL = -1120
/** startTime after endTime, longer than 200 days, too many hours, and parameters that are illegal or missing */
const INVALID_RANGE = new Set([-1023, -4088, -1127, -1128, -1130, -1100, -1101, -1102, -1103, -1104, -1105, -1106])
const ILLEGAL_CHARACTERS = -1100
/** the exchange is disconnected, overloaded or times out inside */
const PASSING = new Set([-1000, -1001, -1006, -1007, -1008, -1016])

/**
 * Reads the answer to a klines request: its rows, or 'unlisted' when the exchange does not know the symbol.
 * Throws CKVD_UNKNOWN_INTERVAL, CKVD_REST_RANGE, CKVD_HTTP_BUSY, CKVD_HTTP_STATUS, CKVD_REST_BODY.
 */
export function decodeKlinesAnswer(answer: HttpAnswer, page: Page, url: string, interval: Interval): KlineColumns | 'unlisted' {
  if (isUnlisted(answer, 'klines', url)) return 'unlisted'
  const rows = decodeRows(answer.body, interval, url)
  checkPage(rows.openTime, page, url)
  return rows
}

/**
 * True where an answer says that the exchange does not know the symbol; false where it has rows.
 * @param what is asked for, for messages
 * @throws as `decodeKlinesAnswer`, for every other refusal
 */
export function isUnlisted(answer: HttpAnswer, what: string, url: string): boolean {
  const refusal = parseRefusal(answer.body)
  if (refusal !== undefined) return readRefusal(refusal, what, url) === 'unlisted'
  if (answer.status === 200) return false
  throw new CkvdError(
    'CKVD_HTTP_STATUS',
    `Expected ${what} or an error code from ${url}, got status ${answer.status}. Check the REST URL.`,
    {
      details: { url, status: answer.status, body: new TextDecoder().decode(answer.body.subarray(0, 200)) },
    },
  )
}

function decodeRows(body: Uint8Array, interval: Interval, url: string): KlineColumns {
  try {
    return decodeRestRows(body, interval)
  } catch (error) {
    throw isCkvdError(error) ? error.with({ url }) : error
  }
}

/** So much of what a server says is told: each day that it concerns repeats it. Characters. */
const MOST_TOLD = 200

interface Refusal {
  readonly code: number
  readonly msg: string
}

function parseRefusal(body: Uint8Array): Refusal | undefined {
  const text = new TextDecoder().decode(body.subarray(0, 4096)).trimStart()
  if (!text.startsWith('{')) return undefined
  // where it is no error body the caller says what was expected
  const { code, msg } = (parseJson(text) ?? {}) as { code?: unknown; msg?: unknown }
  return typeof code === 'number' ? { code, msg: typeof msg === 'string' ? msg.slice(0, MOST_TOLD) : '' } : undefined
}

function readRefusal({ code, msg }: Refusal, what: string, url: string): 'unlisted' {
  // a symbol of letters that the exchange does not use is "illegal", not "invalid"; it does not exist either way
  if (INVALID_SYMBOL.has(code) || (code === ILLEGAL_CHARACTERS && msg.includes("'symbol'"))) return 'unlisted'
  const details = { url, restCode: code, restMessage: msg }
  if (code === INVALID_INTERVAL) {
    throw new CkvdError('CKVD_UNKNOWN_INTERVAL', `${url} was refused: this market does not have this interval (${code} ${msg}).`, {
      details,
    })
  }
  if (INVALID_RANGE.has(code)) {
    throw new CkvdError('CKVD_REST_RANGE', `${url} was refused: ${code} ${msg.replace(/\.$/, '')}. Ask for another range.`, { details })
  }
  if (PASSING.has(code)) throw new CkvdError('CKVD_HTTP_BUSY', `${url} is busy: ${code} ${msg}`, { details })
  throw new CkvdError(
    'CKVD_REST_BODY',
    `Expected ${what} from ${url}, got the error ${code} ${msg.replace(/\.$/, '')}. Check the REST URL.`,
    { details },
  )
}

/** A page must keep its promise: inside the asked window and no longer than its limit (its rows ascend: decodeRestRows). */
export function checkPage(times: BigInt64Array, page: Page, url: string): void {
  const wrong = (expected: string, found: string): CkvdError =>
    new CkvdError('CKVD_REST_BODY', `Expected ${expected} from ${url}, got ${found}. Check the REST URL.`, { details: { url, found } })
  if (times.length > page.limit) throw wrong(`at most ${page.limit} rows`, `${times.length} rows`)
  for (const time of [times[0], times.at(-1)]) {
    if (time !== undefined && (Number(time) < page.startUs || Number(time) > page.endUs)) {
      throw wrong(`rows from ${isoOfUs(page.startUs)} to ${isoOfUs(page.endUs)}`, `one of ${isoOfUs(Number(time))}`)
    }
  }
}
