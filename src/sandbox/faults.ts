import { CkvdError } from '../errors.ts'
import { isMarket, isSymbol } from '../model/market.ts'
import type { Market } from '../model/market.ts'
import { parseUtcDay } from '../model/utc-day.ts'

/** Chooses requests: `match` is a regular expression, tested on the decoded path with its query. */
export interface RequestMatch {
  /** regular expression on the decoded path with its query */
  readonly match: string
  /** how many matching requests are hit; default: all */
  readonly times?: number
  /** how many matching requests pass before the first is hit; default 0 */
  readonly skip?: number
}

/** Chooses archives: `match` is a regular expression, tested on the archive's decoded path. */
export interface ArchiveMatch {
  /** regular expression on the archive's decoded path */
  readonly match: string
}

/** Chooses a day of a symbol in all its intervals; `symbol` may be `*`. */
export interface DayPlace {
  /** `spot`, `um` or `cm` */
  readonly market: Market
  /** or `*` */
  readonly symbol: string
  /** UTC, `YYYY-MM-DD` */
  readonly day: string
}

/** Chooses a stretch of bars of a symbol, [from, to) as ISO times; `symbol` may be `*`. */
export interface StretchPlace {
  /** `spot`, `um` or `cm` */
  readonly market: Market
  /** or `*` */
  readonly symbol: string
  /** ISO time with a zone */
  readonly from: string
  /** ISO time with a zone, excluded */
  readonly to: string
}

/** What goes wrong with single answers. The first rule that matches a request, and is not used up, is applied. */
export type AnswerFault = RequestMatch &
  /** another status, with `Retry-After` and a body where they are given */
  (
    | { readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds?: number; readonly body?: string }
    /** connect: closed without an answer; headers: in the middle of the headers; body: after half of the body */
    | { readonly kind: 'reset'; readonly at: 'connect' | 'headers' | 'body' }
    /** the answer stops (never begins, or after half of the body) and the connection stays open */
    | { readonly kind: 'stall'; readonly at: 'headers' | 'body' }
    /** the body comes in small pieces, so fast */
    | { readonly kind: 'slow'; readonly bytesPerSecond: number }
    /** only `bytes` of the body; declared: content-length still tells the whole size, else the body ends as if it were whole */
    | { readonly kind: 'truncate'; readonly bytes: number; readonly declared: boolean }
    /** one bit of the body flipped, at byte `offset` (default: its middle) */
    | { readonly kind: 'flip'; readonly offset?: number }
    /** a page of HTML with status 200 */
    | { readonly kind: 'html' }
    /** the body compressed, as `Content-Encoding` says */
    | { readonly kind: 'gzip' }
    /** 302 to `to`; default: the same address below `/redirected`, where it is answered without faults */
    | { readonly kind: 'redirect'; readonly to?: string }
    /** a page of the listing that ends in the middle */
    | { readonly kind: 'listing-cut' }
    | { readonly kind: 'wrong-checksum' }
    | { readonly kind: 'stale-checksum' }
    | { readonly kind: 'missing-checksum' }
    | { readonly kind: 'foreign-checksum' }
    | { readonly kind: 'bare-checksum' }
    /** at most `rows` rows a page of klines, whatever the limit says */
    | {
        readonly kind: 'cap'
        /** rows of a page at most */
        readonly rows: number
      }
    /** klines answer with the bars of so many days from `startTime` on, whatever `endTime` says */
    | {
        readonly kind: 'lookahead'
        /** days from `startTime` on */
        readonly days: number
      }
    /** klines take their rows from the other end of the range when there are more than a page */
    | { readonly kind: 'wrong-end' }
    /** klines lack the bars that opened in the last `minutes` of the exchange's clock */
    | {
        readonly kind: 'lag'
        /** minutes before the exchange's clock */
        readonly minutes: number
      }
    /** nothing, with status 200: `[]` for klines, no key in a listing, no symbol in `exchangeInfo`, else no bytes */
    | { readonly kind: 'empty' }
    /** the time that the answer tells is off by so many seconds: the header `Date`, and `serverTime` in a body */
    | {
        readonly kind: 'date'
        /** seconds, negative: the clock is behind */
        readonly offsetSeconds: number
      }
    /** 418 whose text says "banned until" in so many seconds; `Retry-After` only where it is given */
    | {
        readonly kind: 'ban-text'
        /** how long the ban lasts */
        readonly seconds: number
        readonly retryAfterSeconds?: number
      }
    /** so many bytes (spaces) after the right body, and a length that says so */
    | { readonly kind: 'oversize'; readonly bytes: number }
    /** body: spaces after the right body, until the client goes away; pages (listing only): whole pages that never end the list */
    | {
        readonly kind: 'endless'
        /** what never ends */
        readonly what: 'body' | 'pages'
      }
  )

/** What is wrong with the rows or with an archive's content; CHECKSUM, size and ETag are those of the wrong content. */
export type ContentFault =
  /** the exchange was down; `rest: false`: only the archives lack the bars, REST has them. Default true */
  | (StretchPlace & { readonly kind: 'outage'; readonly rest?: boolean })
  /** bars that open `offsetMs` late (interval 1m only), in archives and REST */
  | (StretchPlace & { readonly kind: 'off-grid'; readonly offsetMs: number })
  /** the archives of a day end before `at`, HH:MM; `rest: false`: REST lacks those bars too. Default true */
  | (DayPlace & { readonly kind: 'cut'; readonly at: string; readonly rest?: boolean })
  /** the monthly archive lacks the day */
  | (DayPlace & { readonly kind: 'drop-day' })
  /** some rows of the day have other volumes in one source */
  | (DayPlace & { readonly kind: 'differ'; readonly source: 'monthly' | 'rest' })
  /** the daily archives are published so much later */
  | (DayPlace & { readonly kind: 'late'; readonly hours: number })
  /** there are no daily archives of the day */
  | (DayPlace & { readonly kind: 'unlisted' })
  /** the archives that hold the day are published again: new ETag and LastModified, other rows unless `content: false` */
  | (DayPlace & { readonly kind: 'republish'; readonly content?: boolean })
  /** line `line` (from 1, a header counts) is replaced by `text` */
  | (ArchiveMatch & { readonly kind: 'corrupt-line'; readonly line: number; readonly text: string })
  /** bytes in the middle of the ZIP are wrong, its CHECKSUM is right */
  | (ArchiveMatch & { readonly kind: 'corrupt-zip' })
  /** the third row comes twice */
  | (ArchiveMatch & { readonly kind: 'duplicate-rows' })
  /** the third row comes twice, the second time with another number of trades; of metrics the open interest, of trades the quantity is another */
  | (ArchiveMatch & { readonly kind: 'conflicting-rows' })
  /** the second and the last row change places */
  | (ArchiveMatch & { readonly kind: 'unsorted-rows' })
  /** all lines behind the first one in another order */
  | (ArchiveMatch & { readonly kind: 'shuffled-rows' })
  /** each line behind the first one comes twice */
  | (ArchiveMatch & { readonly kind: 'doubled-rows' })
  /** lines are missing, in the archive alone */
  | (ArchiveMatch & {
      readonly kind: 'missing-rows'
      /** the first of them, from 1; a header counts */
      readonly line: number
      /** how many */
      readonly rows: number
    })

/** One scripted fault, as JSON writes it. */
export type FaultRule = AnswerFault | ContentFault
/** The kinds of faults. */
export type FaultKind = FaultRule['kind']

/** A field of a rule: what it must be, in words, and the test. */
interface Field {
  readonly expected: string
  readonly test: (value: unknown) => boolean
  readonly optional?: boolean
}

const text: Field = { expected: 'a text', test: (value) => typeof value === 'string' }
const flag: Field = { expected: 'true or false', test: (value) => typeof value === 'boolean' }
const count = (minimum: number): Field => ({
  expected: `an integer of at least ${minimum}`,
  test: (value) => Number.isSafeInteger(value) && Number(value) >= minimum,
})
const oneOf = (...values: string[]): Field => ({
  expected: `one of ${values.join(', ')}`,
  test: (value) => typeof value === 'string' && values.includes(value),
})
const optional = (field: Field): Field => ({ ...field, optional: true })
const isoTime: Field = {
  expected: 'an ISO time with a zone, e.g. 2024-01-01T03:00:00Z',
  test: (value) => typeof value === 'string' && /T.*(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value)),
}
const matchField: Field = { expected: 'a regular expression', test: (value) => typeof value === 'string' && isRegExp(value) }
const marketField: Field = { expected: 'spot, um, cm or option', test: (value) => typeof value === 'string' && isMarket(value) }
const symbolField: Field = { expected: 'a symbol or *', test: (value) => typeof value === 'string' && (value === '*' || isSymbol(value)) }

const REQUEST = { match: matchField, times: optional(count(1)), skip: optional(count(0)) }
const ARCHIVE = { match: matchField }
const STRETCH = { market: marketField, symbol: symbolField, from: isoTime, to: isoTime }
const DAY = {
  market: marketField,
  symbol: symbolField,
  day: { expected: 'a day YYYY-MM-DD', test: (value: unknown) => typeof value === 'string' && parseUtcDay(value) !== undefined },
}

const FIELDS: Readonly<Record<FaultKind, Readonly<Record<string, Field>>>> = {
  status: {
    ...REQUEST,
    status: {
      expected: 'an HTTP status from 200 to 599',
      test: (value) => Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599,
    },
    retryAfterSeconds: optional(count(0)),
    body: optional(text),
  },
  reset: { ...REQUEST, at: oneOf('connect', 'headers', 'body') },
  stall: { ...REQUEST, at: oneOf('headers', 'body') },
  slow: { ...REQUEST, bytesPerSecond: count(1) },
  truncate: { ...REQUEST, bytes: count(0), declared: flag },
  flip: { ...REQUEST, offset: optional(count(0)) },
  html: REQUEST,
  gzip: REQUEST,
  redirect: { ...REQUEST, to: optional(text) },
  'listing-cut': REQUEST,
  'wrong-checksum': REQUEST,
  'stale-checksum': REQUEST,
  'missing-checksum': REQUEST,
  'foreign-checksum': REQUEST,
  'bare-checksum': REQUEST,
  cap: { ...REQUEST, rows: count(0) },
  lookahead: { ...REQUEST, days: count(1) },
  'wrong-end': REQUEST,
  lag: { ...REQUEST, minutes: count(1) },
  empty: REQUEST,
  date: {
    ...REQUEST,
    offsetSeconds: { expected: 'an integer, below 0 for the past', test: (value) => Number.isSafeInteger(value) && Number(value) !== 0 },
  },
  'ban-text': { ...REQUEST, seconds: count(1), retryAfterSeconds: optional(count(0)) },
  oversize: { ...REQUEST, bytes: count(1) },
  endless: { ...REQUEST, what: oneOf('body', 'pages') },
  outage: { ...STRETCH, rest: optional(flag) },
  'off-grid': {
    ...STRETCH,
    offsetMs: {
      expected: 'an integer from 1 to 59999',
      test: (value) => Number.isInteger(value) && Number(value) > 0 && Number(value) < 60_000,
    },
  },
  cut: {
    ...DAY,
    at: { expected: 'a time HH:MM', test: (value) => typeof value === 'string' && /^([01]\d|2[0-3]):[0-5]\d$/.test(value) },
    rest: optional(flag),
  },
  'drop-day': DAY,
  differ: { ...DAY, source: oneOf('monthly', 'rest') },
  late: { ...DAY, hours: count(1) },
  unlisted: DAY,
  republish: { ...DAY, content: optional(flag) },
  'corrupt-line': { ...ARCHIVE, line: count(1), text },
  'corrupt-zip': ARCHIVE,
  'duplicate-rows': ARCHIVE,
  'conflicting-rows': ARCHIVE,
  'unsorted-rows': ARCHIVE,
  'shuffled-rows': ARCHIVE,
  'doubled-rows': ARCHIVE,
  'missing-rows': { ...ARCHIVE, line: count(1), rows: count(1) },
}

/**
 * Reads a list of fault rules (parsed JSON) strictly: an unknown kind or key, a missing or a wrong value is refused with
 * `CKVD_CONFIG`, since a fault that silently does nothing makes a test that cannot fail.
 */
export function parseFaultRules(value: unknown): FaultRule[] {
  if (!Array.isArray(value))
    throw new CkvdError('CKVD_CONFIG', `Expected fault rules to be a list, got ${show(value)}. Write [{"match": "…", "kind": "…"}].`)
  return value.map((rule: unknown, index) => parseRule(rule, index))
}

function parseRule(rule: unknown, index: number): FaultRule {
  const refuse = (problem: string): never => {
    throw new CkvdError('CKVD_CONFIG', `Fault rule ${index + 1}: ${problem}`, { details: { rule: index + 1 } })
  }
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) return refuse(`expected an object, got ${show(rule)}.`)
  const given = new Map<string, unknown>(Object.entries(rule))
  const kind = given.get('kind')
  if (typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind)) {
    return refuse(`expected \`kind\` to be one of ${Object.keys(FIELDS).join(', ')}, got ${show(kind)}.`)
  }
  const fields = FIELDS[kind as FaultKind]
  for (const key of given.keys()) {
    if (key === 'kind' || Object.hasOwn(fields, key)) continue
    refuse(`\`${key}\` is not a key of the kind ${kind}, which has ${Object.keys(fields).join(', ')}.`)
  }
  for (const [key, field] of Object.entries(fields)) {
    if (field.optional === true && !given.has(key)) continue
    if (!field.test(given.get(key))) refuse(`expected \`${key}\` of ${kind} to be ${field.expected}, got ${show(given.get(key))}.`)
  }
  return rule as FaultRule
}

function isRegExp(source: string): boolean {
  try {
    return new RegExp(source, 'u').source !== ''
  } catch {
    return false
  }
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}

const CONTENT_KINDS: ReadonlySet<string> = new Set<ContentFault['kind']>([
  'outage',
  'off-grid',
  'cut',
  'drop-day',
  'differ',
  'late',
  'unlisted',
  'republish',
  'corrupt-line',
  'corrupt-zip',
  'duplicate-rows',
  'conflicting-rows',
  'unsorted-rows',
  'shuffled-rows',
  'doubled-rows',
  'missing-rows',
])

export function isContentFault(rule: FaultRule): rule is ContentFault {
  return CONTENT_KINDS.has(rule.kind)
}

/** Requests to which a kind alone applies: others pass by it, and are not counted. */
const PLACE_OF: Readonly<Partial<Record<FaultKind, RegExp>>> = {
  cap: /\/klines\?/,
  lookahead: /\/klines\?/,
  'wrong-end': /\/klines\?/,
  lag: /\/klines\?/,
}

/** The rules about answers, with how often each was used. */
export class AnswerFaults {
  readonly #rules: { readonly rule: AnswerFault; readonly pattern: RegExp; seen: number }[]

  constructor(rules: readonly FaultRule[]) {
    this.#rules = rules.flatMap((rule) => (isContentFault(rule) ? [] : [{ rule, pattern: new RegExp(rule.match, 'u'), seen: 0 }]))
  }

  /** The fault of this request, if any; counts it. */
  take(path: string): AnswerFault | undefined {
    for (const entry of this.#rules) {
      if (!entry.pattern.test(path) || PLACE_OF[entry.rule.kind]?.test(path) === false) continue
      const turn = entry.seen - (entry.rule.skip ?? 0)
      if (turn >= (entry.rule.times ?? Infinity)) continue
      entry.seen++
      if (turn >= 0) return entry.rule
    }
    return undefined
  }
}

/**
 * Refuses rules about content where the archives are real files: they would silently do nothing (`CKVD_CONFIG`).
 */
export function checkFaultsForFiles(rules: readonly FaultRule[]): void {
  const index = rules.findIndex(isContentFault)
  if (index < 0) return
  throw new CkvdError(
    'CKVD_CONFIG',
    `Fault rule ${index + 1}: ${rules[index]?.kind} changes synthetic bars, but this sandbox serves real archives. Change the files instead, or leave out the archive folder.`,
    { details: { rule: index + 1 } },
  )
}
